"""Linear layers, and means over windows, whose results nothing sees but one quantizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qconvert.emit.grids import rising
from qconvert.emit.requantization.means import is_mean
from qconvert.ir import Graph, Node, Op
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Dense,
    Pool,
    Quantize,
    Relu,
    Reshape,
    Scale,
    Transpose,
    UpSample,
)


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A linear op, a mean included, what is done to its results by channel, and the quantizer.

    ``moves`` only select elements, the largest of a window included, so that the quantizer may
    as well come before them.
    """

    linear: Node
    between: tuple[Node, ...]
    moves: tuple[Node, ...]
    end: Node

    @property
    def fused(self) -> tuple[str, ...]:
        """The values that nothing outside of the chain reads."""
        return (self.linear.name, *self.behind)

    @property
    def behind(self) -> tuple[str, ...]:
        """The same without those of the linear op."""
        return tuple(node.name for node in (*self.between, *self.moves))


def chains(graph: Graph) -> dict[str, Chain]:
    """All chains, by the name of the linear op."""
    readers = graph.readers
    seen = {output.value for output in graph.outputs}
    found: dict[str, Chain] = {}
    for node in graph.nodes:
        if isinstance(node.op, Conv | ConvTranspose | Dense) or is_mean(node.op):
            chain = _chain(node, readers, seen)
            if chain is not None:
                found[node.name] = chain
    return found


def _chain(linear: Node, readers: Mapping[str, Sequence[Node]], seen: set[str]) -> Chain | None:
    between: list[Node] = []
    moves: list[Node] = []
    node = linear
    while node.name not in seen and len(readers[node.name]) == 1:
        (node,) = readers[node.name]
        match node.op:
            case Quantize(quantizer=quantizer):
                known = rising(quantizer) is not None
                return Chain(linear, tuple(between), tuple(moves), node) if known else None
            case BatchNormalization() | Affine() | Scale() if not moves:
                # These may fall, and the largest of what falls is another.
                between.append(node)
            case Relu(slope=0.0, threshold=0.0):
                between.append(node)
            case op if _moves(op):
                moves.append(node)
            case _:
                return None
    return None


def _moves(op: Op) -> bool:
    match op:
        case Pool(kind="max") | Reshape() | Transpose() | UpSample():
            return True
        case _:
            return False
