"""An explanation in the terminal."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from qconvert.explaining import Explanation
from qconvert.report.columns import aligned
from qconvert.report.escape import printable
from qconvert.report.explanation.sections import Line, Section, Tone
from qconvert.report.explanation.sheet import sheet_of, witness_section

_STYLES: Final = {
    Tone.PLAIN: "",
    Tone.MUTED: "dim",
    Tone.GOOD: "green",
    Tone.WARN: "yellow",
    Tone.BAD: "red",
}


def show(explanation: Explanation, console: Console, *, all_terms: bool = False) -> None:
    """Print all sections; *console* decides about colours."""
    sheet = sheet_of(explanation, all_terms=all_terms)
    _print(console, Text(printable(sheet.title), "bold"))
    for line in sheet.lines:
        _print(console, _text(line))
    for section in sheet.sections:
        _show(section, console)


def show_witnesses(explanation: Explanation, console: Console) -> None:
    """Print what the witnesses say, behind what has been shown."""
    section = witness_section(explanation)
    if section is not None:
        _show(section, console)


def _show(section: Section, console: Console) -> None:
    _print(console, Text())
    for line in _lines(section):
        _print(console, line)


def _lines(section: Section) -> Iterator[Text]:
    yield Text(printable(section.title), "bold")
    yield from map(_text, section.before)
    if section.table is not None:
        rows = [section.table.header, *(row.cells for row in section.table.rows)]
        yield from aligned(
            [tuple(map(printable, row)) for row in rows],
            styles=[_STYLES[row.tone] for row in section.table.rows],
            right=section.table.numeric,
        )
    yield from map(_text, section.after)


def _text(line: Line) -> Text:
    return Text(printable(line.text), _STYLES[line.tone])


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)
