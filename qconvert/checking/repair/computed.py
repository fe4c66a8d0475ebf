"""A graph as a repaired file computes it, for the reference."""

from collections.abc import Sequence
from dataclasses import replace

from qconvert.checking.deployed.stored import normalization_of
from qconvert.checking.repair.moves import Move, with_moves
from qconvert.ir import Graph
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
