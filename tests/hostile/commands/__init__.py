"""Tables of commands that get something bad; a new table needs its line in ``EVERY``.

Bad files are exported, and one of each row is checked.
"""

from tests.hostile.case import Call, Case, checking, exporting
from tests.hostile.cases import EVERY as FILES
from tests.hostile.commands import (
    onnx_files,
    outputs,
    readers,
    reports,
    samples,
    surroundings,
    workers,
)

_FIRST: dict[int, Case] = {case.row: case for case in reversed(FILES) if case.code}

EVERY: tuple[Call, ...] = (
    *map(exporting, FILES),
    *map(checking, _FIRST.values()),
    *readers.CASES,
    *reports.CASES,
    *outputs.CASES,
    *onnx_files.CASES,
    *samples.CASES,
    *workers.CASES,
    *surroundings.CASES,
)
