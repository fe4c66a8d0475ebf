"""What a quantizer computes from values on lattices, element for element: its cone.

All that lies in a cone is a function of one integer a channel, or of two, so that all its
results can be tabulated, whatever batch normalization or function stands in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qconvert.exactness import Analysis, Certificate, Lattice, lattice_of
from qconvert.ir import Graph, Node, Op, Quantizer
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Elementwise,
    Merge,
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
from qconvert.ir.stock import Resize, WithConstant


@dataclass(frozen=True, slots=True, eq=False)
class Cone:
    """The quantizer *end* and the nodes before it that start at *sources*, in order.

    ``nodes`` are without those that move elements only, which ``moved`` names too. Where
    ``monotone`` every program's results rise or fall with each source, but for rounding.
    """

    end: Node
    sources: Mapping[str, Lattice]
    nodes: tuple[Node, ...]
    moved: frozenset[str]
    monotone: bool

    @property
    def names(self) -> frozenset[str]:
        """The values behind the sources."""
        return frozenset(node.name for node in self.nodes) | self.moved


def cones(graph: Graph, analysis: Analysis) -> Iterator[Cone]:
    """The cone of every quantizer that is not certified together with its whole cone."""
    producers = {node.name: node for node in graph.nodes}
    certified = {n for n, c in analysis.certificates.items() if isinstance(c, Certificate)}
    certified |= {source.name for source in graph.inputs}
    for node in graph.nodes:
        if isinstance(node.op, Quantize):
            cone = cone_of(node, analysis, producers)
            if cone is not None and not cone.names | cone.sources.keys() <= certified:
                yield cone


def cone_of(end: Node, analysis: Analysis, producers: Mapping[str, Node]) -> Cone | None:
    """What *end*, an operation that works element for element, computes from lattices."""
    channels = end.shape[-1]
    if channels is None or len(end.shape) < 2:
        return None
    sources: dict[str, Lattice] = {}
    inside: dict[str, Node] = {}
    pending = list(end.inputs)
    while pending:
        name = pending.pop()
        if name in sources or name in inside:
            continue
        node = producers.get(name)
        lattice = lattice_of(name, channels, analysis.values, producers)
        if lattice is not None and len(lattice.lo) == channels:
            sources[name] = lattice
        elif node is not None and node.shape[-1] == channels and _is_pointwise(node.op):
            inside[name] = node
            pending.extend(node.inputs)
        else:
            return None
    return _assembled(end, sources, inside, producers)


def _assembled(
    end: Node, sources: Mapping[str, Lattice], inside: Mapping[str, Node], order: Mapping[str, Node]
) -> Cone | None:
    nodes = [*(node for name, node in order.items() if name in inside), end]
    monotone = all(_is_monotone(node.op) for node in nodes)
    if not monotone and any(isinstance(node.op, Pool) for node in nodes):
        return None
    alias: dict[str, str] = {}
    kept: list[Node] = []
    for node in nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if _is_moved(node.op):
            alias[node.name] = inputs[0]
        else:
            kept.append(Node(node.name, node.op, inputs, node.shape))
    return Cone(end, sources, tuple(kept), frozenset(alias), monotone)


def _is_moved(op: Op) -> bool:
    """Whether each element of the result is one of the same channel, or the largest of some."""
    return isinstance(op, UpSample | Resize | Pool)


def _is_pointwise(op: Op) -> bool:
    match op:
        case Affine() | BatchNormalization() | Elementwise() | Relu() | Scale() | Merge():
            return True
        case Quantize() | UpSample() | Resize(kind="nearest") | Pool(kind="max"):
            return True
        case WithConstant(constant=constant):
            return constant.size in (1, constant.shape[-1] if constant.ndim else 1)
        case _:
            return False


def _is_monotone(op: Op) -> bool:
    match op:
        case Affine() | BatchNormalization() | Scale() | UpSample() | Resize() | Pool():
            return True
        case Merge(kind="add" | "subtract" | "average" | "maximum" | "minimum"):
            return True
        case Relu(slope=slope):
            return slope >= 0
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
