"""Quantizers that run at every step of a loop, where a scale of the batch cannot be frozen."""

from qconvert.frontend.call import Parsed
from qconvert.frontend.problems import Unsupported
from qconvert.ir.graph import Node, is_of_batch
from qconvert.ir.ops import Op, Recurrence
from qconvert.ir.stock import FoldTime


def refuse_repeated_scales(parsed: Parsed) -> None:
    """Raise `Unsupported` if a layer computes a scale of its own at every step."""
    nodes = parsed.graph.nodes if parsed.graph else ()
    ops = (*parsed.ops, *(node.op for node in nodes))
    # TimeDistributed calls its layer step by step, if that is not one of Keras's own.
    in_time = any(isinstance(op, FoldTime) for op in ops)
    if (in_time and any(map(is_of_batch, ops))) or any(map(_repeats, ops)):
        raise Unsupported(
            "alpha='auto*' computes a scale at every step, which cannot be frozen", code="QC406"
        )


def _repeats(op: Op) -> bool:
    if not isinstance(op, Recurrence):
        return False
    inside: tuple[Node, ...] = op.body.nodes
    return any(is_of_batch(node.op) for node in inside)
