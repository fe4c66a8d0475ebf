"""Proofs by tables: quantizers whose codes no rounding before them can change.

Where all states of a cone keep away from the quantizer's boundaries, every correct program
returns the same codes. The few states that do not are tried in all runtimes, at several places
of a tensor and in batches of different sizes; so are those on both sides of every boundary.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from qconvert.checking.audit import Evidence
from qconvert.checking.forcing import Trial, shapes_in
from qconvert.checking.inputs import Batch
from qconvert.checking.judge import REQUIRED
from qconvert.checking.results import Bound, State
from qconvert.checking.tables.cones import Cone, announced, cones
from qconvert.checking.tables.margins import margins
from qconvert.checking.tables.states import Ints, Margins, States
from qconvert.checking.witness import Witness
from qconvert.exactness import Analysis, Argument, Certificate, Doubt, Lattice, Reach
from qconvert.ir import F32, Graph, Layer, Node, Op
from qconvert.ir.ops import Elementwise, Function, Quantize
from qconvert.ir.quantizers import QuantizedPo2, QuantizedReluPo2, QuantizedSigmoid, QuantizedUlaw

THIS_MACHINE: Final = "these builds of the runtimes, on processors that compute like this one"
#: Elements of all values that the tables of one check may take.
_MOST_ELEMENTS: Final = 1 << 27
_SINGLE_ROWS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """By value: the certificate or the doubt of its operation, and what bounds a doubtful one."""

    certificates: Mapping[str, Certificate | Doubt] = field(default_factory=dict)
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)


def tabulate(
    graph: Graph,
    analysis: Analysis,
    probe: Batch,
    forcible: Set[str],
    run: Callable[[Iterator[Trial]], Evidence],
    hidden: Set[str] = frozenset(),
    told: Callable[[int, int], None] = lambda done, count: None,
) -> Tables:
    """Tables of all cones; *run* tries trials that force layers of *forcible* in all runtimes.

    ONNX Runtime has no results of *hidden* layers. What its file makes of all their states is
    compared with the reference elsewhere; tried is whether TensorFlow's are those, too. *told*
    hears which of how many cones is tabulated.
    """
    if any(layer.frozen for layer in graph.layers):
        # TensorFlow computes the scale from the floats in front of it: these are seen.
        return Tables(analysis.certificates)
    all_ = announced(list(cones(graph, analysis)), told)
    found = [(c, m) for c in all_ if (m := margins(c)) is not None]
    owners = {layer.value: layer for layer in reversed(graph.layers)}
    shapes = shapes_in(graph, probe)
    near = [
        Tried(
            cone,
            states,
            owners[cone.end.name],
            shapes[cone.end.name],
            any(owners[name].name in hidden for name in cone.sources),
        )
        for cone, known in found
        if len(states := known.doubtful | known.edges)
        and can_be_tried(cone, owners, forcible, shapes)
    ]
    evidence = Evidence()
    alike: set[str] = set()
    for group in groups(shapes, near):
        seen = run(trials_of(group, owners, shapes, probe))
        evidence = evidence.merge(seen)
        alike |= {x.tried.cone.end.name for x in group if _agrees(seen, x.tried)}
    certificates = {c.end.name: _certificate(c, known, alike, analysis) for c, known in found}
    proven = [c for c, _ in found if isinstance(certificates[c.end.name], Certificate)]
    known = {**analysis.certificates, **_stronger(certificates, analysis.certificates)}
    inner = _inner(graph, proven, known, analysis)
    bounds = {c.end.name: _bound(c, tried) for c, tried in found}
    return Tables({**known, **inner}, bounds, evidence)


def _stronger(
    found: Mapping[str, Certificate | Doubt], before: Mapping[str, Certificate | Doubt]
) -> dict[str, Certificate | Doubt]:
    """What tables add: a doubt of theirs about a cone is none about the quantizer alone."""
    return {
        name: one
        for name, one in found.items()
        if isinstance(one, Certificate) or isinstance(before[name], Doubt)
    }


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A cone of which some states are tried, and the layer that shows its results.

    *hidden* from ONNX Runtime are the sources, or not.
    """

    cone: Cone
    states: States
    layer: Layer
    shape: tuple[int, ...]
    hidden: bool = False

    @property
    def rows(self) -> int:
        """How many samples hold all states of the channel that has most."""
        most = int(np.bincount(self.states.channels).max())
        return -(-most // math.prod(self.shape[1:-1]))


def can_be_tried(
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
        alike[one.rows.bit_length(), one.hidden].append(one)
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


def _agrees(evidence: Evidence, tried: Tried) -> bool:
    """Whether all witnesses returned the same for the layer."""
    compared = evidence.layers.get(tried.layer.name, {})
    present = {w for pair, found in compared.items() if found.elements for w in pair}
    same = all(not found.differing for found in compared.values())
    needed = set(REQUIRED) - ({Witness.ORT} if tried.hidden else set())
    return same and present >= needed and not evidence.failures


def _certificate(
    cone: Cone, known: Margins, alike: Set[str], analysis: Analysis
) -> Certificate | Doubt:
    near = len(known.doubtful)
    assumptions = _assumed(cone, analysis)
    if not near:
        return Certificate(Argument.TABULATED, assumptions=assumptions, states=known.total)
    if cone.end.name in alike:
        assumed = tuple(dict.fromkeys((*assumptions, THIS_MACHINE)))
        return Certificate(Argument.TRIED, assumptions=assumed, states=known.total, near=near)
    return Doubt(f"{near} of {known.total} states are next to a boundary of the quantizer")


def _assumed(cone: Cone, analysis: Analysis) -> tuple[str, ...]:
    """What the numbers of the sources rest on, and quantizers in the cone that were tried alone."""
    found = [text for lattice in cone.sources.values() for text in lattice.assumptions]
    for node in cone.nodes:
        inner = analysis.certificates[node.name]
        if isinstance(inner, Certificate) and inner.numbers:
            found += inner.assumptions
    return tuple(dict.fromkeys(found))


def _bound(cone: Cone, known: Margins) -> Bound:
    near = known.doubtful
    return Bound(
        largest=known.largest,
        states=known.total,
        near=len(near),
        example=_first(cone, near) if len(near) else None,
    )


def _first(cone: Cone, states: States) -> State:
    channel = int(states.channels[0])
    numbers = (
        (name, float(lattice.at(np.full(len(lattice.lo), states.codes[name][0]))[0][channel]))
        for name, lattice in cone.sources.items()
    )
    return State(channel, tuple(numbers))


def _inner(
    graph: Graph,
    proven: Sequence[Cone],
    known: Mapping[str, Certificate | Doubt],
    analysis: Analysis,
) -> dict[str, Certificate]:
    """Certificates of the values that nothing but proven quantizers can see.

    A source that is certified itself keeps its certificate. Of one that lies on a grid, the table
    begins with its numbers: it says nothing about which of them programs return.
    """
    outputs = {output.value for output in graph.outputs}
    readers: dict[str, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].append(node)
    ends = {cone.end.name for cone in proven}
    inside = {name for cone in proven for name in cone.names} - ends
    sums = {n for cone in proven for n in cone.sources if isinstance(known.get(n), Doubt)}
    inside |= {name for name in sums if not isinstance(analysis.values[name], Reach)}
    hidden: set[str] = set()
    for node in reversed(graph.nodes):
        seen = [reader.name for reader in readers[node.name]]
        if node.name in inside - outputs and all(one in ends | hidden for one in seen):
            hidden.add(node.name)
    return {name: Certificate(Argument.CODES) for name in hidden}
