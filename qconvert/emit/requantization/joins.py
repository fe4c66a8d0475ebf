"""Chains that are concatenated before their quantizer, which may as well round in each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qconvert.emit.requantization.chains import Chain, commutes, is_end, walk_from
from qconvert.ir import Graph, Node, Op
from qconvert.ir.ops import Affine, BatchNormalization, Concat, Conv, ConvTranspose, Relu


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
        chains = (branch.fused for branch in self.branches if isinstance(branch, Chain))
        return self.behind_branches.union(*chains)

    @property
    def behind_branches(self) -> frozenset[str]:
        """The same without those of the branches."""
        return frozenset(node.name for node in (self.concat, *self.moves, *self.behind))


def joins(graph: Graph) -> list[Join]:
    """All concatenations of what convolutions return that one quantizer reads."""
    found = (_join(graph, node) for node in graph.nodes if isinstance(node.op, Concat))
    return [join for join in found if join is not None]


def _join(graph: Graph, concat: Node) -> Join | None:
    behind = walk_from(graph, concat)
    if behind is None or not is_end(behind.reader, behind.moves):
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
    while start is not None and not _may_be_joined(start.op):
        alone = len(start.inputs) == len(graph.readers[start.inputs[0]]) == 1
        start = graph.makers.get(start.inputs[0]) if alone else None
    walk = None if start is None else walk_from(graph, start)
    if start is None or walk is None or walk.reader is not concat:
        return None
    commute = all(isinstance(x.op, Relu) or commutes(x.op, walk.moves) for x in behind)
    if not commute or not is_end(end, walk.moves):
        return None
    return Chain(start, (*walk.between, *behind), walk.moves, end)


def _may_be_joined(op: Op) -> bool:
    """Whether it is a kernel by channel, whose numbers a check finds by its weights."""
    return isinstance(op, Conv | ConvTranspose)
