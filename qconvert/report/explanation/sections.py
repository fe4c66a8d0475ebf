"""What every rendering of an explanation is made of."""

from dataclasses import dataclass, field
from enum import Enum


class Tone(Enum):
    """What a line or a row is to be seen as."""

    PLAIN = ""
    MUTED = "muted"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of a table, and what kind of row it is."""

    cells: tuple[str, ...]
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; ``numeric`` are the numbers of the columns that are flush right."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """A title, what is said before a table, the table, and what follows from it."""

    title: str
    before: tuple[Line, ...] = ()
    table: Table | None = None
    after: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole explanation: what is explained, and the sections."""

    title: str
    lines: tuple[Line, ...]
    sections: tuple[Section, ...] = field(default_factory=tuple)
