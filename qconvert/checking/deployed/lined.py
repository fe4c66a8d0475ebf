"""Lines of a file held against the programs in whose place they are, for all numbers.

Programs, lines and quantizers rise or fall as a whole, rounding included. So two that agree on both
sides of every boundary, and at the ends, agree everywhere.
"""

from collections.abc import Mapping, Sequence
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
    node = graph.makers.get(end)
    if node is None or not isinstance(node.op, Quantize):
        return None
    cone, grid = cone_of(node, graph, analysis), grid_of(node.op.quantizer)
    lattice = None if cone is None or not cone.monotone else _alone(cone, source)
    if cone is None or grid is None or lattice is None or grid.hi - grid.lo > _MOST_CODES:
        return None
    channels = len(lattice.lo)
    if {line.factor.size, line.addend.size} != {channels} or line.unit.size not in (1, channels):
        return None
    states = _edges(cone, lattice, grid)
    numbers = lattice.at(states)[0]
    expected = _results(cone, numbers)
    if not _is_within_limits(cone, numbers):
        return None
    right: Mask = np.all([found == expected for found in line.results(numbers)], axis=(0, 1))
    right &= line.grid.exp == grid.exp
    return Judged(np.ones_like(right), right)


def _alone(cone: Cone, source: str) -> Lattice | None:
    """What a cone computes from if that is this value, whose numbers are exact."""
    lattice = cone.sources.get(source)
    if lattice is None or len(cone.sources) > 1:
        return None
    exact = lattice.divisor == 1 and not lattice.radius.any() and not lattice.offset.any()
    return lattice if exact else None


def _edges(cone: Cone, lattice: Lattice, grid: Grid) -> Ints:
    """By channel the ends of all states, and both sides of each boundary: (n, channels)."""

    def codes(states: Ints) -> Ints:
        steps = _results(cone, lattice.at(states)[0]) / np.float32(grid.step)
        return np.asarray(np.rint(steps), np.int64)

    ends = np.stack([lattice.lo, lattice.hi])
    first, last = codes(ends)
    falls = first > last
    least = np.minimum(first, last)
    wanted = least + 1 + np.arange(int((abs(last - first)).max()))[:, np.newaxis]
    below = np.broadcast_to(np.where(falls, lattice.hi, lattice.lo), wanted.shape)
    above = np.broadcast_to(np.where(falls, lattice.lo, lattice.hi), wanted.shape)
    while np.any(abs(above - below) > 1):
        middle = (below + above) // 2
        reached = codes(middle) >= wanted
        below, above = np.where(reached, below, middle), np.where(reached, middle, above)
    return np.concatenate([ends, below, above])


def _results(cone: Cone, numbers: F32) -> F32:
    """What the reference makes of numbers (n, channels) of the source."""
    return _values(cone, numbers)[cone.end.name]


def _values(cone: Cone, numbers: F32) -> dict[str, F32]:
    (source,) = cone.sources
    values = {source: numbers}
    for node in cone.nodes:
        values[node.name] = apply(node.op, *(values[name] for name in node.inputs))
    return values


def _is_within_limits(cone: Cone, numbers: F32) -> bool:
    """Whether every quantizer gets numbers up to which it rises, if these are the ends of all."""
    values = _values(cone, numbers)
    read = {node.name: values[name] for node in cone.nodes for name in node.inputs}
    return all(abs(read[name]).max() <= limit for name, limit in cone.limits.items())
