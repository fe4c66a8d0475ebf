"""Two float32 numbers a channel with which one product and one sum climb the very same stairs.

Behind a quantizer its codes alone are seen. So ``sum * factor + addend`` may be another number
than that of the program in front of it, as long as it lies on the same side of every boundary,
for which a factor and an addend by channel have far more room than integers have. Where there is
none all the same, sums can be shifted first (`shifted_line`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.emit.grids import rising, rounds_to
from qconvert.emit.requantization.epilogue import Epilogue, Integers, Stairs, stairs
from qconvert.emit.requantization.search import limits_of
from qconvert.emit.requantization.shifted_line import Boundaries, ShiftedLine, shifted_line
from qconvert.ir import F32, Grid, Op, Quantizer
from qconvert.ir.quantizers import QuantizedBits, QuantizedLinear, QuantizedRelu

_Floats = npt.NDArray[np.float64]

#: Halvings of an interval of factors, until its ends are one float32.
_HALVINGS: Final = 64
#: How many float32 numbers next to the best factor are tried on both sides.
_AROUND: Final = 8
#: The same where sums are shifted.
_AROUND_SHIFTED: Final = 3
#: A code that no sum comes to.
_FAR: Final = 2.0**64


@dataclass(frozen=True, slots=True, eq=False)
class FloatLine:
    """``clip(rint((number * factor + addend) / step))`` are the codes of numbers, by channel.

    Whether the product is rounded before the sum is, or both are together. With a ``shift``, which
    is added to the numbers first, without rounding, one after the other.
    """

    factor: F32
    addend: F32
    shift: F32 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Numbers (channels, n), the halves that their codes have to be beyond, and their results."""

    numbers: F32
    halves: _Floats
    ends: _Floats

    def of(self, channels: Integers) -> "_Side":
        """Those of some channels."""
        return _Side(self.numbers[channels], self.halves[channels], self.ends[channels])


def line_of(
    ops: Sequence[Op],
    quantizer: Quantizer,
    exps: Integers,
    lo: Integers,
    hi: Integers,
    *,
    shifts: bool = False,
) -> FloatLine | None:
    """What *quantizer* may read instead of *ops* of numbers from *lo* to *hi* times ``2**exps``.

    ``None`` for quantizers that do more than round and clip, or where some channel has no line.
    """
    grid = rising(quantizer)
    plain = isinstance(quantizer, QuantizedBits | QuantizedLinear | QuantizedRelu)
    if not plain or grid is None or grid != rounds_to(quantizer):
        return None
    epilogue = Epilogue(exps, len(exps), None, ops, quantizer, grid)
    return float_line(stairs(epilogue, lo, hi), grid, exps, shifts=shifts)


def float_line(
    kernels: Sequence[Stairs], grid: Grid, exps: Integers, *, shifts: bool = False
) -> FloatLine | None:
    """The line of channels whose sums are multiples of ``2**exps``; ``None`` if one has none.

    Both ways of rounding are shown to be right for every sum: at the sums next to all boundaries,
    between which the line rises as the stairs do. With *shifts* channels without a line may get
    one of shifted sums.
    """
    found = [limits_of(each, grid) for each in kernels]
    above = _side([(x.above_sums, x.above) for x in found], exps, grid, -_FAR)
    below = _side([(x.below_sums, x.below) for x in found], exps, grid, _FAR)
    steepest = np.array([each.last - each.first + 1 for each in kernels])
    best = _best_factors(above, below, np.ldexp(steepest * grid.step, -exps.astype(np.int32)))
    factor, addend, left = _lines(above, below, best, grid)
    if len(left) and not shifts:
        return None
    shift = np.zeros_like(factor)
    for channel in _least_room_first(left, above, below, best):
        alone = np.array([channel])
        sides = above.of(alone), below.of(alone)
        one = _shifted(kernels[channel], sides, best[channel], int(exps[channel]), grid)
        if one is None:
            return None
        shift[channel], factor[channel], addend[channel] = one.shift, one.factor, one.addend
    falling = np.array([each.falling for each in kernels])
    factor, shift = np.where(falling, -factor, factor), np.where(falling, -shift, shift)
    return FloatLine(factor, addend, shift if len(left) else None)


def _lines(above: _Side, below: _Side, best: F32, grid: Grid) -> tuple[F32, F32, Integers]:
    """Factors next to the best ones with their addends, and the channels that are left without."""
    factor, addend = np.zeros_like(best), np.zeros_like(best)
    left = np.arange(len(best))
    for tried in _around(best):
        sides, own = (above.of(left), below.of(left)), tried[left]
        numbers = _addends(*sides, own, grid)
        right = _are_right(*sides, own, numbers, grid)
        factor[left[right]], addend[left[right]] = own[right], numbers[right]
        left = left[~right]
        if not len(left):
            break
    return factor, addend, left


def _least_room_first(channels: Integers, above: _Side, below: _Side, factor: F32) -> list[int]:
    """Those first for which there is the least addend: if one has no line, no other is needed."""
    sides, own = (above.of(channels), below.of(channels)), factor[channels]
    least, most = (side.ends - _exact(side, own) for side in sides)
    order = np.argsort(most.min(axis=1) - least.max(axis=1), kind="stable")
    return [int(each) for each in channels[order]]


def _shifted(
    stairs: Stairs, sides: tuple[_Side, _Side], best: np.float32, exp: int, grid: Grid
) -> ShiftedLine | None:
    """The line of shifted sums of one channel, which *sides* are of, beside its *best* factor."""
    distances = np.arange(-_AROUND_SHIFTED, _AROUND_SHIFTED + 1, dtype=np.int32)
    factors = np.maximum(best.view(np.int32) + distances, 0).view(np.float32)
    above, below = (side.of(np.zeros_like(factors, np.int64)) for side in sides)
    addends = _addends(above, below, factors, grid).astype(np.float64)
    numbers = np.concatenate([above.numbers[0], below.numbers[0]])
    halves = np.concatenate([above.halves[0], below.halves[0]])
    signs = np.repeat([1.0, -1.0], [above.numbers.shape[1], below.numbers.shape[1]])
    largest = max(abs(stairs.lo), abs(stairs.hi))
    points = Boundaries(numbers, halves, signs, exp, grid.step, largest)
    return shifted_line(points, factors, addends)


def _side(
    points: Sequence[tuple[Integers, _Floats]], exps: Integers, grid: Grid, other: float
) -> _Side:
    """Of each channel its sums with the halves to be passed, and *other* ones."""
    width = max(1, *(len(sums) for sums, _ in points))
    numbers = np.zeros((len(points), width), np.float32)
    halves = np.full((len(points), width), other)
    for row, half, exp, (sums, own) in zip(numbers, halves, exps.tolist(), points, strict=True):
        row[: len(sums)] = np.ldexp(sums.astype(np.float32), exp)
        half[: len(own)] = own
    return _Side(numbers, halves, _ends(halves) * grid.step)


def _ends(halves: _Floats) -> _Floats:
    """Where results begin that float32 and ``rint`` bring above *halves*, which go to even codes.

    That is halfway to the float32 number next to one.
    """
    towards = np.where((halves + 0.5) % 2 == 0, -np.inf, np.inf).astype(np.float32)
    return (halves + np.nextafter(halves.astype(np.float32), towards)) / 2


def _best_factors(above: _Side, below: _Side, steepest: _Floats) -> F32:
    """The factors that leave most room for an addend, in real numbers.

    The room is the least of lines less the largest of lines over the factor: it has one peak.
    """
    low, high = np.zeros(len(steepest)), steepest
    rows = np.arange(len(steepest))
    for _ in range(_HALVINGS):
        factor = (low + high) / 2
        column = factor[:, np.newaxis]
        least = np.argmax(above.ends - above.numbers * column, axis=1)
        most = np.argmin(below.ends - below.numbers * column, axis=1)
        wider = above.numbers[rows, least] > below.numbers[rows, most]
        low, high = np.where(wider, factor, low), np.where(wider, high, factor)
    return ((low + high) / 2).astype(np.float32)


def _around(best: F32) -> Iterator[F32]:
    """The best factors, and those that are ever farther off."""
    yield best
    for distance in range(1, _AROUND + 1):
        for direction in (1, -1):
            yield np.maximum(best.view(np.int32) + direction * distance, 0).view(np.float32)


def _addends(above: _Side, below: _Side, factor: F32, grid: Grid) -> F32:
    """In the middle of those with which all results are beyond their ends.

    No farther from one of them than all codes span.
    """
    (least, _), (_, most) = _products(above, factor), _products(below, factor)
    lowest, highest = (above.ends - least).max(axis=1), (below.ends - most).min(axis=1)
    span = (grid.hi - grid.lo + 1) * grid.step
    middle = (np.maximum(lowest, highest - span) + np.minimum(highest, lowest + span)) / 2
    addend: F32 = middle.astype(np.float32)
    return addend


def _products(side: _Side, factor: F32) -> tuple[_Floats, _Floats]:
    """The smaller and the larger one of the rounded product and the exact one."""
    rounded = (side.numbers * factor[:, np.newaxis]).astype(np.float64)
    exact = _exact(side, factor)
    return np.minimum(rounded, exact), np.maximum(rounded, exact)


def _exact(side: _Side, factor: F32) -> _Floats:
    return side.numbers.astype(np.float64) * factor.astype(np.float64)[:, np.newaxis]


def _are_right(
    above: _Side, below: _Side, factor: F32, addend: F32, grid: Grid
) -> npt.NDArray[np.bool_]:
    """By channel whether all codes are beyond their halves, in both ways of rounding.

    Of the second one float64 tells it: of a difference that it has rounded it, too, knows on which
    side of a float32 number it is, but for ties, which count as wrong.
    """
    column, factors = addend[:, np.newaxis], factor[:, np.newaxis]
    step = np.float32(grid.step)
    over, under = (
        np.rint((side.numbers * factors + column) / step) - side.halves for side in (above, below)
    )
    first = np.all(over > 0, axis=1) & np.all(under < 0, axis=1)
    over = column - (above.ends - _exact(above, factor))
    under = column - (below.ends - _exact(below, factor))
    right: npt.NDArray[np.bool_] = first & np.all(over > 0, axis=1) & np.all(under < 0, axis=1)
    return right
