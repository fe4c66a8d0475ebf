"""Convolutions whose windows a file gathers: each weight has to meet the place that is its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import onnx
import pytest

from qconvert.checking.deployed.by_layer import kernels_by_layer
from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import inspect_deployed
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.redrawn import drawn_otherwise
from qconvert.checking.deployed.stored import stored_weights
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Layer, Node, Output, Weight, infer_shape
from qconvert.ir.ops import Conv, Padding, Pool, Quantize
from qconvert.ir.quantizers import QuantizedBits
from qconvert.runners.ort import OrtRunner

from .deployed_models import Array, Edit, change, node

KEY: Final = "conv", "kernel"
AROUND: Final = ((1, 1), (1, 0))
#: No grid of 8 bits holds all channels, so that each has a step of its own.
BY_CHANNEL: Final = np.ldexp(np.float32(1), -np.arange(32) % 12)


def graph_of(
    window: Sequence[int] = (3, 2),
    strides: tuple[int, ...] = (2, 1),
    dilations: tuple[int, ...] = (1, 2),
    padding: Padding = AROUND,
    steps: F32 | None = None,
    outputs: int = 32,
    alpha: float = 1.0,
) -> Graph:
    """A quantizer with zero point 128, and a convolution with a bias that is the result."""
    drawn = np.random.default_rng(0).integers(-20, 20, (*window, 32, outputs), endpoint=True)
    kernel = (drawn / 64).astype(np.float32)
    kernel = kernel if steps is None else (kernel * steps).astype(np.float32)
    bias = (np.arange(outputs) / 8).astype(np.float32)
    conv = Conv(kernel, bias, strides, dilations, padding)
    shape = (None, *(6, 7, 4)[: len(window)], 32)
    nodes = (
        Node("q", Quantize(QuantizedBits(8, 1, alpha=alpha)), ("x",), shape),
        Node("conv", conv, ("q",), infer_shape(conv, shape)),
    )
    weights = {"kernel": Weight(kernel, kernel, None), "bias": Weight(bias, bias, None)}
    layers = (Layer("q", "Layer", "q"), Layer("conv", "Layer", "conv", weights))
    return Graph("m", (Input("x", shape),), nodes, (Output("conv", "conv"),), layers)


GRAPHS: Final = {
    "strides and dilations": graph_of(),
    "steps of channels": graph_of(steps=BY_CHANNEL),
    # Which the file has as those of another step, times a power of two.
    "stretched codes": graph_of(alpha=4.0),
    "valid": graph_of((3, 3), (1, 1), (1, 1), ((0, 0), (0, 0))),
    "one": graph_of((1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), outputs=128),
    "one in two": graph_of((1, 1), (2, 2), (1, 1), ((0, 0), (0, 0)), outputs=128),
    "one padded": graph_of((1, 1), (1, 1), (1, 1), AROUND, outputs=128),
    "one axis": graph_of((3,), (1,), (1,), ((2, 0),)),
    "three axes": graph_of((2, 2, 2), (1, 2, 1), (1, 1, 1), ((0, 1), (1, 0), (1, 1))),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_all_weights_are_found(kind: str) -> None:
    graph = GRAPHS[kind]
    model = to_onnx(graph)
    assert "MatMulInteger" in {each.op_type for each in model.graph.node}
    found = stored_weights(Conversion(graph, model))
    weights = graph.layers[1].weights
    assert set(found) == {("conv", role) for role in weights}
    for role, weight in weights.items():
        np.testing.assert_array_equal(found["conv", role], weight.effective)
    assert not drawn_otherwise(Conversion(graph, model))


def test_nothing_is_violated_where_it_runs() -> None:
    model = to_onnx(graph_of())
    found = inspect_deployed(LayeredFile(model), OrtRunner(model).optimized())
    assert found.violations == () and found.conditions == ()
    assert found.kernels["conv"] == ("com.microsoft.MatMulIntegerToFloat",)


def only(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    found: onnx.NodeProto
    (found,) = (each for each in model.graph.node if each.op_type == kind)
    return found


def rows(*place: int, by: int = 1) -> Edit:
    """A number of the table of rows that is another one."""

    def edit(model: onnx.ModelProto) -> None:
        def moved(array: Array) -> Array:
            array = array.copy()
            array[place] += by
            return array

        change(model, node(model, "conv/Add").input[0], moved)

    return edit


def columns_turned(model: onnx.ModelProto) -> None:
    """The columns of each window from the last to the first."""
    change(model, node(model, "conv/Add").input[1], lambda array: array[..., ::-1].copy())


def filled(code: int) -> Edit:
    """Padding with another code than that of 0."""

    def edit(model: onnx.ModelProto) -> None:
        other = onnx.numpy_helper.from_array(np.array(code, np.uint8), "other")
        model.graph.initializer.append(other)
        only(model, "Pad").input[2] = "other"

    return edit


def unfilled(model: onnx.ModelProto) -> None:
    """Padding with the code 0, which is not that of 0 here."""
    del only(model, "Pad").input[2:]


def padded_behind(model: onnx.ModelProto) -> None:
    """As much padding, all of it at the ends."""
    change(model, only(model, "Pad").input[1], lambda _: np.array([0, 0, 0, 0, 0, 2, 1, 0]))


@pytest.mark.parametrize(
    ("edit", "wrong"),
    [
        (rows(1, 0, 0, 0), {(0, 0), (0, 1)}),
        (rows(-1, 0, 2, 0), {(2, 0), (2, 1)}),
        (rows(0, 0, 0, 0, by=0), set()),
        (columns_turned, {(y, x) for y in range(3) for x in range(2)}),
        # What never meets padding is right.
        (filled(127), {(0, 0), (0, 1), (1, 0), (2, 0)}),
        (unfilled, {(0, 0), (0, 1), (1, 0), (2, 0)}),
        (padded_behind, {(y, x) for y in range(3) for x in range(2)}),
    ],
)
def test_weights_that_meet_another_place_are_wrong(edit: Edit, wrong: set[tuple[int, int]]) -> None:
    graph = graph_of()
    model = to_onnx(graph)
    edit(model)
    found = stored_weights(Conversion(graph, model))[KEY]
    lost = np.isnan(found)
    assert {tuple(place) for place in np.argwhere(lost.any(axis=(2, 3))).tolist()} == wrong
    np.testing.assert_array_equal(found[~lost], graph.layers[1].weights["kernel"].effective[~lost])
    assert bool(drawn_otherwise(Conversion(graph, model))) == bool(wrong)


def test_a_product_behind_a_pool_is_not_the_pools() -> None:
    """Nothing is drawn between both where ONNX Runtime has no channels in front."""
    once = GRAPHS["one"]
    q, conv = once.nodes
    pool = Pool("max", (2, 2), (1, 1), ((0, 0), (0, 0)))
    pooled = infer_shape(pool, q.shape)
    behind = replace(conv, inputs=("pool",), shape=infer_shape(conv.op, pooled))
    nodes = (q, Node("pool", pool, ("q",), pooled), behind)
    layers = tuple(Layer(node.name, "Layer", node.name) for node in nodes)
    model = to_onnx(replace(once, nodes=nodes, layers=layers))
    made = OrtRunner(model).optimized()
    found = {each.layer: each.operators for each in kernels_by_layer(model, made)}
    assert found["pool"] == ("com.microsoft.NhwcMaxPool",)
    assert found["conv"] == ("com.microsoft.MatMulIntegerToFloat",)
