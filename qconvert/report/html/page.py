"""The shell that pages have in common: templates, style sheets, and text that stays text."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qconvert.report.escape import printable

#: The style sheet of every page: colours for light and dark, text, tables, print.
SHELL: Final = "style.css"


def page(
    template: str, title: str, content: Mapping[str, object], styles: Sequence[str] = ()
) -> str:
    """A page of the *template* in this folder, which extends ``page.html.j2`` and has *content*.

    All text in it is escaped, its control characters are shown; *styles* are further sheets of
    this folder. Nothing but these sheets applies to the page: an attribute ``style`` has no effect.
    """
    environment = _environment()
    style = "\n".join(_sheet(environment, name) for name in (SHELL, *styles))
    shell = {"title": title, "style": Markup(style), "style_hash": _hash(style)}
    return environment.get_template(template).render({**content, **shell}) + "\n"


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("qconvert.report.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_inert,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _inert(value: object) -> object:
    """Text from a model without characters that turn the text around or are not to be seen."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _sheet(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, name)
    return source


def _hash(style: str) -> str:
    """What the page's policy allows as its only style."""
    digest = hashlib.sha256(style.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
