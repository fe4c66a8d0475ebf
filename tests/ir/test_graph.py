"""What can be asked of a graph."""

from qconvert.ir import Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Relu

NAMES = ("a", "a:b", "a:b:c", "ab", "c@1:x", "d:")


def test_layers_have_the_nodes_that_are_called_like_them() -> None:
    """Also where a layer is called like another one's node."""
    nodes = tuple(Node(name, Relu(), ("x",), (None, 2)) for name in NAMES)
    layers = tuple(Layer(name, "ReLU", NAMES[0]) for name in ("a", "a:b", "c@1", "d", "none"))
    graph = Graph("m", (Input("x", (None, 2)),), nodes, (Output("y", "a"),), layers)
    found = graph.by_layer
    assert found == {
        x.name: [y for y in nodes if y.name == x.name or y.name.startswith(f"{x.name}:")]
        for x in layers
    }
    assert [node.name for node in found["a"]] == ["a", "a:b", "a:b:c"]
    assert found["none"] == []
