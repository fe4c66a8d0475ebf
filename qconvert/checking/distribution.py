"""How numbers are distributed: histograms that merge exactly, and which codes of a grid occur.

Bins have widths that are powers of two and begin at multiples of them, so that two bins make one of
twice the width: the histogram of many batches is that of all their numbers at once.
"""

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Grid

#: Bins of a histogram at most.
BINS: Final = 64
#: Codes of a grid whose use is counted one by one.
_COUNTED_CODES: Final = 1 << 16
#: Numbers of bins stay below, so that they are exact.
_LARGEST_BIN: Final = 1 << 40
#: No float32 has a smaller distance from another.
_FINEST: Final = -149

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """``counts[i]`` numbers from ``(first + i) * 2**exp`` up to, without it, the next bin's."""

    first: int
    exp: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """The numbers among ``elements`` and, if they are codes, how these of their ``grid`` are used.

    ``used`` is how many different codes occur, ``lowest`` and ``highest`` how many elements have
    the code at either end, ``outside`` how many are none of the codes, or not finite; ``zeros`` is
    the number of zeros.
    """

    histogram: Histogram
    elements: int
    zeros: int
    grid: Grid | None = None
    used: int | None = None
    lowest: int = 0
    highest: int = 0
    outside: int = 0


class Tally(Protocol):
    """Counts the numbers of any number of arrays."""

    def add(self, x: F32) -> None:
        """Count every element of *x*."""

    def distribution(self) -> Distribution:
        """All that was counted."""


def tally_of(grid: Grid | None) -> Tally:
    """By code, where *grid* has few enough of them."""
    counted = grid is not None and grid.hi - grid.lo < _COUNTED_CODES
    return CodeTally(grid) if grid is not None and counted else NumberTally()


class CodeTally:
    """Counts codes of a grid; what is none of them is ``outside`` and in no bin."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._counts = np.zeros(grid.hi - grid.lo + 1, np.int64)
        self._elements = 0

    def add(self, x: F32) -> None:
        """Count every element of *x*."""
        grid = self._grid
        self._elements += x.size
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.ldexp(x.reshape(-1), -grid.exp)
            codes = scaled.astype(np.int32)
        good = (codes == scaled) & (codes >= grid.lo) & (codes <= grid.hi)
        if not good.all():
            codes = codes[good]
        self._counts += np.bincount(codes - grid.lo, minlength=self._counts.size)

    def distribution(self) -> Distribution:
        """All that was counted."""
        grid, counts = self._grid, self._counts
        zeros = int(counts[-grid.lo]) if grid.lo <= 0 <= grid.hi else 0
        return Distribution(
            _coarse(grid.lo, grid.exp, counts),
            self._elements,
            zeros,
            grid,
            int(np.count_nonzero(counts)),
            int(counts[0]),
            int(counts[-1]),
            self._elements - int(counts.sum()),
        )


class NumberTally:
    """Counts numbers of any range in bins as narrow as that range allows."""

    def __init__(self) -> None:
        self._first, self._exp, self._counts = 0, _FINEST, np.zeros(0, np.int64)
        self._elements = self._zeros = self._outside = 0

    def add(self, x: F32) -> None:
        """Count every element of *x*."""
        flat = x.reshape(-1)
        finite = np.isfinite(flat)
        numbers = flat if finite.all() else flat[finite]
        self._elements += flat.size
        self._zeros += flat.size - int(np.count_nonzero(flat))
        self._outside += flat.size - numbers.size
        if numbers.size:
            self._count_bins(numbers.astype(np.float64))

    def distribution(self) -> Distribution:
        """All that was counted."""
        histogram = Histogram(self._first, self._exp, tuple(self._counts.tolist()))
        return Distribution(histogram, self._elements, self._zeros, outside=self._outside)

    def _count_bins(self, numbers: npt.NDArray[np.float64]) -> None:
        lowest, highest = float(numbers.min()), float(numbers.max())
        while not self._hold(lowest, highest):
            self._exp += 1
            if self._counts.size:
                self._first, self._counts = _halved(self._first, self._counts)
        bins = np.floor(np.ldexp(numbers, -self._exp)).astype(np.int64)
        first, last = int(bins.min()), int(bins.max())
        if self._counts.size:
            first = min(first, self._first)
            last = max(last, self._first + self._counts.size - 1)
        counts = np.bincount(bins - first, minlength=last - first + 1)
        begin = self._first - first
        if self._counts.size:
            counts[begin : begin + self._counts.size] += self._counts
        self._first, self._counts = first, counts

    def _hold(self, lowest: float, highest: float) -> bool:
        """Whether bins of this width take these numbers, besides those that they have."""
        low, high = (float(np.floor(np.ldexp(x, -self._exp))) for x in (lowest, highest))
        if self._counts.size:
            low, high = min(low, self._first), max(high, self._first + self._counts.size - 1)
        return high - low < BINS and max(-low, high) < _LARGEST_BIN


def _coarse(first: int, exp: int, counts: _Integers) -> Histogram:
    while counts.size > BINS:
        first, counts = _halved(first, counts)
        exp += 1
    return Histogram(first, exp, tuple(counts.tolist()))


def _halved(first: int, counts: _Integers) -> tuple[int, _Integers]:
    """Bins of twice the width: the number of the first one, and the counts."""
    padded = np.concatenate([np.zeros(first & 1, np.int64), counts])
    return first >> 1, np.add.reduceat(padded, np.arange(0, padded.size, 2))


def of_raw(raw: F32, grid: Grid | None) -> Distribution:
    """Of weights before they are quantized; ``outside`` are those beyond the ends of *grid*."""
    tally = NumberTally()
    tally.add(raw)
    found = replace(tally.distribution(), grid=grid)
    if grid is None:
        return found
    lowest, highest = grid.lo * grid.step, grid.hi * grid.step
    return replace(found, outside=int(np.count_nonzero(~((raw >= lowest) & (raw <= highest)))))


def of_effective(effective: F32, grid: Grid | None) -> Distribution:
    """Of weights as the layer computes with them; ``used`` counts their different numbers."""
    tally = tally_of(grid)
    tally.add(effective)
    found = tally.distribution()
    if found.used is not None and not found.outside:
        # Counted by code, and every number is one.
        return found
    return replace(found, used=int(np.unique(effective).size))


@dataclass(frozen=True, slots=True)
class ErrorMap:
    """Where in a layer's result of ``shape`` witnesses differ: how often, over all samples.

    ``places`` has ``rows`` times ``columns`` counts, first row first, of the axes before the last;
    ``channels`` are counts along the last. Where an axis is longer than a map, neighbours are
    counted together.
    """

    shape: tuple[int, ...]
    rows: int
    columns: int
    places: tuple[int, ...]
    channels: tuple[int, ...]


#: Rows and columns of an error map at most.
MAP: Final = 32


def error_map(differing: _Integers) -> ErrorMap:
    """The map of *differing*, which has how often each element of a result differs."""
    shape = differing.shape
    of_places = differing.sum(axis=-1) if shape else differing
    plane = of_places.reshape(shape[0] if len(shape) > 1 else 1, -1)
    places = _binned(_binned(plane, 0), 1)
    channels = differing.reshape(-1, shape[-1] if shape else 1).sum(axis=0)
    rows, columns = places.shape
    return ErrorMap(tuple(shape), rows, columns, tuple(places.reshape(-1).tolist()), _row(channels))


def _row(counts: _Integers) -> tuple[int, ...]:
    return tuple(_binned(counts, 0).tolist())


def _binned(counts: _Integers, axis: int) -> _Integers:
    """Neighbours along *axis* counted together, until there are at most `MAP`."""
    together = -(-counts.shape[axis] // MAP)
    if together <= 1:
        return counts
    begins = np.arange(0, counts.shape[axis], together)
    summed: _Integers = np.add.reduceat(counts, begins, axis=axis)
    return summed
