"""What a quantizer computes from values on lattices, element for element: its cone.

All that lies in a cone is a function of one integer a channel, or of two, so that all its
results can be tabulated, whatever batch normalization or function stands in it.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from qconvert.exactness import Analysis, Certificate, Lattice, Reach, lattice_of
from qconvert.exactness.quantizers import UNKNOWN_RANGE
from qconvert.exactness.reach import LARGEST_EXACT
from qconvert.ir import Graph, Node, Op, Quantizer
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Elementwise,
    Merge,
    Pad,
    Pool,
    Quantize,
    Relu,
    Scale,
    UpSample,
)
from qconvert.ir.quantizers import (
    Binary,
    QuantizedBits,
    QuantizedLinear,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    Ternary,
)
from qconvert.ir.stock import Resize

#: Of these, `rounding` knows how programs round, even if they begin with equal numbers.
_ALWAYS_ROUNDED: Final = (BatchNormalization, Elementwise)


@dataclass(frozen=True, slots=True, eq=False)
class Cone:
    """The quantizer *end* and the nodes before it that start at *sources*, in order.

    ``nodes`` are without those that move elements only, which ``moved`` names too. Where
    ``monotone`` every program's results rise or fall with each source, but for rounding. Beyond
    ``limits`` quantizers, by name, do not return the code that is nearest.
    """

    end: Node
    sources: Mapping[str, Lattice]
    nodes: tuple[Node, ...]
    moved: frozenset[str]
    monotone: bool
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The values behind the sources."""
        return frozenset(node.name for node in self.nodes) | self.moved


def cones(graph: Graph, analysis: Analysis) -> Iterator[Cone]:
    """The cone of every quantizer that is not certified together with its whole cone.

    One for each value that is joined right in front of it, if that is what it rounds.
    """
    certified = {n for n, c in analysis.certificates.items() if isinstance(c, Certificate)}
    certified |= {source.name for source in graph.inputs}
    for node in graph.nodes:
        if isinstance(node.op, Quantize):
            parts = [_part(node, name, graph, analysis) for name in _rounded(node, graph)]
            known = [part for part in parts if part is not None]
            left = [part for part in known if not part.names | part.sources.keys() <= certified]
            right = all(_is_known(each, part, analysis) for part in left for each in part.nodes)
            if right and len(known) == len(parts):
                yield from left


def _rounded(end: Node, graph: Graph) -> tuple[str, ...]:
    """What *end* rounds: all channels, or some after the others."""
    before = graph.makers.get(end.inputs[0])
    if before is None or before.op != Concat(len(before.shape) - 1):
        return end.inputs
    return before.inputs


def _part(end: Node, name: str, graph: Graph, analysis: Analysis) -> Cone | None:
    """The cone of *end* for what it makes of *name*, which may be joined in front of it."""
    shape = graph.shapes[name]
    cone = cone_of(Node(end.name, end.op, (name,), shape), graph, analysis)
    joined = frozenset(end.inputs) - {name}
    return cone if cone is None else replace(cone, moved=cone.moved | joined)


def announced(all_: Sequence[Cone], told: Callable[[int, int], None]) -> Iterator[Cone]:
    """*all_*, each after *told* hears its number and how many there are."""
    for number, cone in enumerate(all_, 1):
        told(number, len(all_))
        yield cone


def cone_of(end: Node, graph: Graph, analysis: Analysis) -> Cone | None:
    """What *end*, an operation that works element for element, computes from lattices."""
    channels = end.shape[-1]
    if channels is None or len(end.shape) < 2:
        return None
    producers, shapes = graph.makers, graph.shapes
    sources: dict[str, Lattice] = {}
    interior: dict[str, Node] = {}
    pending = list(end.inputs)
    while pending:
        name = pending.pop()
        if name in sources or name in interior:
            continue
        node = producers.get(name)
        if shapes[name][-1] != channels:
            return None
        lattice = lattice_of(name, channels, analysis.values, producers)
        if lattice is not None:
            sources[name] = lattice
        elif node is not None and _is_pointwise(node.op):
            interior[name] = node
            pending.extend(node.inputs)
        else:
            return None
    ordered = [*(node for name, node in producers.items() if name in interior), end]
    return _assembled(sources, ordered, analysis)


def _assembled(
    sources: Mapping[str, Lattice], nodes: list[Node], analysis: Analysis
) -> Cone | None:
    read = Counter(name for node in nodes for name in node.inputs)
    # Where paths part and join again, one may rise where the other falls, and they may meet at
    # another place of the tensor.
    once = all(count == 1 for count in read.values())
    monotone = once and all(_is_monotone(node.op) for node in nodes)
    moving = [node for node in nodes if _is_moved(node.op)]
    if (moving and not once) or not _pad_with_zeros(nodes):
        return None
    if not monotone and any(isinstance(node.op, Pool | Pad) for node in moving):
        return None
    alias: dict[str, str] = {}
    kept: list[Node] = []
    for node in nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if _is_moved(node.op):
            alias[node.name] = inputs[0]
        else:
            kept.append(Node(node.name, node.op, inputs, node.shape))
    limits = {n.name: limit for n in kept if (limit := _limit(n, analysis)) is not None}
    return Cone(nodes[-1], sources, tuple(kept), frozenset(alias), monotone, limits)


def _pad_with_zeros(nodes: Sequence[Node]) -> bool:
    """Whether nothing behind padding rounds, or makes something else of the zeros: codes do.

    They are no state of a source, but the same number in every program.
    """
    padded = next((i for i, node in enumerate(nodes) if isinstance(node.op, Pad)), len(nodes))
    behind = [node for node in nodes[padded:-1] if not _is_moved(node.op)]
    return all(isinstance(node.op, Relu) and node.op.threshold == 0 for node in behind)


def _limit(node: Node, analysis: Analysis) -> float | None:
    """The largest input of a quantizer that does not clip, up to which theorem 4 holds."""
    reach = analysis.values[node.name]
    if analysis.certificates[node.name] != UNKNOWN_RANGE or not isinstance(reach, Reach):
        return None
    return math.ldexp(LARGEST_EXACT, int(reach.exp.min()))


def _is_known(node: Node, cone: Cone, analysis: Analysis) -> bool:
    """Whether the radius of a node's results covers all that programs make of it.

    Of operations that are not certified, it does where it begins with numbers that are not
    certain; else there has to be a rule for it.
    """
    found = analysis.certificates[node.name]
    if isinstance(found, Certificate) or isinstance(node.op, _ALWAYS_ROUNDED):
        return True
    if isinstance(node.op, Quantize):
        return found == UNKNOWN_RANGE
    if isinstance(node.op, Merge) and len(node.inputs) > 2:
        # Where the uncertain ones are 0 after all, their sum still depends on the order.
        return False
    interior = [other for other in cone.nodes if other.name in node.inputs]
    certain = {n for n, x in cone.sources.items() if not x.radius.any()}
    return not set(node.inputs) <= certain and all(_is_rounded(x, cone) for x in interior)


def _is_rounded(node: Node, cone: Cone) -> bool:
    """Whether a node's results have a radius in every state."""
    if isinstance(node.op, _ALWAYS_ROUNDED):
        return True
    if not isinstance(node.op, Affine | Merge | Relu | Scale):
        return False
    before = [other for other in cone.nodes if other.name in node.inputs]
    return any(_is_rounded(other, cone) for other in before)


def _is_moved(op: Op) -> bool:
    """Whether each element of the result is one of the same channel, the largest of some, or 0."""
    return isinstance(op, UpSample | Resize | Pool | Pad)


def _is_pointwise(op: Op) -> bool:
    match op:
        case Affine() | BatchNormalization() | Elementwise() | Relu() | Scale() | Merge():
            return True
        case Quantize() | UpSample() | Resize(kind="nearest") | Pool(kind="max") | Pad():
            return True
        case _:
            return False


def _is_monotone(op: Op) -> bool:
    match op:
        case Affine() | BatchNormalization() | Scale() | UpSample() | Resize() | Pool() | Pad():
            return True
        case Merge(kind="add" | "subtract" | "average" | "maximum" | "minimum"):
            return True
        case Relu(slope=slope, threshold=threshold):
            return slope >= 0 and threshold >= 0
        case Quantize(quantizer=quantizer):
            return _rises(quantizer)
        case _:
            return False


def _rises(quantizer: Quantizer) -> bool:
    match quantizer:
        case QuantizedRelu(use_sigmoid=False, negative_slope=slope):
            return slope >= 0
        case QuantizedBits() | QuantizedLinear() | Binary() | Ternary():
            return True
        case QuantizedTanh(use_real_tanh=real) | QuantizedSigmoid(use_real_sigmoid=real):
            return not real
        case _:
            return False
