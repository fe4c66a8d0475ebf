"""Boundaries of a cone with one source, found by halving what lies between two states."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.checking.radius import Radius
from qconvert.checking.tables.cones import Cone
from qconvert.checking.tables.states import MOST_DOUBTFUL, Ints, Margins, States, evaluated
from qconvert.exactness import Lattice
from qconvert.ir import F32

_FIRST_POINTS: Final = 17


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """States of a cone with one source, in order of channel and code, with their results."""

    channels: Ints
    codes: Ints
    results: F32
    radii: Radius

    def __or__(self, other: "_Points") -> "_Points":
        """Both, in order."""
        channels = np.concatenate([self.channels, other.channels])
        codes = np.concatenate([self.codes, other.codes])
        results = np.concatenate([self.results, other.results])
        radii = np.concatenate([self.radii, other.radii])
        order = np.lexsort((codes, channels))
        return _Points(channels[order], codes[order], results[order], radii[order])

    def open_gaps(self) -> npt.NDArray[np.bool_]:
        """Behind which points there are states before the next that may have another result."""
        radii, results = self.radii, self.results
        apart = (np.diff(self.channels) == 0) & (np.diff(self.codes) > 1)
        certain = (radii[1:] == 0) & (radii[:-1] == 0) & (results[1:] == results[:-1])
        gaps: npt.NDArray[np.bool_] = apart & ~certain
        return gaps

    def at_edges(self) -> npt.NDArray[np.bool_]:
        """The points on both sides of a boundary."""
        changes = (np.diff(self.channels) == 0) & (self.results[1:] != self.results[:-1])
        edges = np.zeros(len(self.codes), np.bool_)
        edges[:-1] |= changes
        edges[1:] |= changes
        return edges


def searched(cone: Cone, total: int) -> Margins | None:
    """Between two states with one certain result all others have it, as programs are monotone."""
    ((name, lattice),) = cone.sources.items()
    points = _points(cone, *_first_points(lattice))
    while (gaps := points.open_gaps()).any():
        below, above = points.codes[:-1][gaps], points.codes[1:][gaps]
        if len(points.codes) + len(below) > 2 * MOST_DOUBTFUL:
            return None
        middle = below + (above - below) // 2
        points |= _points(cone, points.channels[:-1][gaps], middle)
    doubtful, edges = (
        States(points.channels[some], {name: points.codes[some]})
        for some in (points.radii > 0, points.at_edges())
    )
    return Margins(total, doubtful, float(points.radii.max(initial=0.0)), edges)


def _first_points(lattice: Lattice) -> tuple[Ints, Ints]:
    """Codes evenly over every channel, both ends included, in order."""
    share = np.linspace(0, 1, _FIRST_POINTS)[:, np.newaxis]
    columns = lattice.lo + np.floor(share * (lattice.counts - 1)).astype(np.int64)
    columns[-1] = lattice.hi
    pairs = {(c, int(code)) for c, column in enumerate(columns.T) for code in column}
    channels, codes = zip(*sorted(pairs), strict=True)
    return np.array(channels, np.int64), np.array(codes, np.int64)


def _points(cone: Cone, channels: Ints, codes: Ints) -> _Points:
    (name,) = cone.sources
    return _Points(channels, codes, *evaluated(cone, States(channels, {name: codes})))
