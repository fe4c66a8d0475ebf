"""Sums of two branches, which have too many pairs of states to compute each.

For every state of one branch those of the other are found, by bisection in its sorted numbers,
whose sum with it comes near a boundary of the quantizer; these alone are computed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from qconvert.checking.radius import UNIT, Radius
from qconvert.checking.rounding_ops import propagated
from qconvert.checking.tables.cones import Cone
from qconvert.checking.tables.states import MOST_DOUBTFUL, Ints, Margins, States, evaluated
from qconvert.exactness import Lattice
from qconvert.ir import Grid, Node, Op, grid_of
from qconvert.ir.ops import Merge, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedLinear, QuantizedRelu

#: Beyond so many steps QKeras's quantizers return other numbers than saturated codes.
_MOST_STEPS: Final = 1 << 24
_MOST_CODES: Final = 1 << 10
#: Of a branch, which is held at once.
_MOST_NUMBERS: Final = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class _Branch:
    """All numbers of a branch (codes, channels), in order of the codes, and the largest radius."""

    source: str
    lattice: Lattice
    numbers: Radius
    radius: float


def near_sums(cone: Cone, total: int) -> Margins | None:
    """The doubtful pairs of ``quantizer(a + b)``; ``None`` if *cone* is none, or has too many."""
    found = _parts(cone)
    if found is None:
        return None
    left, right, grid = found
    largest = abs(left.numbers).max() + abs(right.numbers).max() + left.radius + right.radius
    # The sum rounds once in every program, and the ends of an interval are moved outwards.
    reach = (left.radius + right.radius + 4 * UNIT * largest) * (1 + 16 * UNIT)
    if not (largest <= _MOST_STEPS * grid.step and reach < grid.step / 4):
        return None
    doubtful = States.none_of(cone)
    for channel in range(left.numbers.shape[1]):
        doubtful |= _near(left, right, channel, grid, float(reach))
        if len(doubtful) > 4 * MOST_DOUBTFUL:
            return None
    if not len(doubtful):
        return Margins(total, doubtful, 0.0, doubtful)
    _, radii = evaluated(cone, doubtful)
    return Margins(total, doubtful[radii > 0], float(radii.max()), States.none_of(cone))


def _parts(cone: Cone) -> tuple[_Branch, _Branch, Grid] | None:
    *before, end = cone.nodes
    grid = _rounded_to(end.op)
    if grid is None or not before or not cone.monotone or len(cone.sources) != 2:
        return None
    last = before[-1]
    if end.inputs != (last.name,) or last.op != Merge("add") or len(last.inputs) != 2:
        return None
    branches = [_branch(cone, name, before[:-1]) for name in last.inputs]
    left, right = branches
    if left is None or right is None or left.source == right.source:
        return None
    return left, right, grid


def _rounded_to(op: Op) -> Grid | None:
    """The grid of a quantizer that rounds its input itself, of few enough codes."""
    if not isinstance(op, Quantize):
        return None
    if not isinstance(op.quantizer, QuantizedBits | QuantizedLinear | QuantizedRelu):
        return None
    grid = grid_of(op.quantizer)
    return None if grid is None or grid.hi - grid.lo > _MOST_CODES else grid


def _branch(cone: Cone, end: str, nodes: list[Node]) -> _Branch | None:
    """What *end* is computed by, if from one source alone."""
    wanted, own = {end}, list[Node]()
    for node in reversed(nodes):
        if node.name in wanted:
            own.append(node)
            wanted |= set(node.inputs)
    sources = wanted & cone.sources.keys()
    if len(sources) != 1:
        return None
    (source,) = sources
    lattice = cone.sources[source]
    count = int(lattice.counts.max())
    if count * len(lattice.counts) > _MOST_NUMBERS:
        return None
    rows = np.arange(count)[:, np.newaxis]
    x, around = lattice.at(np.minimum(lattice.lo + rows, lattice.hi))
    values, radii = propagated(own[::-1], {source: x}, {source: around})
    radius = radii[end]
    return _Branch(
        source,
        lattice,
        values[end].astype(np.float64),
        0.0 if radius is None else float(radius.max()),
    )


def _near(left: _Branch, right: _Branch, channel: int, grid: Grid, reach: float) -> States:
    """Pairs of one channel whose sum is no farther than *reach* from a boundary."""
    a = left.numbers[: int(left.lattice.counts[channel]), channel]
    b = right.numbers[: int(right.lattice.counts[channel]), channel]
    order = np.argsort(b)
    pairs = list(_pairs(a, b[order], grid, reach))
    first = np.concatenate([i for i, _ in pairs])
    second = order[np.concatenate([j for _, j in pairs])]
    codes = {
        left.source: left.lattice.lo[channel] + first,
        right.source: right.lattice.lo[channel] + second,
    }
    return States(np.full(len(first), channel, np.int64), codes)


def _pairs(a: Radius, b: Radius, grid: Grid, reach: float) -> Iterator[tuple[Ints, Ints]]:
    """Indices into *a* and the sorted *b*, boundary by boundary; none occurs twice."""
    for code in range(grid.lo, grid.hi):
        rest = (code + 0.5) * grid.step - a
        begin, end = np.searchsorted(b, rest - reach), np.searchsorted(b, rest + reach, "right")
        counts = end - begin
        first = np.repeat(np.arange(len(a)), counts)
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        yield first, np.repeat(begin, counts) + offsets
