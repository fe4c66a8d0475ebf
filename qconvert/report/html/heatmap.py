"""Where in a result witnesses differ: a map of its places and a strip of its channels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from qconvert.checking.distribution import ErrorMap

#: Shades of a map; each stands for a range of counts.
SHADES: Final = 5
#: Cells along an axis of a map that is not shown in full.
_COARSE: Final = 8

_Counts: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cell:
    """Strokes as wide as a row, in one shade of 1 to `SHADES`; a cell by itself has its count."""

    shade: int
    path: Markup
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a map of ``columns`` times ``rows`` in which something differs."""

    rows: int
    columns: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Where a layer's results differ: in which places, if it has several, and which channels."""

    places: Cells | None
    channels: Cells


def heat_map(errors: ErrorMap, *, full: bool) -> HeatMap:
    """The map of *errors*; unless *full*, neighbours are counted together, for fewer bytes."""
    places = np.array(errors.places, np.int64).reshape(errors.rows, errors.columns)
    channels = np.array([errors.channels], np.int64)
    cells = _in_full if full else _in_short
    return HeatMap(cells(places) if places.size > 1 else None, cells(channels))


def _in_full(counts: _Counts) -> Cells:
    found = _spots(counts)
    cells = tuple(Cell(shade, Markup(path), int(counts[y, x])) for y, x, shade, path in found)
    return Cells(len(counts), counts.shape[1], cells)


def _in_short(counts: _Counts) -> Cells:
    few = _together(_together(counts, 0), 1)
    paths: dict[int, str] = {}
    for _, _, shade, path in _spots(few):
        paths[shade] = paths.get(shade, "") + path
    cells = tuple(Cell(shade, Markup(paths[shade])) for shade in sorted(paths))
    return Cells(len(few), few.shape[1], cells)


def _together(counts: _Counts, axis: int) -> _Counts:
    """At most `_COARSE` sums of neighbours along *axis*."""
    size = -(-counts.shape[axis] // _COARSE)
    summed: _Counts = np.add.reduceat(counts, np.arange(0, counts.shape[axis], size), axis=axis)
    return summed


def _spots(counts: _Counts) -> Iterator[tuple[int, int, int, str]]:
    """By place, row and column, its shade, and the stroke that fills it."""
    highest = int(counts.max(initial=0))
    for y, x in np.argwhere(counts).tolist():
        yield y, x, -(-SHADES * int(counts[y, x]) // highest), f"M{x} {y}h1"
