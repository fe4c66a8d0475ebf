"""Everything that can happen to a file while it is written, and to a witness while it is asked.

Prints for each fault what was there afterwards: the old file or the new one, never a mixture; what
was left beside it and in a `TMPDIR` of the trial's own, which is nothing except after SIGKILL; and
the exit codes. Of witnesses that die
or lie no check passes. A row of which this is not true makes the exit code 1.

It needs strace, setpriv and, for the small disk, a user who may mount one.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qconvert import api
from scripts.faulted import reports, witnesses, writing
from scripts.faulted.model import write_model
from scripts.faulted.row import Row
from scripts.faulted.subject import Subject

#: Outputs of the dense layer of the model that is exported: a file of some 2 MB.
_UNITS = 500_000
_HEADER = "fault | runs | old file | new file | mixtures | left | left in TMPDIR | exit codes"


def rows(folder: Path, kills: int) -> Iterator[Row]:
    """Each fault in turn."""
    model = write_model(folder / "model.h5", _UNITS)
    new = api.export(model).model.SerializeToString(deterministic=True)
    subject = Subject(model, folder / "out", new)
    written = folder / "written"
    written.mkdir()
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        share = kills if number is signal.SIGKILL else max(kills // 8, 1)
        yield writing.killed_while_writing(written, share, number)
        yield writing.killed(subject, max(share // 4, 1), number)
    for fault in writing.SINGLE:
        yield fault(subject)
    yield writing.same_bytes(subject, writing.SETTINGS)
    yield writing.at_once(subject, 8)
    yield writing.memory(subject, 134, 8, enough=8)
    large = write_model(folder / "large.h5", 8 * _UNITS)
    data = api.export(large).model.SerializeToString(deterministic=True)
    yield writing.memory(replace(subject, model=large, new=data), 198, 24, enough=1)
    yield from writing.failing_calls(subject, writing.CALLS)
    small = write_model(folder / "small.h5", 2)
    yield witnesses.checked(small, folder, "", {0})
    for name, codes in witnesses.FAULTS.items():
        yield witnesses.checked(small, folder, name, codes)
    yield witnesses.killed_runtime(small, folder, 16)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield reports.interrupted(small, folder, max(kills // 16, 4), number)


def shown(row: Row) -> str:
    """A line of the table."""
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(row.codes.items()))
    lists = (row.mixtures, row.left, row.temporary)
    counts = (row.runs, row.old, row.new, *map(len, lists))
    return " | ".join((row.fault, *map(str, counts), codes))


def main() -> int:
    """0 if every row is as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="at random moments")
    arguments = parser.parse_args()
    print(_HEADER, flush=True)
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        for row in rows(Path(name), arguments.kills):
            print(shown(row), flush=True)
            for text in row.reasons:
                print(f"    {text}", flush=True)
            bad += not row.holds
    print(f"{bad} rows are not as they have to be")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
