"""States of a cone, and what it makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.checking.radius import Radius
from qconvert.checking.rounding_ops import propagated
from qconvert.checking.tables.cones import Cone
from qconvert.ir import F32

Ints: TypeAlias = npt.NDArray[np.int64]

#: States next to boundaries that are worth listing.
MOST_DOUBTFUL: Final = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Some states of a cone: the channel, and by source the code, all (states,)."""

    channels: Ints
    codes: Mapping[str, Ints]

    @classmethod
    def none_of(cls, cone: Cone) -> "States":
        """No state."""
        nowhere = np.empty(0, np.int64)
        return cls(nowhere, dict.fromkeys(cone.sources, nowhere))

    def __len__(self) -> int:
        return len(self.channels)

    def __getitem__(self, some: npt.NDArray[np.bool_]) -> "States":
        """Those where *some* is true."""
        return States(self.channels[some], {name: each[some] for name, each in self.codes.items()})

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


def table(cone: Cone, codes: Mapping[str, Ints]) -> tuple[F32, Radius]:
    """The results for codes (rows, channels) of the sources, and their radii."""
    known: dict[str, F32] = {}
    around: dict[str, Radius | None] = {}
    for name, lattice in cone.sources.items():
        known[name], around[name] = lattice.at(codes[name])
    values, radii = propagated(cone.nodes, known, around)
    result, radius = values[cone.end.name], radii[cone.end.name]
    known_radius = np.broadcast_to(np.zeros(1) if radius is None else radius, result.shape)
    # What is no number may be anything, and so may what a quantizer returns beyond its limit.
    unknown = np.isnan(known_radius) | _beyond_limits(cone, values, radii)
    return result, np.where(unknown, np.inf, known_radius)


def _beyond_limits(
    cone: Cone, values: Mapping[str, F32], radii: Mapping[str, Radius | None]
) -> npt.NDArray[np.bool_]:
    beyond = np.zeros(values[cone.end.name].shape, np.bool_)
    for node in cone.nodes:
        if node.name in cone.limits:
            (name,) = node.inputs
            radius = radii[name]
            largest = abs(values[name].astype(np.float64)) + (0.0 if radius is None else radius)
            beyond |= ~(largest <= cone.limits[node.name])
    return beyond


def evaluated(cone: Cone, states: States) -> tuple[F32, Radius]:
    """Results and radii of single states, computed as a table that has a column a channel."""
    channels = states.channels
    counts = np.bincount(channels, minlength=len(next(iter(cone.sources.values())).lo))
    order = np.argsort(channels, kind="stable")
    first = np.cumsum(counts) - counts
    row = np.empty(len(states), np.int64)
    row[order] = np.arange(len(states)) - first[channels[order]]
    columns: dict[str, Ints] = {}
    for name, lattice in cone.sources.items():
        columns[name] = np.broadcast_to(lattice.lo, (int(counts.max()), len(counts))).copy()
        columns[name][row, channels] = states.codes[name]
    results, radii = table(cone, columns)
    return results[row, channels], radii[row, channels]
