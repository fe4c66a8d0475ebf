"""Weights of convolutions that sum integers, and the scale that makes numbers of the sums."""

from collections.abc import Callable
from typing import Final

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import inspect_deployed
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.stored import stored_weights
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Layer, Node, Output, Weight
from qconvert.ir.ops import Conv, Quantize
from qconvert.ir.quantizers import QuantizedBits
from qconvert.runners.ort import OrtRunner

from .deployed_models import Array, Edit, change, constant, node

KEY: Final = "conv", "kernel"
SHAPE: Final = (None, 16, 16, 32)
#: No grid of 8 bits holds all channels, so that each has a scale of its own.
BY_CHANNEL: Final = np.ldexp(np.float32(1), -np.arange(16) % 12)


def drawn(*shape: int) -> F32:
    whole = np.random.default_rng(0).integers(-7, 7, shape, endpoint=True)
    return (whole / 8).astype(np.float32)


def graph_of(steps: F32) -> Graph:
    """A quantizer with zero point 128, and a convolution that is the result."""
    kernel, bias = (drawn(3, 3, 32, 16) * steps).astype(np.float32), drawn(16)
    conv = Conv(kernel, bias, (1, 1), (1, 1), ((1, 1), (1, 1)))
    nodes = (
        Node("q", Quantize(QuantizedBits(4, 1, alpha=1.0)), ("x",), SHAPE),
        Node("conv", conv, ("q",), (None, 16, 16, 16)),
    )
    weights = {"kernel": Weight(kernel, kernel, None), "bias": Weight(bias, bias, None)}
    layers = (Layer("q", "Layer", "q"), Layer("conv", "Layer", "conv", weights))
    return Graph("m", (Input("x", SHAPE),), nodes, (Output("conv", "conv"),), layers)


@pytest.mark.parametrize("quantized_io", [False, True])
@pytest.mark.parametrize("steps", [np.ones(16, np.float32), BY_CHANNEL])
def test_all_weights_are_found(steps: F32, quantized_io: bool) -> None:
    graph = graph_of(steps)
    model = to_onnx(graph, quantized_io=quantized_io)
    assert "ConvInteger" in {each.op_type for each in model.graph.node}
    found = stored_weights(Conversion(graph, model))
    weights = graph.layers[1].weights
    assert set(found) == {("conv", role) for role in weights}
    for role, weight in weights.items():
        np.testing.assert_array_equal(found["conv", role], weight.effective)


def raw(model: onnx.ModelProto) -> onnx.NodeProto:
    return node(model, "conv/ConvInteger")


def replaced(place: int, by: Callable[[Array], Array]) -> Edit:
    """Another constant, for what is shared."""

    def edit(model: onnx.ModelProto) -> None:
        read = raw(model).input
        array = by(onnx.numpy_helper.to_array(constant(model, read[place])))
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, "other"))
        read[place] = "other"

    return edit


def scaled(by: Callable[[Array], Array]) -> Edit:
    return lambda model: change(model, node(model, "conv/Mul").input[1], by)


def cast(model: onnx.ModelProto) -> None:
    """To float16, and back."""
    made = node(model, "conv/Cast")
    del made.attribute[:]
    made.attribute.append(helper.make_attribute("to", TensorProto.FLOAT16))
    place = list(model.graph.node).index(made) + 1
    back = helper.make_node("Cast", [made.output[0]], ["back"], to=TensorProto.FLOAT)
    model.graph.node.insert(place, back)
    node(model, "conv/Mul").input[0] = "back"


def read_twice(model: onnx.ModelProto) -> None:
    """Sums that another operator reads before they are numbers."""
    made = raw(model)
    place = list(model.graph.node).index(made) + 1
    other = helper.make_node("Cast", [made.output[0]], ["codes"], to=TensorProto.FLOAT)
    model.graph.node.insert(place, other)
    model.graph.output.append(helper.make_tensor_value_info("codes", TensorProto.FLOAT, None))


def along_the_rows(scales: Array) -> Array:
    """As many numbers on another axis."""
    return scales.reshape(1, -1, 1)


@pytest.mark.parametrize(
    "edit",
    [
        replaced(3, lambda zero: zero - np.uint8(1)),
        replaced(1, lambda codes: codes[::-1].copy()),
        scaled(lambda scales: scales * np.float32(2)),
        scaled(lambda scales: scales[::-1].copy()),
        scaled(lambda scales: (scales.view(np.int32) + 1).view(np.float32)),
    ],
)
def test_other_numbers_are_other_weights(edit: Edit) -> None:
    graph = graph_of(BY_CHANNEL)
    model = to_onnx(graph)
    edit(model)
    effective = graph.layers[1].weights["kernel"].effective
    assert not np.array_equal(stored_weights(Conversion(graph, model))[KEY], effective)


@pytest.mark.parametrize(
    "edit",
    [replaced(2, lambda zero: zero - np.uint8(1)), scaled(along_the_rows), cast, read_twice],
)
def test_what_is_something_else_has_no_weights(edit: Edit) -> None:
    graph = graph_of(BY_CHANNEL)
    model = to_onnx(graph)
    edit(model)
    assert KEY not in stored_weights(Conversion(graph, model))


def test_a_scale_that_the_file_has_not_is_a_violation() -> None:
    model = to_onnx(graph_of(BY_CHANNEL))
    made = OrtRunner(model).optimized()
    assert inspect_deployed(LayeredFile(model), made).violations == ()
    (product,) = (each for each in made.graph.node if each.op_type == "Mul")
    (scales,) = (name for name in product.input if name in {t.name for t in made.graph.initializer})
    change(made, scales, lambda array: array * np.float32(2))
    (found,) = inspect_deployed(LayeredFile(model), made).violations[:1]
    assert "has weights that the file has not" in found.text and found.layers == {"conv"}
