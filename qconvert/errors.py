"""Every error that a caller may catch, each with its exit code and one of `qconvert.codes`."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Of a model with unsupported parts, and with parts that are wrong, of several kinds.
_SEVERAL: Final = "QC300"
_SEVERAL_WRONG: Final = "QC309"
#: What some program or other begins a new line at.
_BREAK: Final = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
#: Characters of a line of a message, of which so many of its end are kept, and lines behind the
#: first: both may hold what a file says.
_LONGEST: Final = 1000
_END: Final = 300
_MOST: Final = 1000


class QConvertError(Exception):
    """The base of all errors of this package.

    ``exit_code`` is the command line's; ``code``, such as QC107, says what kind of failure it is
    and stays the same over versions: docs/ERRORS.md explains each. ``lines`` are those of the
    message: *message* and each of *details* is one, not longer than one can read, whatever names
    of a model are in it.
    """

    exit_code = 70

    def __init__(self, code: str, message: str, *details: str) -> None:
        more = len(details) - _MOST
        shown = [*details[:_MOST], *([f"  and {more:,} more"] if more > 0 else [])]
        self.lines = tuple(map(_line, (message, *shown)))
        super().__init__("\n".join(self.lines))
        self.code = code

    @property
    def coded(self) -> str:
        """The message behind its code, for where nothing else tells this."""
        return f"{self.code}: {self}"


class UsageError(QConvertError):
    """Arguments that contradict each other or do not fit the model."""

    exit_code = 2


class BadFileError(QConvertError):
    """A file that is missing, damaged, hostile, or not what it should be."""

    exit_code = 4

    def __init__(self, code: str, path: Path | str, reason: str, *details: str) -> None:
        super().__init__(code, f"{path}: {reason}", *details)
        self.path = Path(path)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a model that is not supported; ``layer`` is empty for the model itself."""

    code: str
    layer: str
    reason: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.reason}" if self.layer else self.reason


class BadModelError(BadFileError):
    """All the things that are wrong with a model, and those that cannot be converted as well.

    ``code`` is that of the ``problems``, if they have the same.
    """

    def __init__(self, path: Path | str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        code = _code_of(self.problems, _SEVERAL_WRONG)
        super().__init__(code, path, f"{len(self.problems)} problems:", *_listed(self.problems))


class UnsupportedError(QConvertError):
    """All the things in a model that cannot be converted, collected over the whole model.

    ``code`` is that of the problems, if they have the same. *path* is the file, if it is of one.
    """

    exit_code = 3

    def __init__(self, problems: Sequence[Problem], path: Path | str | None = None) -> None:
        self.problems = tuple(problems)
        first, *others = _unsupported(self.problems)
        named = first if path is None else f"{path}: {first}"
        super().__init__(_code_of(self.problems, _SEVERAL), named, *others)


def _code_of(problems: Sequence[Problem], several: str) -> str:
    codes = {problem.code for problem in problems}
    return codes.pop() if len(codes) == 1 else several


def _unsupported(problems: Sequence[Problem]) -> Iterator[str]:
    """The lines; a single problem of the model itself, which may be no model, is no part of it."""
    if len(problems) == 1 and not problems[0].layer:
        yield f"not supported: {problems[0]}"
        return
    yield f"the model has {len(problems)} unsupported part(s):"
    yield from _listed(problems)


def _listed(problems: Sequence[Problem]) -> Iterator[str]:
    return (f"  {problem} [{problem.code}]" for problem in problems)


def _line(text: str) -> str:
    """*text* as one line: a name with a line break would forge another one."""
    if len(text) > _LONGEST:
        left_out = len(text) - _LONGEST
        text = f"{text[: _LONGEST - _END]}... ({left_out:,} characters) ...{text[-_END:]}"
    return _BREAK.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


class WitnessError(QConvertError):
    """A runtime that `check` needs is not installed, died, or answered nonsense."""

    exit_code = 5


class LimitError(QConvertError):
    """A resource limit was reached."""

    exit_code = 7


@contextmanager
def naming_file(
    path: Path | str | None, kind: type[WitnessError] | type[UsageError] | type[LimitError]
) -> Iterator[None]:
    """Within, errors of a *kind* are about the file *path*, if it is from one: that is told.

    Those who raise them, a runtime for one, may not know it.
    """
    try:
        yield
    except kind as error:
        if path is None:
            raise
        first, *more = error.lines
        raise kind(error.code, f"{path}: {first}", *more) from error


class OutputError(QConvertError):
    """An output could not be written; nothing was changed."""

    exit_code = 6

    def __init__(self, code: str, path: Path | str, reason: str) -> None:
        super().__init__(code, f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


def similar(name: str, known: Iterable[str]) -> str:
    """Which of the *known* names may be meant by *name*, for the end of a message; "" if none."""
    near = difflib.get_close_matches(name, known, n=2)
    return f" (similar names: {', '.join(near)})" if near else ""
