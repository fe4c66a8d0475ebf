"""Linear layers, and means over windows, whose results nothing sees but one quantizer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qconvert.emit.grids import rising
from qconvert.emit.normalization import normalization
from qconvert.emit.requantization.means import is_mean
from qconvert.ir import Graph, Node, Op
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
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


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """Chains whose results are concatenated before one quantizer, at the end of each, reads all.

    Behind the concatenation are *moves*, and *behind*, which the chains have as well. A value that
    is no chain's stands by its name, if it may be one that the quantizer leaves as it is.
    """

    branches: tuple[Chain | str, ...]
    concat: Node
    moves: tuple[Node, ...]
    behind: tuple[Node, ...]
    end: Node

    @property
    def fused(self) -> frozenset[str]:
        """The values that nothing outside of it reads."""
        own = (node.name for node in (self.concat, *self.moves, *self.behind))
        return frozenset(own).union(*(x.fused for x in self.branches if isinstance(x, Chain)))


def chains(graph: Graph) -> dict[str, Chain]:
    """All chains, by the name of the linear op."""
    found = {node.name: _walk(graph, node) for node in graph.nodes if _begins(node.op)}
    return {
        name: Chain(graph.makers[name], walk.between, walk.moves, walk.reader)
        for name, walk in found.items()
        if walk is not None and _is_end(walk.reader, walk.moves)
    }


def joins(graph: Graph) -> list[Join]:
    """All concatenations of what convolutions return that one quantizer reads."""
    found = (_join(graph, node) for node in graph.nodes if isinstance(node.op, Concat))
    return [join for join in found if join is not None]


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
class _Walk:
    """What is done to a value by channel, and what moves it, before *reader* reads it."""

    between: tuple[Node, ...]
    moves: tuple[Node, ...]
    reader: Node


def _walk(graph: Graph, start: Node) -> _Walk | None:
    """From *start* as far as everything is part of a chain; ``None`` if no op alone is behind."""
    seen = {output.value for output in graph.outputs}
    between: list[Node] = []
    moves: list[Node] = []
    node = start
    while node.name not in seen and len(graph.readers[node.name]) == 1:
        (reader,) = graph.readers[node.name]
        match reader.op:
            case BatchNormalization() | Affine() | Scale() if _commutes(reader.op, moves):
                between.append(reader)
            case Relu(slope=0.0, threshold=0.0):
                between.append(reader)
            case op if node is start and isinstance(start.op, Conv) and is_mean(op):
                between.append(reader)
            case op if _moves(op):
                moves.append(reader)
            case _:
                return _Walk(tuple(between), tuple(moves), reader)
        node = reader
    return None


def _begins(op: Op) -> bool:
    return isinstance(op, Conv | ConvTranspose | Dense) or is_mean(op)


def _is_end(node: Node, moves: Sequence[Node]) -> bool:
    """Whether it is a quantizer that may come before *moves*, of which some add zeros."""
    if not isinstance(node.op, Quantize) or rising(node.op.quantizer) is None:
        return False
    zeros = np.zeros(1, np.float32)
    padded = any(isinstance(each.op, Pad) for each in moves)
    return not padded or not quantize_body(node.op.quantizer, zeros).any()


def _join(graph: Graph, concat: Node) -> Join | None:
    behind = _walk(graph, concat)
    if behind is None or not _is_end(behind.reader, behind.moves):
        return None
    start, branches = 0, list[Chain | str]()
    for name in concat.inputs:
        stop = start + (graph.shapes[name][-1] or 0)
        channels = slice(start, stop) if _is_by_channel(concat) else slice(None)
        own = [replace(node, op=_of_channels(node.op, channels)) for node in behind.between]
        branch = _branch(graph, name, concat, own, behind.reader)
        if branch is None and (own or name not in graph.makers):
            return None
        branches.append(branch or name)
        start = stop
    if not any(isinstance(branch, Chain) for branch in branches):
        return None
    return Join(tuple(branches), concat, behind.moves, behind.between, behind.reader)


def _is_by_channel(concat: Node) -> bool:
    return isinstance(concat.op, Concat) and concat.op.axis == len(concat.shape) - 1


def _of_channels(op: Op, channels: slice) -> Op:
    """What *op* does to these *channels*."""
    match op:
        case BatchNormalization(mean=mean, variance=variance, gamma=gamma, beta=beta):
            return replace(
                op,
                mean=mean[channels],
                variance=variance[channels],
                gamma=None if gamma is None else gamma[channels],
                beta=None if beta is None else beta[channels],
                program=op.program and tuple(each[channels] for each in op.program),
            )
        case Affine(factor=factor, offset=offset):
            numbers = [x[channels] if x is not None and x.size > 1 else x for x in (factor, offset)]
            return Affine(*numbers)
        case _:
            return op


def _branch(
    graph: Graph, name: str, concat: Node, behind: Sequence[Node], end: Node
) -> Chain | None:
    """The chain of which *concat* reads *name*, with what is *behind* and the *end*."""
    start = graph.makers.get(name)
    while start is not None and not _begins(start.op):
        start = graph.makers.get(start.inputs[0]) if len(start.inputs) == 1 else None
    walk = None if start is None or isinstance(start.op, Dense) else _walk(graph, start)
    if start is None or walk is None or walk.reader is not concat:
        return None
    commute = all(isinstance(x.op, Relu) or _commutes(x.op, walk.moves) for x in behind)
    if not commute or not _is_end(end, walk.moves):
        return None
    return Chain(start, (*walk.between, *behind), walk.moves, end)


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
        case Pad() | Reshape() | Slice() | Transpose() | UpSample():
            return True
        case _:
            return False
