"""Tables of what quantizers return, and where rounding could change it: theorems 6 and 7.

Every value of a cone is a function of one integer a channel, or of two. Beside each result goes
its radius, as in `rounding`: where it is 0, every correct program returns that result. What is
left are the few states next to a quantizer's boundary.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.checking.cones import Cone
from qconvert.checking.radius import Radius
from qconvert.checking.rounding import propagated
from qconvert.exactness import Lattice
from qconvert.ir import F32

Ints: TypeAlias = npt.NDArray[np.int64]

#: States of one cone that are all computed; of a monotone one only those next to boundaries are.
MOST_STATES: Final = 1 << 24
#: States next to boundaries that are worth listing.
MOST_DOUBTFUL: Final = 1 << 18
_CHUNK: Final = 1 << 16
_FIRST_POINTS: Final = 17


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Some states of a cone: the channel, and by source the code, all (states,)."""

    channels: Ints
    codes: Mapping[str, Ints]

    def __len__(self) -> int:
        return len(self.channels)

    def __or__(self, other: "States") -> "States":
        """These and those."""
        codes = {n: np.concatenate([self.codes[n], other.codes[n]]) for n in self.codes}
        return States(np.concatenate([self.channels, other.channels]), codes)


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """Of ``total`` states, those where rounding could change the result, by ``largest`` at most.

    ``edges`` are those on both sides of every boundary, where they are known.
    """

    total: int
    doubtful: States
    largest: float
    edges: States


def margins(cone: Cone) -> Margins | None:
    """The states of *cone* that are next to a boundary; ``None`` if there are too many to tell."""
    counts = [lattice.counts for lattice in cone.sources.values()]
    total = sum(_product(column) for column in zip(*counts, strict=True))
    if cone.monotone and len(cone.sources) == 1:
        return _searched(cone, total)
    return _all_of_them(cone, total) if total <= MOST_STATES else None


def _product(numbers: tuple[np.int64, ...]) -> int:
    result = 1
    for number in numbers:
        result *= int(number)
    return result


def table(cone: Cone, codes: Mapping[str, Ints]) -> tuple[F32, Radius]:
    """The results for codes (rows, channels) of the sources, and their radii."""
    known: dict[str, F32] = {}
    around: dict[str, Radius | None] = {}
    for name, lattice in cone.sources.items():
        known[name], around[name] = lattice.at(codes[name])
    values, radii = propagated(cone.nodes, known, around)
    result, radius = values[cone.end.name], radii[cone.end.name]
    if radius is None:
        return result, np.zeros(result.shape)
    # What is no number may be anything.
    return result, np.broadcast_to(np.where(np.isnan(radius), np.inf, radius), result.shape)


def _all_of_them(cone: Cone, total: int) -> Margins | None:
    """Every state of one source, or every pair of two."""
    nowhere = np.empty(0, np.int64)
    edges = States(nowhere, dict.fromkeys(cone.sources, nowhere))
    doubtful = edges
    largest = 0.0
    for codes, valid in _chunks(cone.sources):
        _, radius = table(cone, codes)
        near = valid & (radius > 0)
        largest = max(largest, float(radius[valid].max(initial=0.0)))
        channels = np.nonzero(near)[1]
        doubtful |= States(channels, {name: each[near] for name, each in codes.items()})
        if len(doubtful) > MOST_DOUBTFUL:
            return None
    return Margins(total, doubtful, largest, edges)


def _chunks(
    sources: Mapping[str, Lattice],
) -> Iterator[tuple[dict[str, Ints], npt.NDArray[np.bool_]]]:
    """All combinations of codes (rows, channels); channels with fewer end in others' company."""
    counts = [lattice.counts for lattice in sources.values()]
    totals = np.prod(np.stack(counts), axis=0)
    rows = max(1, _CHUNK // len(totals))
    for start in range(0, int(totals.max()), rows):
        number = np.arange(start, start + rows)[:, np.newaxis]
        valid = number < totals
        rest = np.minimum(number, totals - 1)
        codes: dict[str, Ints] = {}
        for name, lattice in sources.items():
            rest, place = np.divmod(rest, lattice.counts)
            codes[name] = lattice.lo + place
        yield codes, valid


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


def _searched(cone: Cone, total: int) -> Margins | None:
    """Between two states with one certain result all others have it, as programs are monotone."""
    ((name, lattice),) = cone.sources.items()
    points = _at(cone, name, *_first_points(lattice))
    while (gaps := points.open_gaps()).any():
        below, above = points.codes[:-1][gaps], points.codes[1:][gaps]
        if len(points.codes) + len(below) > 2 * MOST_DOUBTFUL:
            return None
        middle = below + (above - below) // 2
        points |= _at(cone, name, points.channels[:-1][gaps], middle)
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


def _at(cone: Cone, name: str, channels: Ints, codes: Ints) -> _Points:
    """Single states, computed as a table that has a column a channel."""
    order = np.argsort(channels, kind="stable")
    counts = np.bincount(channels, minlength=len(cone.sources[name].lo))
    first = np.cumsum(counts) - counts
    row = np.empty(len(codes), np.int64)
    row[order] = np.arange(len(codes)) - first[channels[order]]
    columns = np.broadcast_to(cone.sources[name].lo, (int(counts.max()), len(counts))).copy()
    columns[row, channels] = codes
    results, radii = table(cone, {name: columns})
    return _Points(channels, codes, results[row, channels], radii[row, channels])
