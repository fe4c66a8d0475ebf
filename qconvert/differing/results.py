"""What was found to differ, as frozen data, before anybody renders it."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What became of something from the first to the second."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    CHANGED = "changed"
    BETTER = "better"
    WORSE = "worse"


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
    def equal(self) -> bool:
        """Whether nothing differs of what was compared."""
        return not self.changes

    @property
    def exit_code(self) -> int:
        """That of ``diff``: 0 equal, 1 different."""
        return 0 if self.equal else 1
