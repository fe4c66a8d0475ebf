"""How a parser says what is wrong with a layer; `build_graph` raises the public errors."""

from dataclasses import dataclass
from typing import Final

#: An option has a value that no layer can have, and one that is not supported.
IMPOSSIBLE: Final = "QC321"
OPTION: Final = "QC322"


class Malformed(Exception):  # noqa: N818 - named by what the layer is
    """A layer that no Keras could have written, or whose weights do not fit it."""

    def __init__(self, message: str, code: str = IMPOSSIBLE) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a layer cannot be converted, and the code of such reasons."""

    text: str
    code: str = OPTION


class Unsupported(Exception):  # noqa: N818
    """Everything in one layer that cannot be converted; *code* is of reasons without one."""

    def __init__(self, *reasons: str | Reason, code: str = OPTION) -> None:
        self.reasons = tuple(Reason(r, code) if isinstance(r, str) else r for r in reasons)
        super().__init__("; ".join(reason.text for reason in self.reasons))


class Blocked(Exception):  # noqa: N818
    """The input of the layer is unknown, because an earlier layer could not be read."""


def short(value: object) -> str:
    """*value* for a message, not longer than a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
