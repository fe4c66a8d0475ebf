"""The page of all rows: what each is, its cases, and how they end."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from scripts.attacked.rows import REMARKS, ROWS
from tests.hostile.case import Call
from tests.hostile.commands import EVERY

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "HOSTILE.md"
_HEAD: Final = """\
# Bad inputs

<!-- Written by scripts/hostile.py --write. -->

Whatever qconvert is given ends in success or in one error with its code ([ERRORS.md](ERRORS.md)), \
within limits ([READING.md](READING.md)). Nothing of a file is executed, no file that it names is \
opened, none is left behind, and nothing that it says acts in the terminal that shows it. This is \
what is tried: `scripts/hostile.py` runs each case as a process, watched by an audit hook in every \
interpreter and by strace, and compares its code and exit code. A code of `-` is success, or the \
end of a check without an error.

| row | what | cases | code/exit code |
|---|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    remarks = (f"- Row {row}: {text}" for row, text in REMARKS.items())
    total = f"{len(EVERY)} cases of {len(ROWS)} rows."
    return _HEAD + "\n".join((*_lines(), "", total, "", *remarks, ""))


def _lines() -> Iterator[str]:
    for row, what in ROWS.items():
        calls = [call for call in EVERY if call.row == row]
        yield f"| {row} | {what} | {len(calls)} | {', '.join(ends(calls))} |"


def ends(calls: Iterable[Call]) -> list[str]:
    """The different ends of some cases."""
    return sorted({f"{call.code or '-'}/{call.exit_code}" for call in calls})
