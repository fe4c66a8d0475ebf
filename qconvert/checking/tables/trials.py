"""The states of cones as samples, with which every runtime computes what lies behind them.

At several places of a tensor, and some of them in batches of one.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

import numpy as np

from qconvert.checking.forcing import Trial
from qconvert.checking.inputs import Batch
from qconvert.checking.tables.cones import Cone
from qconvert.checking.tables.states import Ints, Margins, States
from qconvert.exactness import Lattice
from qconvert.ir import F32, Graph, Layer, Op
from qconvert.ir.ops import Elementwise, Function, Quantize
from qconvert.ir.quantizers import QuantizedPo2, QuantizedReluPo2, QuantizedSigmoid, QuantizedUlaw

#: Elements of all values that the tables of one check may take.
_MOST_ELEMENTS: Final = 1 << 27
_SINGLE_ROWS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A cone of which some states are tried, and the layer that shows its results.

    ``fused`` is whether ONNX Runtime has no results of some of the sources.
    """

    cone: Cone
    states: States
    layer: Layer
    shape: tuple[int, ...]
    fused: bool = False

    @property
    def rows(self) -> int:
        """How many samples hold all states of the channel that has most."""
        most = int(np.bincount(self.states.channels).max())
        return -(-most // math.prod(self.shape[1:-1]))


def to_be_tried(
    graph: Graph,
    found: Sequence[tuple[Cone, Margins]],
    shapes: Mapping[str, tuple[int, ...]],
    forcible: Set[str],
    fused: Set[str],
) -> list[Tried]:
    """The cones with states next to a boundary, those of them that can be tried."""
    owners = graph.owners
    return [
        Tried(
            cone,
            states,
            owners[cone.end.name],
            shapes[cone.end.name],
            any(owners[name].name in fused for name in cone.sources),
        )
        for cone, known in found
        if len(states := known.doubtful | known.edges)
        and _can_be_tried(cone, owners, forcible, shapes)
    ]


def _can_be_tried(
    cone: Cone,
    owners: Mapping[str, Layer],
    forcible: Set[str],
    shapes: Mapping[str, tuple[int, ...]],
) -> bool:
    """Whether its sources can be forced, element for element, and its results are seen.

    A sum that is rounded on the way can be many numbers in one state, and some of TensorFlow's
    functions give another number at the end of a tensor: that no trial exhausts.
    """
    if cone.end.name not in owners or cone.moved or any(has_a_tail(x.op) for x in cone.nodes):
        return False
    return all(
        name in owners
        and owners[name].name in forcible
        and shapes[name] == shapes[cone.end.name]
        and not lattice.radius.any()
        for name, lattice in cone.sources.items()
    )


def has_a_tail(op: Op) -> bool:
    """Whether TensorFlow computes the last elements of a tensor by another function."""
    match op:
        case Elementwise(function=function):
            return function is not Function.TANH
        case Quantize(quantizer=QuantizedSigmoid(use_real_sigmoid=real)):
            return real
        case Quantize(quantizer=QuantizedUlaw() | QuantizedPo2() | QuantizedReluPo2()):
            return True
        case _:
            return False


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A cone, and the first of the samples that hold its states."""

    tried: Tried
    start: int

    @property
    def end(self) -> int:
        """The sample behind the last one."""
        return self.start + self.tried.rows


def groups(shapes: Mapping[str, tuple[int, ...]], near: Sequence[Tried]) -> list[list[Slot]]:
    """Cones that take about as many samples run together; what takes too many does not."""
    elements = sum(math.prod(shape[1:]) for shape in shapes.values())
    alike: dict[tuple[int, bool], list[Tried]] = defaultdict(list)
    for one in near:
        alike[one.rows.bit_length(), one.fused].append(one)
    left = _MOST_ELEMENTS
    result: list[list[Slot]] = []
    for _, cones_alike in sorted(alike.items()):
        group = _side_by_side(cones_alike)
        left -= 2 * elements * max(slot.end for slot in group)
        if left >= 0:
            result.append(group)
    return result


def _side_by_side(group: Sequence[Tried]) -> list[Slot]:
    """Cones that have a source in common get samples of their own, one behind the other."""
    free: dict[str, int] = defaultdict(int)
    slots: list[Slot] = []
    for one in group:
        slot = Slot(one, max(free[name] for name in one.cone.sources))
        free |= dict.fromkeys(one.cone.sources, slot.end)
        slots.append(slot)
    return slots


def trials_of(
    group: Sequence[Slot],
    owners: Mapping[str, Layer],
    shapes: Mapping[str, tuple[int, ...]],
    probe: Batch,
) -> Iterator[Trial]:
    """All states, the same in other places, and some of them in batches of one."""
    rows = max(slot.end for slot in group)
    inputs = {name: x[np.arange(rows) % len(x)] for name, x in probe.items()}
    for turn in range(2):
        forced: dict[str, F32] = {}
        for slot in group:
            for name, lattice in slot.tried.cone.sources.items():
                shape = shapes[name][1:]
                if owners[name].name not in forced:
                    lowest = np.broadcast_to(lattice.lo, (rows, *shape))
                    forced[owners[name].name] = lattice.at(lowest)[0]
                codes = _placed(slot.tried, name, lattice, shape, turn)
                forced[owners[name].name][slot.start : slot.end] = lattice.at(codes)[0]
        yield Trial(inputs, forced)
        for row in range(min(_SINGLE_ROWS, rows) if turn == 0 else 0):
            each = slice(row, row + 1)
            yield Trial(
                {name: x[each] for name, x in inputs.items()},
                {name: x[each] for name, x in forced.items()},
            )


def _placed(tried: Tried, name: str, lattice: Lattice, shape: tuple[int, ...], turn: int) -> Ints:
    """Samples of codes in which each channel's states take turns, in turn 1 from the last one."""
    states = tried.states
    flat = np.empty((tried.rows * math.prod(shape[:-1]), shape[-1]), np.int64)
    for channel in range(shape[-1]):
        own = states.codes[name][states.channels == channel]
        own = own if len(own) else lattice.lo[channel : channel + 1]
        flat[:, channel] = np.resize(own[::-1] if turn else own, len(flat))
    return flat.reshape(tried.rows, *shape)
