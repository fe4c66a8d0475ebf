"""Which numbers of some ranges can come to a quantizer."""

from fractions import Fraction
from typing import Final

import numpy as np

from qconvert.checking.scans.floats import Ranges, floats_at, positions_of
from qconvert.exactness import Divided, Reach
from qconvert.exactness.reach import Values
from qconvert.ir import F32

#: Examples that are worth having.
_MOST: Final = 256


def reached(ranges: Ranges, x: Values) -> F32:
    """Examples of those that *x* can be; none if it can be none of them."""
    match x:
        case Reach():
            found = [number for each in _grids(x) for number in _on_grid(ranges, *each)]
            return np.unique(np.array(found[:_MOST], np.float32))
        case Divided(codes=codes, divisor=divisor):
            found = [
                number
                for lo, hi, exp in _grids(codes)
                for number in _between(ranges, *(_step(exp) * n / divisor for n in (lo, hi)))
            ]
            return np.unique(np.array(found[:_MOST], np.float32))
        case _:
            return ranges.some(_MOST)


def magnitude(x: Values) -> float | None:
    """The largest that *x* can be; ``None`` if that is not known."""
    match x:
        case Reach():
            return max(float(max(-lo, hi) * _step(exp)) for lo, hi, exp in _grids(x))
        case Divided(codes=codes, divisor=divisor):
            largest = magnitude(codes)
            # A program may divide by multiplying, which rounds twice.
            return None if largest is None else largest / divisor * (1 + 2.0**-22)
        case _:
            return None


def _grids(x: Reach) -> set[tuple[int, int, int]]:
    """Lowest and highest code and exponent of all elements."""
    parts = np.broadcast_arrays(x.lo, x.hi, x.exp)
    return set(zip(*(part.ravel().tolist() for part in parts), strict=True))


def _step(exp: int) -> Fraction:
    return Fraction(2) ** exp


def _on_grid(ranges: Ranges, lo: int, hi: int, exp: int) -> list[float]:
    """The lowest code in each of the ranges that has one."""
    step = _step(exp)
    found: list[float] = []
    for first, last in _ends(ranges):
        code = max(lo, -(-first // step))
        if code <= min(hi, last // step):
            found.append(float(code * step))
    return found


def _between(ranges: Ranges, lo: Fraction, hi: Fraction) -> list[float]:
    """Numbers of the ranges from *lo* to *hi*, or as near to them as rounding may bring these."""
    ends = np.array([float(lo), float(hi)]).astype(np.float32)
    low, high = (int(p) + 2 * sign for p, sign in zip(positions_of(ends), (-1, 1), strict=True))
    inside = (max(first, low) for first, last in ranges.pairs if first <= high and last >= low)
    return [float(floats_at(np.array([position]))[0]) for position in inside]


def _ends(ranges: Ranges) -> list[tuple[Fraction, Fraction]]:
    numbers = floats_at(np.array(ranges.pairs, np.int64).reshape(-1, 2)).tolist()
    return [(Fraction(first), Fraction(last)) for first, last in numbers]
