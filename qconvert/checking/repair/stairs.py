"""A bias and a multiplier with which an operator rounds sums to the codes that are wanted.

``rint((sum + bias) * multiplier)`` is code k where ``(sum + bias) / (k - 1/2)`` and the same with
``k + 1/2`` lie on both sides of ``1 / multiplier``. For a given bias that leaves an interval.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

#: float32 holds all integers up to here: no accumulator is rounded.
_LARGEST: Final = 1 << 24
#: How many accumulators may lie between two codes.
_NARROWEST, _WIDEST = 2.0**-20, 2.0**40


@dataclass(frozen=True, slots=True, eq=False)
class Stairs:
    """Of one kernel, sums without a bias and their codes, where these begin, change and end.

    Beyond the codes ``lo`` and ``hi`` the operator clips.
    """

    sums: Ints
    codes: Ints
    lo: int
    hi: int


def climbed(stairs: Stairs) -> tuple[int, float] | None:
    """The bias and the multiplier that keep farthest away from all ties; ``None`` if none is right.

    The lower end of the interval is the largest of lines over the bias, and the upper one the
    least of lines: their quotient has one peak, which is found by halving.
    """
    high = _LARGEST - int(abs(stairs.sums).max())
    low = -high
    if high < 0:
        return None
    limits = _Limits.of(stairs)
    while low < high:
        middle = (low + high) // 2
        if limits.width(middle) < limits.width(middle + 1):
            low = middle + 1
        else:
            high = middle
    least, most = limits.interval(low)
    return (low, 2 / (least + most)) if least < most else None


@dataclass(frozen=True, slots=True, eq=False)
class _Limits:
    """Sums, the halves that these have to stay below or come above, and which bound from above."""

    sums: Ints
    halves: npt.NDArray[np.float64]
    upper: npt.NDArray[np.bool_]

    @staticmethod
    def of(stairs: Stairs) -> "_Limits":
        """A sum comes above its code's lower half and stays below the upper, if it is no end."""
        over, under = stairs.codes > stairs.lo, stairs.codes < stairs.hi
        halves = np.concatenate([stairs.codes[over] - 0.5, stairs.codes[under] + 0.5])
        comes_above = np.arange(len(halves)) < np.count_nonzero(over)
        # What a negative number divides bounds from the other side.
        upper = comes_above == (halves > 0)
        return _Limits(np.concatenate([stairs.sums[over], stairs.sums[under]]), halves, upper)

    def interval(self, bias: int) -> tuple[float, float]:
        """Between which ``1 / multiplier`` has to lie."""
        bounds = (self.sums + bias) / self.halves
        least = bounds[~self.upper].max(initial=_NARROWEST)
        return float(least), float(bounds[self.upper].min(initial=_WIDEST))

    def width(self, bias: int) -> float:
        """Of that interval, in proportion; it rises to one peak and falls behind it."""
        least, most = self.interval(bias)
        return most / least if most > 0 else most
