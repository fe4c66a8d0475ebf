"""How a parser says what is wrong with a layer; `build_graph` raises the public errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qconvert.errors import BadFileError, BadModelError, Problem, UnsupportedError

#: An option has a value that no layer can have, and one that is not supported.
IMPOSSIBLE: Final = "QC321"
OPTION: Final = "QC322"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a layer cannot be converted, and the code of such reasons."""

    text: str
    code: str = OPTION


class Malformed(Exception):  # noqa: N818 - named by what the layer is
    """A layer that no Keras could have written, or whose weights do not fit it.

    *also* are the reasons for which it could not be converted either.
    """

    def __init__(
        self, message: str, code: str = IMPOSSIBLE, *, also: Sequence[Reason] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.also = tuple(also)


class Unsupported(Exception):  # noqa: N818
    """Everything in one layer that cannot be converted; *code* is of reasons without one."""

    def __init__(self, *reasons: str | Reason, code: str = OPTION) -> None:
        self.reasons = tuple(Reason(r, code) if isinstance(r, str) else r for r in reasons)
        super().__init__("; ".join(reason.text for reason in self.reasons))


class Blocked(Exception):  # noqa: N818
    """The input of the layer is unknown, because an earlier layer could not be read."""


def require_none(wrong: Sequence[Problem], unsupported: Sequence[Problem], path: Path) -> None:
    """The public error of all that was found in the file *path*, if anything was."""
    every = tuple(dict.fromkeys((*wrong, *unsupported)))
    if not wrong and every:
        raise UnsupportedError(every, path)
    if len(every) > 1:
        raise BadModelError(path, every)
    for problem in wrong:
        layer = f"layer {problem.layer!r}: " if problem.layer else ""
        raise BadFileError(problem.code, path, f"{layer}{problem.reason}")


def short(value: object) -> str:
    """*value* for a message, not longer than a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
