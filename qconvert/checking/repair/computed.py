"""A graph as a repaired file computes it, for the reference."""

from collections.abc import Sequence
from dataclasses import replace

from qconvert.checking.repair.moves import Move, with_moves
from qconvert.ir import Graph, Layer
from qconvert.ir.ops import BatchNormalization
from qconvert.reference.normalization import constants


def with_program(graph: Graph, moves: Sequence[Move]) -> Graph:
    """*graph* with the constants of normalizations where *moves* bring them."""
    ops = {}
    for layer in graph.layers:
        op = normalization_of(graph, layer)
        if op is not None and any(move.layer == layer.name for move in moves):
            steps = with_moves(layer.name, constants(op), moves)
            ops[layer.value] = replace(op, program=tuple(array for _, array in steps))
    nodes = (replace(node, op=ops.get(node.name, node.op)) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes)) if ops else graph


def normalization_of(graph: Graph, layer: Layer) -> BatchNormalization | None:
    """What a layer computes that is a normalization and nothing else."""
    ops = [node.op for node in graph.by_layer[layer.name]]
    return ops[0] if len(ops) == 1 and isinstance(ops[0], BatchNormalization) else None
