"""Lines of a file held against the programs in whose place they are, for all numbers.

Programs, lines and quantizers rise or fall as a whole, rounding included. So two that agree on both
sides of every boundary, and at the ends, agree everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import Remark
from qconvert.checking.deployed.float_line import FloatLine
from qconvert.checking.deployed.requantized import Judged, Mask
from qconvert.checking.deployed.ties import TOGETHER
from qconvert.checking.tables.cones import Cone, cone_of
from qconvert.exactness import Analysis, Lattice
from qconvert.ir import F32, Graph, Grid, grid_of
from qconvert.ir.ops import Quantize
from qconvert.reference import apply

#: Of a byte, less one.
_MOST_CODES: Final = 255

Ints: TypeAlias = npt.NDArray[np.int64]


def judged_lines(conversion: Conversion) -> Mapping[str, Judged | None]:
    """What is found of each line, by the layer that ends with it."""
    graph = conversion.graph
    values = {layer.name: layer.value for layer in graph.layers}
    return {
        name: judged_line(
            graph, conversion.analysis, values[name], values.get(line.source, ""), line
        )
        for name, line in conversion.file.lines.items()
        if name in values
    }


def conditions_left(conversion: Conversion, conditions: Sequence[Remark]) -> tuple[Remark, ...]:
    """Those but for lines that are right, too, where a product and a sum are rounded together."""
    if not any(each.text == TOGETHER for each in conditions):
        return tuple(conditions)
    found = judged_lines(conversion)
    right = frozenset(name for name, line in found.items() if line is not None and line.codes.all())
    return tuple(x for x in conditions if x.text != TOGETHER or x.layers.isdisjoint(right))


def judged_line(
    graph: Graph, analysis: Analysis, end: str, source: str, line: FloatLine
) -> Judged | None:
    """By channel whether all codes are right, in whichever way products and sums are rounded.

    ``None`` where that cannot be told.
    """
    found = wanted(graph, analysis, end, source, line)
    return None if found is None else Judged(np.ones(found.channels, np.bool_), found.right(line))


def wanted(
    graph: Graph, analysis: Analysis, end: str, source: str, line: FloatLine
) -> "Wanted | None":
    """What a line between the values *source* and *end* has to return, if that can be told."""
    node = graph.makers.get(end)
    if node is None or not isinstance(node.op, Quantize):
        return None
    cone, grid = cone_of(node, graph, analysis), grid_of(node.op.quantizer)
    lattice = None if cone is None or not cone.monotone else _alone(cone, source)
    if cone is None or grid is None or lattice is None or grid.hi - grid.lo > _MOST_CODES:
        return None
    arrays = (line.factor, line.addend, *(line.shift or ()))
    sizes = {*(each.size for each in arrays), line.unit.size, len(lattice.lo)}
    found = Wanted(cone, lattice, grid)
    return found if sizes <= {1, found.channels} and found.is_within_limits() else None


def _alone(cone: Cone, source: str) -> Lattice | None:
    """What a cone computes from if that is this value, whose numbers are exact."""
    lattice = cone.sources.get(source)
    if lattice is None or len(cone.sources) > 1:
        return None
    exact = lattice.divisor == 1 and not lattice.radius.any() and not lattice.offset.any()
    return lattice if exact else None


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """The codes on *grid* that the reference makes of all numbers of a lattice, by channel."""

    cone: Cone
    lattice: Lattice
    grid: Grid

    @property
    def channels(self) -> int:
        """How many the lattice has."""
        return len(self.lattice.lo)

    def right(self, line: FloatLine) -> Mask:
        """By channel whether all codes of a line are these, however it is rounded."""
        numbers = self.lattice.at(self.states())[0]
        expected = self._values(numbers)[self.cone.end.name]
        found: Mask = np.all([y == expected for y in line.results(numbers)], axis=(0, 1))
        return found & (line.grid.exp == self.grid.exp)

    def states(self) -> Ints:
        """The ends, and both sides of each boundary: (n, channels)."""
        return np.concatenate([self._ends(), *self.boundaries()])

    def boundaries(self) -> tuple[Ints, Ints]:
        """The states below and above the boundary of each code but the least: (n, channels).

        Of channels with fewer codes the last rows are their ends.
        """
        low, high = self._ends()
        first, last = self.codes(self._ends())
        falls = first > last
        least = np.minimum(first, last)
        goal = least + 1 + np.arange(int((abs(last - first)).max()))[:, np.newaxis]
        below = np.broadcast_to(np.where(falls, high, low), goal.shape)
        above = np.broadcast_to(np.where(falls, low, high), goal.shape)
        while np.any(abs(above - below) > 1):
            middle = (below + above) // 2
            reached = self.codes(middle) >= goal
            below, above = np.where(reached, below, middle), np.where(reached, middle, above)
        return below, above

    def codes(self, states: Ints) -> Ints:
        """Those of the reference, for states (n, channels)."""
        results = self._values(self.lattice.at(states)[0])[self.cone.end.name]
        return np.asarray(np.rint(results / np.float32(self.grid.step)), np.int64)

    def is_within_limits(self) -> bool:
        """Whether every quantizer gets numbers up to which it rises."""
        values, cone = self._values(self.lattice.at(self._ends())[0]), self.cone
        read = {node.name: values[name] for node in cone.nodes for name in node.inputs}
        return all(abs(read[name]).max() <= limit for name, limit in cone.limits.items())

    def _ends(self) -> Ints:
        return np.stack([self.lattice.lo, self.lattice.hi])

    def _values(self, numbers: F32) -> dict[str, F32]:
        """What the reference makes of numbers (n, channels) of the source, value by value."""
        (source,) = self.cone.sources
        values = {source: numbers}
        for node in self.cone.nodes:
            values[node.name] = apply(node.op, *(values[name] for name in node.inputs))
        return values
