"""Graphs in which each layer reads the one before it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Shape, Weight, infer_shape

_NONE: Final[Mapping[str, Mapping[str, F32]]] = MappingProxyType({})


def chained(
    shape: Shape,
    steps: Sequence[tuple[str, Op]],
    weights: Mapping[str, Mapping[str, F32]] = _NONE,
) -> Graph:
    """From ``x`` of *shape* through *steps*, layers of these names, with *weights* by role."""
    source, name = Input("x", shape), "x"
    nodes: list[Node] = []
    for each, op in steps:
        shape = infer_shape(op, shape)
        nodes.append(Node(each, op, (name,), shape))
        name = each
    layers = tuple(
        Layer(
            node.name,
            "Layer",
            node.name,
            {role: Weight(a, a, None) for role, a in weights.get(node.name, {}).items()},
        )
        for node in nodes
    )
    return Graph("m", (source,), tuple(nodes), (Output(name, name),), layers)
