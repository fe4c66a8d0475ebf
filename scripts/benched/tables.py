"""Tables of benchmarks: for people at a terminal, and as docs/BENCH.md has them."""

from collections.abc import Sequence
from typing import TypeAlias

Rows: TypeAlias = Sequence[Sequence[str]]


def as_text(rows: Rows) -> str:
    """Columns as wide as their widest cell, the first one flush left; the header comes first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths).rstrip() for row in rows)


def as_markdown(rows: Rows) -> str:
    """The same as a table of Markdown."""
    header, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([header, "|---" * len(rows[0]) + "|", *rest])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
    return "  ".join(cells)
