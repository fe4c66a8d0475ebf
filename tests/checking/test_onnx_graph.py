"""What it takes to go through the graph of an ONNX file."""

from itertools import pairwise

import pytest
from onnx import NodeProto, helper

from qconvert.checking.deployed.onnx_graph import OnnxGraph


class Asked(dict[str, NodeProto]):
    """Counts how often a tensor is looked for."""

    times = 0

    def get(self, key: str, default: NodeProto | None = None) -> NodeProto | None:  # type: ignore[override]
        self.times += 1
        return super().get(key, default)


def test_operators_are_gone_through_once_whatever_they_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once for each of 20 outputs, a chain of 10 would ask for 20 times as many tensors."""
    tensors = [["x"], *([f"{i}_{k}" for k in range(20)] for i in range(10)), ["y"]]
    nodes = [helper.make_node("Any", taken, made) for taken, made in pairwise(tensors)]
    graph = OnnxGraph(helper.make_graph(nodes, "graph", [], []))
    makers = Asked({name: node for node in graph.nodes for name in node.output})
    monkeypatch.setattr(graph, "_makers", makers)
    assert graph.cone(["y"], set()) == nodes
    assert makers.times == 1 + sum(len(node.input) for node in nodes)
