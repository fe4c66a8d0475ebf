"""All bad files, and all commands that get something bad: what each has to end in, and does.

Every case is a process of its own, `python -m qconvert ...` in a new folder, under an audit hook in
each interpreter and under strace, which sees what C libraries open. Exit code 1 if a code or an
exit code is another one, if anything shows a traceback, hangs, leaves or changes a file, opens one
that nobody but the model named, runs a program, or tells text that acts in a terminal. Numbers
choose rows of docs/HOSTILE.md; --write writes that page, --sample N takes every N-th case.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.attacked.document import PAGE, page
from scripts.attacked.trial import Outcome, tried
from tests.hostile.case import Call
from tests.hostile.commands import EVERY

_HEADER: Final = "row | case | expected | found | seconds"


def chosen(rows: Sequence[int], every: int) -> list[Call]:
    """The cases of some rows, or of all."""
    return [call for call in EVERY if not rows or call.row in rows][::every]


def shown(outcome: Outcome) -> str:
    """A line of the table, and below it what is wrong."""
    call = outcome.call
    expected = f"{call.code or '-'}/{call.exit_code}"
    found = f"{outcome.code or '-'}/{'killed' if outcome.hung else outcome.exit_code}"
    line = f"{call.row} | {call.name} | {expected} | {found} | {outcome.seconds:.1f}"
    return line if outcome.holds else "\n    ".join((line, *reasons(outcome)))


def reasons(outcome: Outcome) -> Iterable[str]:
    """What is wrong with an outcome."""
    if outcome.wrong_code or outcome.traceback or outcome.active:
        yield f"told: {outcome.text.strip()[-500:]!r}"
    yield from (f"left: {path}" for path in outcome.left)
    yield from (f"opened: {path}" for path in outcome.opened)
    yield from (f"ran: {line}" for line in outcome.ran)


def totals(outcomes: Sequence[Outcome], seconds: float) -> str:
    """What the table has to show: no number but the first ones may be above 0."""
    rows = len({outcome.call.row for outcome in outcomes})
    counts = {
        "wrong codes": sum(outcome.wrong_code for outcome in outcomes),
        "tracebacks": sum(outcome.traceback for outcome in outcomes),
        "hangs over the limit": sum(outcome.hung for outcome in outcomes),
        "files left behind or changed": sum(len(outcome.left) for outcome in outcomes),
        "files opened that a file names": sum(len(outcome.opened) for outcome in outcomes),
        "code run": sum(len(outcome.ran) for outcome in outcomes),
        "texts that act": sum(outcome.active for outcome in outcomes),
    }
    told = "; ".join(f"{name}: {count}" for name, count in counts.items())
    return f"{len(outcomes)} cases of {rows} rows in {seconds:.0f} s; {told}"


def main() -> int:
    """0 if nothing is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW")
    parser.add_argument("--sample", type=int, default=1, metavar="N")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--write", action="store_true", help="write docs/HOSTILE.md, run nothing")
    arguments = parser.parse_args()
    if arguments.write:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if shutil.which("strace") is None:
        print("strace is missing: what C libraries open is not seen")
    begin = time.monotonic()
    outcomes = []
    print(_HEADER)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(tried, chosen(arguments.rows, arguments.sample)):
            print(shown(outcome).encode("ascii", "backslashreplace").decode(), flush=True)
            outcomes.append(outcome)
    print(totals(outcomes, time.monotonic() - begin))
    return int(not all(outcome.holds for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
