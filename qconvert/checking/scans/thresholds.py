"""Every threshold of a quantizer, found in the programs themselves, and all numbers next to it.

Intervals of float32 numbers are halved until each program returns one result at both ends, and
every correct program is known to return one code between (`certain`): or until nothing is between.
A search among thresholds, which may lie anywhere, is constant between two of these; all are tried.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from qconvert.checking.scans.certain import codes_at, limit_of, pieces, scales
from qconvert.checking.scans.floats import (
    LAST,
    Mask,
    Positions,
    Program,
    Ranges,
    floats_at,
    positions_of,
)
from qconvert.checking.scans.programs import Programs, Scan, few, unequal
from qconvert.checking.witness import Witness
from qconvert.ir import F32, Quantizer

#: Numbers that are worth trying; beyond, every number can be.
_MOST_TRIED: Final = 1 << 24
#: Numbers that TensorFlow is given in tensors of a few elements.
_MOST_AT_THE_END: Final = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """Numbers in order, by position, and what each program returns for them."""

    positions: Positions
    results: Mapping[Witness, F32]

    def __or__(self, other: "_Tried") -> "_Tried":
        positions = np.concatenate([self.positions, other.positions])
        order = np.argsort(positions, kind="stable")
        results = {
            w: np.concatenate([self.results[w], other.results[w]])[order] for w in self.results
        }
        return _Tried(positions[order], results)

    def open_gaps(self, q: Quantizer) -> Mask:
        """Behind which numbers there are others of which something else may be returned."""
        changes = np.any([unequal(y[1:], y[:-1]) for y in self.results.values()], axis=0)
        certain = _certain(q, floats_at(self.positions)) & ~changes
        gaps: Mask = (np.diff(self.positions) > 1) & ~certain
        return gaps


def decided(q: Quantizer, programs: Programs, *, tail: bool) -> Scan:
    """All numbers up to the limit, by thresholds; with *tail* TensorFlow's ends of tensors too."""
    limit = limit_of(q)
    tried = _search(q, programs, limit)
    if tried is None:
        return Scan(limit, _MOST_TRIED, False, unknown="too many numbers are next to a boundary")
    truth = tried.results[Witness.TENSORFLOW]
    differs = np.any([unequal(y, truth) for y in tried.results.values()], axis=0)
    found = Scan(limit, len(tried.positions), False, _spread(tried, differs), levels=few(truth))
    return _with_tail(found, tried, programs.tail) if tail else found


def steps(q: Quantizer, programs: Programs) -> tuple[F32, F32] | None:
    """Where TensorFlow's result changes (n,), and the results between (n + 1,), as `emit` has them.

    ``None`` if too many numbers are next to a boundary.
    """
    tried = _search(q, programs, limit_of(q))
    if tried is None:
        return None
    truth = tried.results[Witness.TENSORFLOW]
    changes = np.flatnonzero(unequal(truth[1:], truth[:-1])) + 1
    return floats_at(tried.positions[changes]), truth[np.append(0, changes)]


def _with_tail(found: Scan, tried: _Tried, program: Program) -> Scan:
    if len(tried.positions) > _MOST_AT_THE_END:
        few_enough = f"too many numbers for the ends of TensorFlow's tensors: {found.tried}"
        return replace(found, unknown=few_enough)
    other = program(floats_at(tried.positions))
    differs = unequal(other, tried.results[Witness.TENSORFLOW])
    return replace(found, ambiguous=_spread(tried, differs))


def _search(q: Quantizer, programs: Programs, limit: float) -> _Tried | None:
    tried = _run(programs.body, _first(q, programs.thresholds, limit))
    while (gaps := tried.open_gaps(q)).any():
        below, above = tried.positions[:-1][gaps], tried.positions[1:][gaps]
        if len(tried.positions) + len(below) > _MOST_TRIED:
            return None
        tried |= _run(programs.body, below + (above - below) // 2)
    return tried


def _run(programs: Mapping[Witness, Program], positions: Positions) -> _Tried:
    x = floats_at(positions)
    return _Tried(positions, {witness: program(x) for witness, program in programs.items()})


def _first(q: Quantizer, thresholds: F32, limit: float) -> Positions:
    """Powers of two, both ends, the ends of pieces and what is next to thresholds, in order."""
    powers = np.ldexp(np.float32(1), np.arange(-149, 128, dtype=np.int32)).astype(np.float32)
    magnitudes = positions_of(powers)
    ends = positions_of(np.array(pieces(q), np.float32))
    end = LAST if math.isinf(limit) else int(positions_of(np.array([limit], np.float32))[0])
    near = _next_to(np.outer(thresholds, scales(q)).ravel())
    all_of_them = np.concatenate([-magnitudes, magnitudes, ends, near, [-end, end, 0]])
    return np.unique(all_of_them[np.abs(all_of_them) <= end])


def _next_to(numbers: F32) -> Positions:
    """Those that are as near as a product with a slope may round."""
    finite = positions_of(numbers[np.isfinite(numbers)].astype(np.float32))
    return (finite[:, np.newaxis] + np.arange(-2, 3)).ravel()


def _certain(q: Quantizer, x: F32) -> Mask:
    """Between which neighbours of *x* every correct program returns one code."""
    codes = codes_at(q, x.astype(np.float64))
    if codes is None:
        return np.ones(len(x) - 1, np.bool_)
    lo, hi = codes
    certain: Mask = (lo[1:] == hi[1:]) & (lo[:-1] == hi[:-1]) & (lo[1:] == lo[:-1])
    return certain


def _spread(tried: _Tried, some: Mask) -> Ranges:
    """Some of the numbers that were tried, with all between two of them that are neighbours.

    Between these the programs return what they do at the ends.
    """
    at = tried.positions
    both = some[1:] & some[:-1]
    pairs = [(p, p) for p in at[some].tolist()]
    pairs += zip(at[:-1][both].tolist(), at[1:][both].tolist(), strict=True)
    return Ranges.of(pairs)
