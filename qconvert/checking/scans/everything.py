"""Every finite float32 number through all programs of a quantizer, some millions at a time."""

from collections.abc import Callable
from typing import Final

import numpy as np

from qconvert.checking.scans.floats import FINITE, LAST, Ranges, floats_at
from qconvert.checking.scans.programs import Programs, Scan, few, unequal
from qconvert.checking.witness import Witness
from qconvert.ir import F32

#: Numbers that are run together: 16 megabytes.
_CHUNK: Final = 1 << 22


def scanned(programs: Programs, done: Callable[[int, int], None] | None = None) -> Scan:
    """What all programs return for all of them; *done* hears of how many of how many."""
    different, levels = Ranges(), np.zeros(0, np.float32)
    for first in range(-LAST, LAST + 1, _CHUNK):
        size = min(_CHUNK, LAST + 1 - first)
        x = floats_at(np.arange(first, first + size))
        results = {witness: program(x) for witness, program in programs.body.items()}
        truth = results[Witness.TENSORFLOW]
        differs = np.any([unequal(y, truth) for y in results.values()], axis=0)
        different |= Ranges.where(differs, first)
        levels = _with(levels, truth)
        if done:
            done(first + size + LAST, FINITE)
    return Scan(float("inf"), FINITE, True, different, levels=few(levels))


def _with(levels: F32, more: F32) -> F32:
    """All levels so far; too many end the search for others."""
    return levels if few(levels) is None else np.unique(np.append(levels, more))
