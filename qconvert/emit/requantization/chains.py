"""Linear layers, and means over windows, whose results nothing sees but one quantizer."""

from collections.abc import Sequence
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
    Pad,
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
from qconvert.numerics import quantize_body


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
    found = {node.name: walk_from(graph, node) for node in graph.nodes if _begins(node.op)}
    return {
        name: Chain(graph.makers[name], walk.between, walk.moves, walk.reader)
        for name, walk in found.items()
        if walk is not None and is_end(walk.reader, walk.moves)
    }


def means_for_products(graph: Graph) -> set[str]:
    """The means over windows that a linear op multiplies, though no quantizer is in between."""
    multiplied: set[str] = set()
    for node in reversed(graph.nodes):
        if isinstance(node.op, Conv | ConvTranspose | Dense) or (
            node.name in multiplied and (_moves(node.op) or is_mean(node.op))
        ):
            multiplied.update(node.inputs)
    return {node.name for node in graph.nodes if is_mean(node.op)} & multiplied


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """What is done to a value by channel, and what moves it, before *reader* reads it."""

    between: tuple[Node, ...]
    moves: tuple[Node, ...]
    reader: Node


def walk_from(graph: Graph, start: Node) -> Walk | None:
    """From *start* as far as everything is part of a chain; ``None`` if no op alone is behind."""
    between: list[Node] = []
    moves: list[Node] = []
    node = start
    while node.name not in graph.returned and len(graph.readers[node.name]) == 1:
        (reader,) = graph.readers[node.name]
        match reader.op:
            case BatchNormalization() | Affine() | Scale() if commutes(reader.op, moves):
                between.append(reader)
            case Relu(slope=0.0, threshold=0.0):
                between.append(reader)
            case op if node is start and isinstance(start.op, Conv) and is_mean(op):
                between.append(reader)
            case op if _moves(op):
                moves.append(reader)
            case _:
                return Walk(tuple(between), tuple(moves), reader)
        node = reader
    return None


def _begins(op: Op) -> bool:
    return isinstance(op, Conv | ConvTranspose | Dense) or is_mean(op)


def is_end(node: Node, moves: Sequence[Node]) -> bool:
    """Whether it is a quantizer that may come before *moves*, of which some add zeros."""
    if not isinstance(node.op, Quantize) or rising(node.op.quantizer) is None:
        return False
    zeros = np.zeros(1, np.float32)
    padded = any(isinstance(each.op, Pad) for each in moves)
    return not padded or not quantize_body(node.op.quantizer, zeros).any()


def commutes(op: Op, moves: Sequence[Node]) -> bool:
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
        case Pad() | Reshape() | Slice() | Transpose() | UpSample():
            return True
        case _:
            return False
