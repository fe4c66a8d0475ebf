"""Integers and a float32 with which the kernel's arithmetic climbs the very same stairs.

``rint((s * sum + bias) * multiplier)`` passes from code k - 1 to k where the product passes
k - 1/2. So for every k there are a sum that has to stay below and one that has to come above;
for a given bias each of both bounds ``1 / multiplier``, and what is left is an interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.emit.requantization.epilogue import Integers, Stairs
from qconvert.ir import F32, Grid

Floats = npt.NDArray[np.float64]

#: float32 holds all integers up to here, and so the kernel rounds no accumulator.
_LARGEST: Final = 1 << 24
#: How many biases are tried on both sides of the likely one, in sums, and at most.
_AROUND, _MOST_TRIED = 2, 4096
#: How many of them are looked at together.
_AT_ONCE: Final = 32
#: The least distance of two codes in accumulators; stairs need none that is less.
_LEAST: Final = 2.0**-8


@dataclass(frozen=True, slots=True)
class Requantization:
    """Of one channel: ``rint((factor * sum + bias) * multiplier)``; the factor has a sign."""

    factor: int
    bias: int
    multiplier: float


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Sums that have to come above the numbers ``k - 1/2``, and some that have to stay below."""

    above: Floats
    above_sums: Integers
    below: Floats
    below_sums: Integers


def search(stairs: Stairs, grid: Grid, factors: Sequence[int]) -> Requantization | None:
    """The numbers for one channel whose sums are multiplied by one of *factors*, or ``None``.

    Not by powers of two alone: the bias counts parts of a sum, and so halves, thirds, fifths, ...
    """
    limits = limits_of(stairs, grid)
    for factor in factors:
        found = _with_factor(stairs, limits, factor)
        if found is not None:
            return found
    return None


def is_right(stairs: Stairs, grid: Grid, number: Requantization) -> bool:
    """Whether these numbers climb the stairs, ties between codes included."""
    if stairs.falling:
        return False
    limits = limits_of(stairs, grid)
    return _holds(limits, number.factor, number.bias, np.float32(number.multiplier))


def limits_of(stairs: Stairs, grid: Grid) -> Limits:
    """Those of all thresholds, and of the ends where the quantizer's own do not clip."""
    ks = np.arange(stairs.first + 1, stairs.last + 1)
    above, above_sums = ks, stairs.thresholds
    below, below_sums = ks, stairs.thresholds - 1
    if stairs.first > grid.lo:
        above, above_sums = np.append(above, stairs.first), np.append(above_sums, stairs.lo)
    if stairs.last < grid.hi:
        below, below_sums = np.append(below, stairs.last + 1), np.append(below_sums, stairs.hi)
    return Limits(_halves(above), above_sums, _halves(below), below_sums)


def _halves(ks: Integers) -> Floats:
    return ks.astype(np.float64) - 0.5


def _with_factor(stairs: Stairs, limits: Limits, factor: int) -> Requantization | None:
    biases = _likely(stairs, limits, factor)
    largest = max(abs(stairs.lo), abs(stairs.hi)) * factor
    biases = biases[abs(biases) + largest <= _LARGEST]
    if not len(biases):
        return None
    bias, low, high = _widest(limits, factor, biases)
    if not high > low:
        return None
    multiplier = np.float32(2 / (high + low))
    if not _holds(limits, factor, bias, multiplier):
        return None
    return Requantization(-factor if stairs.falling else factor, bias, float(multiplier))


def _likely(stairs: Stairs, limits: Limits, factor: int) -> Integers:
    """Biases around that of the line through the first threshold and the last."""
    count = len(stairs.thresholds)
    if count > 1:
        first, last = (int(t) - 0.5 for t in stairs.thresholds[[0, -1]])
        slope = max((last - first) * factor / (count - 1), 0.5 * factor / count)
        middle = (stairs.first + 0.5) * slope - first * factor
    else:
        # Few codes, which may be as wide as all sums: wider is never worse.
        slope = 2.0 * (stairs.hi - stairs.lo + 1) * factor
        at = (stairs.lo + stairs.hi) / 2 if not count else int(stairs.thresholds[0]) - 0.5
        middle = (stairs.first + 0.5 * count) * slope - at * factor
    steepness = 1 + abs(np.append(limits.above, limits.below)).max(initial=0.0) / max(1, count)
    around = min(int(_AROUND * factor * steepness) + 1, _MOST_TRIED)
    return np.arange(int(np.floor(middle)) - around, int(np.ceil(middle)) + around + 1)


def _widest(limits: Limits, factor: int, biases: Integers) -> tuple[int, float, float]:
    """Of consecutive *biases* the one whose interval is the widest in proportion, and its ends.

    It keeps farthest away from all ties. A lower end is the largest of lines over the bias and an
    upper one the least of lines, so that their quotient has one peak: few are looked at, and then
    those between the neighbours of the best.
    """
    while True:
        distance = -(-len(biases) // _AT_ONCE)
        low, high = _interval(limits, factor, biases[::distance])
        best = int(np.argmax(np.where(high > 0, high / low, high)))
        if distance == 1:
            return int(biases[best]), float(low[best]), float(high[best])
        at = best * distance
        biases = biases[max(0, at - distance + 1) : at + distance]


def _interval(limits: Limits, factor: int, biases: Integers) -> tuple[Floats, Floats]:
    """By bias the open interval of ``1 / multiplier`` that all limits leave."""
    column = biases[:, np.newaxis]
    over = (limits.above_sums * factor + column) / limits.above
    under = (limits.below_sums * factor + column) / limits.below
    # What a negative number divides bounds from the other side.
    highs = np.where(limits.above > 0, over, np.inf), np.where(limits.below < 0, under, np.inf)
    lows = np.where(limits.above < 0, over, 0.0), np.where(limits.below > 0, under, 0.0)
    low = np.concatenate(lows, axis=1).max(axis=1, initial=0.0)
    high = np.concatenate(highs, axis=1).min(axis=1, initial=np.inf)
    low = np.maximum(low, _LEAST)
    return low, np.where(np.isinf(high), 4 * low, high)


def _holds(limits: Limits, factor: int, bias: int, multiplier: np.float32) -> bool:
    """The kernel's own arithmetic; between these sums it rises, as the stairs do."""
    over = _rounded(limits.above_sums * factor + bias, multiplier)
    under = _rounded(limits.below_sums * factor + bias, multiplier)
    return bool(np.all(over > limits.above) and np.all(under < limits.below))


def _rounded(accumulators: Integers, multiplier: np.float32) -> F32:
    product: F32 = accumulators.astype(np.float32) * multiplier
    return np.rint(product)
