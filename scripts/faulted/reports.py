"""Checks that end by a signal while there is the report of an earlier one."""

import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from qconvert.report.formats import FORMATS
from scripts.faulted.row import Row
from scripts.faulted.running import Happening, after, excused, once, run
from scripts.faulted.subject import OLD
from scripts.faulted.witnesses import command, settings

_NAME: Final = "report"
_OLD: Final = {form.file: OLD for form in FORMATS.values()}


def interrupted(model: Path, folder: Path, count: int, number: signal.Signals) -> Row:
    """*count* checks that get a signal, at moments spread over all that a check does.

    The first one gets it at once, the last one when the new report has just appeared, so that
    both are seen whatever else this machine does: by the clock a check may take longer than the
    one that was timed.
    """
    row = Row(f"check --report, {number.name} at moments of the run", both=True)
    words, report = command(model, folder, "--report", _NAME), folder / _NAME
    start = time.perf_counter()
    row.count(run(words, env=settings()), {0})
    longest, new = time.perf_counter() - start, _files(report)
    for i in range(count):
        _write_old(report)
        last = i + 1 == count
        happening = _at_the_end(report, number) if last else after(longest * i / count, number)
        end, codes = excused(run(words, happening=happening, env=settings()), number)
        row.count(end, codes)
        _judge(row, _files(report), new)
    return row


def _at_the_end(report: Path, number: signal.Signals) -> Happening:
    """When all files are new."""
    paths = [report / name for name in _OLD]
    return once(lambda: all(path.exists() and path.read_bytes() != OLD for path in paths), number)


def _write_old(report: Path) -> None:
    shutil.rmtree(report)
    report.mkdir()
    for name, data in _OLD.items():
        (report / name).write_bytes(data)


def _files(report: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in report.iterdir()}


def _judge(row: Row, found: Mapping[str, bytes], new: Mapping[str, bytes]) -> None:
    """All files are the old ones, or all are the new ones, and nothing is beside them."""
    files = {name: data for name, data in found.items() if name in _OLD}
    row.left += found.keys() - files.keys()
    row.old += files == _OLD
    row.new += files == new
    if files not in (_OLD, new):
        kept = sorted(name for name, data in files.items() if data == OLD)
        row.mixtures.append(f"{kept} of {sorted(files)} are old")
