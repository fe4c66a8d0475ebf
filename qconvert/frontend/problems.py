"""How a parser says what is wrong with a layer; `build_graph` raises the public errors."""

from collections.abc import Sequence


class Malformed(Exception):  # noqa: N818 - named by what the layer is
    """A layer that no Keras could have written, or whose weights do not fit it."""


class Unsupported(Exception):  # noqa: N818
    """Everything in one layer that cannot be converted."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons: Sequence[str] = reasons


class Blocked(Exception):  # noqa: N818
    """The input of the layer is unknown, because an earlier layer could not be read."""


def short(value: object) -> str:
    """*value* for a message, not longer than a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
