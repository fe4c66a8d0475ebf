"""What is counted of the runs with one fault, and whether it is as it has to be."""

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from scripts.faulted.running import Ended


@dataclass(slots=True)
class Row:
    """What became of the runs with one fault: nothing mixed, nothing wrong.

    Nothing is left beside the output or in ``temporary`` folders either, except where a process
    that is killed ``may_leave`` it. Of ``both`` some runs have to end with what was there before,
    and some with what is new: else the fault did not come while one became the other.
    """

    fault: str
    may_leave: bool = False
    both: bool = False
    runs: int = 0
    old: int = 0
    new: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    mixtures: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    temporary: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing happened that must not."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """All that happened and must not, each once."""
        found = [] if self.runs else ["nothing was run"]
        found += [f"a mixture: {what}" for what in self.mixtures]
        if self.both:
            seen = {"old": self.old, "new": self.new}
            found += [f"no run left the {which} file" for which, runs in seen.items() if not runs]
        if not self.may_leave:
            found += [f"left: {name}" for name in self.left]
            found += [f"left in TMPDIR: {name}" for name in self.temporary]
        return tuple(dict.fromkeys((*found, *self.wrong)))

    def count(self, end: Ended, codes: Container[int] | None = None) -> None:
        """One run more, which may end with these *codes*, or any, and with no traceback."""
        self.runs += 1
        self.codes[str(end.code)] += 1
        self.temporary += end.left
        unexpected = codes is not None and end.code not in codes
        if unexpected or "Traceback" in end.text or "QC999" in end.text:
            self.wrong.append(f"exit code {end.code}: {end.text.strip()[-300:]}")
