import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import WitnessError
from qconvert.ir import Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Opaque, Relu, Scale
from qconvert.runners import ReferenceRunner, Trace


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


def opaque_then_scale() -> Graph:
    shape = (None, 2)
    op = Opaque("Mystery", "tool 1", b"", (shape,), shape)
    return Graph(
        "g",
        (Input("x", shape),),
        (Node("m", op, ("x",), shape), Node("s", Scale(0.5), ("m",), shape)),
        (Output("m", "m"), Output("s", "s")),
        (Layer("m", "Mystery", "m"), Layer("s", "Rescaling", "s")),
    )


def test_opaque_layers_are_borrowed_and_computed_on_from() -> None:
    lent = Trace({"m": np.array([[4, 6]], np.float32)}, {})
    x = {"x": np.zeros((1, 2), np.float32)}
    trace = ReferenceRunner(opaque_then_scale(), lambda: lent).run(x)
    assert_array_equal(trace.layers["s"], np.array([[2, 3]], np.float32))
    assert trace.borrowed == {"m"}
    assert list(trace.outputs) == ["s"]


@pytest.mark.parametrize("lender", [None, lambda: Trace({}, {})])
def test_nobody_to_borrow_from_is_a_missing_witness(lender: object) -> None:
    runner = ReferenceRunner(opaque_then_scale(), lender)  # type: ignore[arg-type]
    with pytest.raises(WitnessError, match="TensorFlow"):
        runner.run({"x": np.zeros((1, 2), np.float32)})


def test_readers_of_a_forced_layer_get_the_forced_result() -> None:
    graph = Graph(
        "g",
        (Input("x", (None, 2)),),
        (Node("v0", Scale(0.5), ("x",), (None, 2)), Node("v1", Scale(4.0), ("v0",), (None, 2))),
        (Output("y", "v1"),),
        (Layer("half", "Rescaling", "v0"), Layer("four", "Rescaling", "v1")),
    )
    x = {"x": np.array([[-2, 6]], np.float32)}
    trace = ReferenceRunner(graph).run(x, {"half": np.array([[1, 2]], np.float32)})
    assert_array_equal(trace.layers["half"], np.array([[-1, 3]], np.float32))
    assert_array_equal(trace.layers["four"], np.array([[4, 8]], np.float32))
