"""A page in a notebook."""

from html import escape
from typing import Final

#: In pixels.
_HEIGHT: Final = 640


def framed(page: str, title: str) -> str:
    """A frame, which keeps the page's style sheet and the notebook's apart, its policy in force."""
    return (
        f'<iframe sandbox title="{escape(title)}" srcdoc="{escape(page)}" width="100%"'
        f' height="{_HEIGHT}" frameborder="0"></iframe>'
    )
