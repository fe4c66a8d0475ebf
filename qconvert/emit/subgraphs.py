"""Graphs that lie inside the nodes of others, as those of loops do."""

from collections.abc import Iterator

import onnx


def with_inner(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from with_inner(attribute.g)
