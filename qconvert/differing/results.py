"""What was found to differ, as frozen data, before anybody renders it."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final


class Kind(Enum):
    """What became of something from the first to the second."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    CHANGED = "changed"
    BETTER = "better"
    WORSE = "worse"


_TURNED: Final = {
    Kind.ADDED: Kind.REMOVED,
    Kind.REMOVED: Kind.ADDED,
    Kind.BETTER: Kind.WORSE,
    Kind.WORSE: Kind.BETTER,
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """Arrays of ``elements`` of which ``differing`` are others, the ``first`` of them in C order.

    ``largest`` is the largest distance, in ``steps`` where both lie on a grid; NaN differs from
    every number, at no distance.
    """

    elements: int
    differing: int
    largest: float
    steps: float | None
    first: tuple[int, ...]
    before: float
    after: float

    @property
    def turned(self) -> "Numbers":
        """The same, seen from the second."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: of a ``layer``, or of the whole if that is empty.

    ``what`` names the part, and is empty for the layer itself; ``before`` and ``after`` say in
    words what it was and is.
    """

    layer: str
    kind: Kind
    what: str
    before: str | None = None
    after: str | None = None
    numbers: Numbers | None = None

    @property
    def turned(self) -> "Change":
        """The change from the second to the first."""
        numbers = self.numbers and self.numbers.turned
        kind = _TURNED.get(self.kind, self.kind)
        return replace(self, kind=kind, before=self.after, after=self.before, numbers=numbers)


class Format(Enum):
    """What can be compared."""

    MODEL = "Keras model"
    FILE = "ONNX file"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the two; ``path`` is ``None`` for a live model, and so is the hash."""

    format: Format
    path: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Differences:
    """All changes from ``first`` to ``second``, the whole first, then layer by layer.

    ``not_compared`` tells what nothing was found out about, and is no change.
    """

    first: Compared
    second: Compared
    changes: tuple[Change, ...]
    not_compared: tuple[str, ...] = ()

    @property
    def turned(self) -> "Differences":
        """All changes from the second to the first."""
        changes = tuple(change.turned for change in self.changes)
        return replace(self, first=self.second, second=self.first, changes=changes)

    @property
    def equal(self) -> bool:
        """Whether nothing differs of what was compared."""
        return not self.changes

    @property
    def exit_code(self) -> int:
        """That of ``diff``: 0 equal, 1 different."""
        return 0 if self.equal else 1
