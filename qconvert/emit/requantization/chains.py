"""Linear layers, and means over windows, whose results nothing sees but one quantizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qconvert.emit.grids import rising
from qconvert.emit.normalization import normalization
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
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Transpose,
    UpSample,
)


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A linear op, a mean included, what is done to its results by channel, and the quantizer.

    The first ``between`` them may be a mean over windows of a convolution's results. ``moves`` only
    select elements, the largest of a window included, so that the quantizer, and all ``between``
    that the graph has behind them, may as well come before them.
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

    @property
    def mean(self) -> Node | None:
        """The mean over windows of what its linear op returns."""
        first = next(iter(self.between), None)
        return first if first is not None and isinstance(first.op, Pool) else None

    @property
    def in_order(self) -> bool:
        """Whether the graph, too, has nothing but the quantizer behind the movements."""
        last = (self.linear, *self.between)[-1]
        return not self.moves or self.moves[0].inputs == (last.name,)


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


def means_for_products(graph: Graph) -> set[str]:
    """The means over windows that a linear op multiplies, though no quantizer is in between."""
    multiplied: set[str] = set()
    for node in reversed(graph.nodes):
        if isinstance(node.op, Conv | ConvTranspose | Dense) or (
            node.name in multiplied and (_moves(node.op) or is_mean(node.op))
        ):
            multiplied.update(node.inputs)
    return {node.name for node in graph.nodes if is_mean(node.op)} & multiplied


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
            case BatchNormalization() | Affine() | Scale() if _commutes(node.op, moves):
                between.append(node)
            case Relu(slope=0.0, threshold=0.0):
                between.append(node)
            case op if (
                node.inputs == (linear.name,) and isinstance(linear.op, Conv) and is_mean(op)
            ):
                between.append(node)
            case op if _moves(op):
                moves.append(node)
            case _:
                return None
    return None


def _commutes(op: Op, moves: Sequence[Node]) -> bool:
    """Whether *op*, which has a factor and an addend by channel, may come before *moves*.

    The largest of what falls is another, and what is reshaped may have other channels.
    """
    return not moves or (all(isinstance(x.op, Pool) for x in moves) and _never_falls(op))


def _never_falls(op: Op) -> bool:
    """Whether no channel's factor is negative: rounding keeps the order, too."""
    match op:
        case BatchNormalization():
            steps = normalization(op)
            factors = [steps.factor, steps.gamma]
        case Affine(factor=factor):
            factors = [factor]
        case Scale(factor=number):
            factors = [np.asarray(number, np.float32)]
        case _:
            return False
    return all(factor is None or np.all(factor >= 0) for factor in factors)


def _moves(op: Op) -> bool:
    match op:
        case Pool(kind="max") | Reduce(kind="max"):
            return True
        case Reshape() | Slice() | Transpose() | UpSample():
            return True
        case _:
            return False
