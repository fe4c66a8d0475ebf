import numpy as np
from numpy.testing import assert_array_equal

from qconvert.ir import Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Relu, Scale
from qconvert.runners import ReferenceRunner


def test_results_are_named_by_layers_and_outputs() -> None:
    graph = Graph(
        "g",
        (Input("x", (None, 2)),),
        (Node("v0", Scale(0.5), ("x",), (None, 2)), Node("v1", Relu(), ("v0",), (None, 2))),
        (Output("act", "v1"),),
        (Layer("scale", "Rescaling", "v0"), Layer("act", "ReLU", "v1")),
    )
    trace = ReferenceRunner(graph).run({"x": np.array([[-2, 6]], np.float32)})
    assert_array_equal(trace.layers["scale"], np.array([[-1, 3]], np.float32))
    assert_array_equal(trace.layers["act"], np.array([[0, 3]], np.float32))
    assert list(trace.outputs) == ["act"]
    assert_array_equal(trace.outputs["act"], trace.layers["act"])
