"""Every error that a caller may catch, each with its exit code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class QConvertError(Exception):
    """The base of all errors of this package; ``exit_code`` is the command line's."""

    exit_code = 70


class UsageError(QConvertError):
    """Arguments that contradict each other or do not fit the model."""

    exit_code = 2


class BadFileError(QConvertError):
    """A file that is missing, damaged, hostile, or not what it should be."""

    exit_code = 4

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a model that is not supported; ``layer`` is empty for the model itself."""

    layer: str
    reason: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.reason}" if self.layer else self.reason


class UnsupportedError(QConvertError):
    """All the things in a model that cannot be converted, collected over the whole model."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"the model has {len(self.problems)} unsupported part(s):\n{lines}")


class WitnessError(QConvertError):
    """A runtime that `check` needs is not installed, died, or answered nonsense."""

    exit_code = 5


class OutputError(QConvertError):
    """An output could not be written; nothing was changed."""

    exit_code = 6

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


class LimitError(QConvertError):
    """A resource limit was reached."""

    exit_code = 7
