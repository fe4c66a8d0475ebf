"""What became of the cases of a target, and how many there may be."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from qconvert.errors import QConvertError

#: Codes of deaths and of the time of the isolated reader, and of ONNX Runtime's process.
_SURVIVED: Final = ("QC108", "QC109", "QC721", "QC722")
_SIGNAL: Final = re.compile(r"\(signal \d+, (SIG\w+)\)")


class WrongError(AssertionError):
    """A case that ended, but not as it has to."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop: after so many ``seconds``, or ``cases`` if given, which is deterministic."""

    seconds: float
    cases: int | None
    seed: int


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and the smallest input that was found to show it."""

    text: str
    content: bytes
    suffix: str


@dataclass(slots=True)
class Tally:
    """Counts of outcomes: ``""`` of what was accepted, else the code of the refusal.

    ``slowest`` are seconds.
    """

    target: str
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """All cases."""
        return self.outcomes.total() + len(self.failures)

    @property
    def accepted(self) -> int:
        """Those that ended in a result."""
        return self.outcomes[""]

    @property
    def refused(self) -> int:
        """Those that ended in an error of this package."""
        return self.outcomes.total() - self.accepted

    @property
    def survived(self) -> dict[str, int]:
        """Crashes and hangs of processes that files are given to."""
        found = self.outcomes.items()
        return {outcome: count for outcome, count in found if outcome.startswith(_SURVIVED)}

    def row(self) -> tuple[str, ...]:
        """The cells of the table."""
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.survived.items()))
        counts = (self.tried, self.accepted, self.refused)
        return (
            self.target,
            *(f"{count:,}" for count in counts),
            told or "-",
            str(len(self.failures)),
            f"{self.slowest:.2f}",
        )


HEADER: Final = ("target", "cases", "accepted", "refused", "survived", "failures", "slowest s")


def outcome_of(error: QConvertError) -> str:
    """The code, and by which signal the isolated reader ended if it did."""
    if error.code not in _SURVIVED:
        return error.code
    signal = _SIGNAL.search(str(error))
    return f"{error.code} {signal[1]}" if signal else error.code


def saved(tally: Tally, folder: Path) -> Iterator[Path]:
    """Write each failing input, and beside it what went wrong."""
    for i, failure in enumerate(tally.failures):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{tally.target}-{i}{failure.suffix}"
        path.write_bytes(failure.content)
        path.with_name(f"{path.name}.txt").write_text(failure.text, "utf-8", "backslashreplace")
        yield path


@contextmanager
def requiring(what: str) -> Iterator[None]:
    """Errors of this package are no refusal here, but wrong."""
    try:
        yield
    except QConvertError as error:
        raise WrongError(f"{what}: {error.coded}") from error
