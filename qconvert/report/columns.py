"""Text in columns, one line a row, whatever a model calls its parts."""

from collections.abc import Container, Iterator, Sequence
from typing import Final

from rich.text import Text

from qconvert.report.escape import cut

#: Characters of a cell in the last column, which may have sentences.
_SENTENCES: Final = 1000


def aligned(
    rows: Sequence[Sequence[str]],
    *,
    styles: Sequence[str] = (),
    marked: Container[int] = (),
    right: Container[int] = (),
) -> Iterator[Text]:
    """Lines of equally wide columns; the first row is the header, rows in *marked* get a ``>``.

    *styles* are those of the rows behind the header; columns in *right* are flush right. What is
    longer than one can read is cut: a file may call a tensor anything, and one such name would
    widen all rows.
    """
    rows = [_readable(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = (
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        style = "dim" if number == 0 else styles[number - 1] if styles else ""
        # Not the style of the line, which all of it would take on.
        line = Text.assemble(("> ", "bold red") if number in marked else "  ")
        line.append("  ".join(cells), style)
        line.rstrip()
        yield line


def _readable(row: Sequence[str]) -> list[str]:
    *cells, last = row
    return [*(cut(cell) for cell in cells), cut(last, _SENTENCES)]
