"""Exact arithmetic with float32 numbers, each of which is an integer times a power of two."""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import numpy as np

from qconvert.explaining.results import Agreement

#: The largest float32, and where rounding leads beyond it.
_LARGEST: Final = float(np.finfo(np.float32).max)
_OVERFLOW: Final = Fraction(2**128 - 2**103)
#: Half of a unit in the last place of 1, and what programs may flush to zero after an operation.
_UNIT: Final = Fraction(1, 2**24)
TINY: Final = Fraction(1, 2**126)


def step_of(numbers: Iterable[float]) -> int | None:
    """The largest e so that all finite *numbers* are multiples of ``2**e``; ``None`` of zeros."""
    exps = [exponent(number) for number in numbers if number]
    return min(exps, default=None)


def exponent(number: float) -> int:
    """The exponent of the lowest bit of a number that is not 0."""
    numerator, denominator = number.as_integer_ratio()
    return (numerator & -numerator).bit_length() - denominator.bit_length()


def code(number: float, exp: int) -> int:
    """How many times ``2**exp`` a multiple of it is."""
    return int(math.ldexp(number, -exp))


def dyadic(steps: int, exp: int) -> Fraction:
    """``steps * 2**exp``."""
    return Fraction(steps << exp) if exp >= 0 else Fraction(steps, 1 << -exp)


def agreement(exact: Fraction, result: float) -> Agreement:
    """What float32 made of *exact*, if *result* was computed."""
    if not math.isfinite(result):
        return Agreement.DIFFERENT
    if Fraction(result) == exact:
        return Agreement.EXACT
    return Agreement.ROUNDED if result == nearest(exact) else Agreement.DIFFERENT


def farthest(magnitude: Fraction, roundings: int, flushed: Fraction) -> Fraction | None:
    """How far from a sum float32 can end, if no part of it is rounded more than *roundings* times.

    Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 3.1: gamma_n times
    the sum of the parts' magnitudes, for every order and with or without fused products; and what
    is *flushed* to zero on the way. ``None`` where float32 may overflow.
    """
    reach = magnitude + flushed
    if roundings * _UNIT >= Fraction(1, 2) or 2 * reach >= _OVERFLOW:
        return None
    return roundings * _UNIT / (1 - roundings * _UNIT) * reach + flushed


def nearest(exact: Fraction) -> float:
    """The float32 next to *exact*, of two the one whose last bit is 0; infinity beyond them."""
    if abs(exact) >= _OVERFLOW:
        return math.copysign(math.inf, exact)
    # Rounded twice, this is that number or a neighbour of it.
    close = np.clip(np.float64(float(exact)), -_LARGEST, _LARGEST).astype(np.float32)
    up, down = (np.nextafter(close, np.float32(end)) for end in (_LARGEST, -_LARGEST))
    distance = {float(each): abs(Fraction(float(each)) - exact) for each in (close, up, down)}
    least = min(distance.values())
    even = [x for x in distance if distance[x] == least]
    return min(even, key=lambda x: int(np.float32(x).view(np.uint32)) & 1)
