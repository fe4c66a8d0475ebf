"""A line whose sums are shifted first, for boundaries that no line passes.

TensorFlow rounds several times in front of its quantizer, so that some boundary lies a float32
number beside every line. In real numbers ``(sum + shift) * factor + addend`` is one line for all
shifts; but each shift rounds otherwise, and by some all results come to lie where they have to.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

#: Shifts in all: a tenth of a second for channels that have none; and how many of them are looked
#: at together, first, as most channels have one among these, and at most.
_TRIED, _FIRST, _AT_ONCE = 1 << 20, 1 << 9, 1 << 14
#: How many of the tightest boundaries are looked at first, and next.
_TIGHTEST: Final = (2, 8, 32)
#: float32 numbers on both sides of an addend.
_AROUND: Final = 3
#: How many times as far as boundaries lie sums are shifted, at most.
_FARTHEST: Final = 4
#: Its multiples are spread evenly between integers, however many are taken.
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
#: float32 holds all integers up to here.
_LARGEST: Final = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Boundaries:
    """Sums of one channel times ``2**exp``, and the halves of a ``step`` their codes are beyond.

    ``signs`` are 1 for those above and -1 for those below. No sum is farther from 0 than
    ``largest``, in units of ``2**exp``.
    """

    numbers: F32
    halves: _Floats
    signs: _Floats
    exp: int
    step: float
    largest: int


@dataclass(frozen=True, slots=True)
class ShiftedLine:
    """``rint(((number + shift) * factor + addend) / step)``, of which no first sum is rounded."""

    shift: np.float32
    factor: np.float32
    addend: np.float32


def shifted_line(points: Boundaries, factors: F32, addends: _Floats) -> ShiftedLine | None:
    """What is right for all *points*, product and last sum rounded one after the other.

    Near the lines of these *factors* and *addends*, of which the middle one leaves most room.
    """
    middle = len(factors) // 2
    points = _sorted(points, float(factors[middle]), float(addends[middle]))
    farthest = int(np.abs(np.ldexp(points.numbers.astype(np.float64), -points.exp)).max())
    most = min(_FARTHEST * farthest, _LARGEST - points.largest)
    for tried in _turns():
        spread = 2 * (tried * _GOLDEN % 1) - 1
        shifts = np.ldexp(np.rint(spread * most), points.exp)
        which, turn = tried % len(factors), tried // len(factors) % (2 * _AROUND + 1)
        factor = factors[which]
        nearest = (addends[which] - shifts * factor).astype(np.float32)
        addend = (nearest.view(np.int32) + (turn - _AROUND).astype(np.int32)).view(np.float32)
        right = _right(points, shifts.astype(np.float32), factor, addend)
        if len(right):
            i = right[0]
            return ShiftedLine(np.float32(shifts[i]), factor[i], addend[i])
    return None


def _turns() -> Iterator[_Ints]:
    """The numbers of what is tried, ever more together."""
    last, count = 0, _FIRST
    while last < _TRIED:
        first, last = last, last + count
        yield np.arange(first, last)
        count = min(2 * count, _AT_ONCE)


def _sorted(points: Boundaries, factor: float, addend: float) -> Boundaries:
    """Those first that a line of real numbers comes nearest to."""
    results = points.numbers.astype(np.float64) * factor + addend
    order = np.argsort((results - points.halves * points.step) * points.signs, kind="stable")
    numbers, halves, signs = points.numbers[order], points.halves[order], points.signs[order]
    return replace(points, numbers=numbers, halves=halves, signs=signs)


def _right(points: Boundaries, shift: F32, factor: F32, addend: F32) -> _Ints:
    """Which of so many lines have all codes; few pass the boundaries that are looked at first."""
    left, first = np.arange(len(shift)), 0
    for last in (*_TIGHTEST, len(points.numbers)):
        at = slice(first, last)
        x, halves, signs = points.numbers[at], points.halves[at], points.signs[at]
        columns = (each[left, np.newaxis] for each in (shift, factor, addend))
        results = _rounded(x, *columns) / np.float32(points.step)
        left = left[np.all((np.rint(results) - halves) * signs > 0, axis=1)]
        first = last
    return left


def _rounded(x: F32, shift: F32, factor: F32, addend: F32) -> F32:
    return (x + shift) * factor + addend
