"""Functions of Keras 3 on Keras tensors, and calls by the names of arguments."""

import contextlib
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import BadFileError, QConvertError, UnsupportedError
from qconvert.frontend import build_graph
from qconvert.frontend.layers.keras_ops import KERAS_OPS
from qconvert.ir import F32, Graph
from qconvert.ir.ops import (
    Concat,
    Elementwise,
    Function,
    Merge,
    Op,
    Pad,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
)
from qconvert.ir.stock import Divide, MatMul, Power, Resize, UnitNormalize
from qconvert.reference import evaluate

SHAPE = (2, 4)
SLICE = {"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": None}}
EVERYTHING = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}


def tensor(name: str) -> dict[str, Any]:
    history = {"shape": [None, *SHAPE], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": history}


X, Y = tensor("x"), tensor("y")


def function(class_name: str, *args: Any, kwargs: Any = None, **options: Any) -> dict[str, Any]:
    """A function as Keras 3 writes it: without the options of layers."""
    return {
        "class_name": class_name,
        "module": "keras.src.ops.numpy",
        "name": "f",
        "config": {"name": "f", **options},
        "inbound_nodes": [{"args": list(args), "kwargs": kwargs or {}}],
    }


def build(sketch: Any, layer: Any, *shape: int) -> Graph:
    """The graph of one call in a model of Keras 3 with the inputs x and y."""
    shape = shape or SHAPE
    sources = [sketch.source("x", *shape), sketch.source("y", *shape)]
    config = sketch.functional([*sources, layer], ["x", "y"], [layer["name"]])
    file = sketch.file(config)
    return build_graph(type(file)(file.path, None, file.sha256, "3.15.1", file.config, {}))


def ops(graph: Graph) -> list[Op]:
    return [node.op for node in graph.nodes]


MEANINGS = [
    (function("Absolute", X), [Scale(-1.0), Merge("maximum")]),
    (function("Add", X, Y), [Merge("add")]),
    (function("Cast", X, dtype="float32"), []),
    (function("Concatenate", [X, Y], axis=-1), [Concat(2)]),
    (function("Divide", X, Y), [Divide()]),
    (function("TrueDivide", X, Y), [Divide()]),
    (function("Elu", X, alpha=0.5), [Elementwise(Function.ELU, 0.5)]),
    (function("Exp", X), [Elementwise(Function.EXPONENTIAL)]),
    (function("ExpandDims", X, axis=1), [Reshape((1, 2, 4))]),
    (function("ExpandDims", X, axis=[-1, 1]), [Reshape((1, 2, 4, 1))]),
    (function("Flip", X, axis=1), [Slice((None, None), (None, None), (-1, 1))]),
    (function("Gelu", X, approximate=False), [Elementwise(Function.GELU)]),
    (function("HardSigmoid", X), [Elementwise(Function.HARD_SIGMOID_3)]),
    (function("LeakyRelu", X, negative_slope=0.25), [Relu(slope=0.25)]),
    (function("LeakyRelu", X), [Relu(slope=0.2)]),
    (function("Max", X, axis=1, keepdims=False, initial=None), [Reduce("max", (1,), False)]),
    (function("Mean", X, axis=[1, 2], keepdims=True), [Reduce("mean", (1, 2), True)]),
    (function("Min", X, axis=-1, keepdims=False, initial=None), [Reduce("min", (2,), False)]),
    (function("Moveaxis", X, source=1, destination=2), [Transpose((0, 2, 1))]),
    (function("Multiply", X, Y), [Merge("multiply")]),
    (function("Multiply", X, 0.1), [Scale(float(np.float32(0.1)))]),
    (function("Multiply", 3, X), [Scale(3.0)]),
    (function("Negative", X), [Scale(-1.0)]),
    (function("Normalize", X, axis=-1, order=2, epsilon=None), [UnitNormalize((2,), 1e-7**2)]),
    (function("Normalize", X, axis=1, order=2, epsilon=0.5), [UnitNormalize((1,), 0.25)]),
    (
        function(
            "Pad",
            X,
            kwargs={"constant_values": None},
            pad_width=[[0, 0], [1, 2], [0, 0]],
            mode="constant",
        ),
        [Pad(((1, 2), (0, 0)))],
    ),
    (function("Power", X, 2), [Power(2.0)]),
    (function("Relu", X), [Relu()]),
    (function("Relu6", X), [Relu(max_value=6.0)]),
    (function("Reshape", X, newshape=[-1, 8]), [Reshape((8,))]),
    (function("Selu", X), [Elementwise(Function.SELU)]),
    (function("Sigmoid", X), [Elementwise(Function.SIGMOID)]),
    (function("Silu", X), [Elementwise(Function.SWISH)]),
    (function("Softmax", X, axis=1), [Softmax(1)]),
    (function("Softplus", X), [Elementwise(Function.SOFTPLUS)]),
    (function("Softsign", X), [Elementwise(Function.SOFTSIGN)]),
    (function("Square", X), [Merge("multiply")]),
    (function("Stack", [X, Y], axis=1), [Reshape((1, 2, 4)), Reshape((1, 2, 4)), Concat(1)]),
    (function("Subtract", X, Y), [Merge("subtract")]),
    (function("Sum", X, axis=1, keepdims=False), [Reduce("sum", (1,), False)]),
    (function("Swapaxes", X, axis1=1, axis2=-1), [Transpose((0, 2, 1))]),
    (function("Tanh", X), [Elementwise(Function.TANH)]),
    (function("Transpose", X, axes=[0, 2, 1]), [Transpose((0, 2, 1))]),
    (
        function("GetItem", X, [{"class_name": "__ellipsis__", "config": {}}, SLICE]),
        [Slice((None, 1), (None, None), (1, 1))],
    ),
    (function("GetItem", X, [EVERYTHING, 0]), [Slice((0, None), (1, None), (1, 1), (1,))]),
]


@pytest.mark.parametrize(("layer", "expected"), MEANINGS, ids=lambda v: str(v)[:60])
def test_functions_are_told_from_layers_of_their_names(
    sketch: Any, layer: Any, expected: list[Op]
) -> None:
    assert ops(build(sketch, layer)) == expected


def test_functions_are_known_without_their_module(sketch: Any) -> None:
    layer = function("Add", X, Y)
    del layer["module"]
    assert ops(build(sketch, layer)) == [Merge("add")]


def test_every_function_has_a_case() -> None:
    elsewhere = {"Clip", "Matmul", "Maximum", "Minimum", "Resize", "Squeeze"}
    covered = {layer["class_name"] for layer, _ in MEANINGS} | elsewhere
    assert {name.removeprefix("keras.ops.") for name in KERAS_OPS} == covered


RESIZE = {
    "size": [4, 6],
    "interpolation": "bilinear",
    "antialias": False,
    "crop_to_aspect_ratio": False,
    "pad_to_aspect_ratio": False,
    "fill_mode": "constant",
    "fill_value": 0.0,
    "data_format": None,
}


def test_other_shapes(sketch: Any) -> None:
    assert ops(build(sketch, function("Matmul", X, Y), 3, 3)) == [MatMul()]
    graph = build(sketch, function("Resize", X, **RESIZE), 2, 3, 5)
    assert ops(graph) == [Resize((2, 3), (4, 6), "bilinear")]
    graph = build(sketch, function("Squeeze", X, axis=[1, -1]), 1, 3, 1)
    assert ops(graph) == [Slice((None,) * 3, (None,) * 3, (1,) * 3, (1, 3))]


ARRAY = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0, 4.0, 8.0], "dtype": "float32"}}
#: With what is computed on x, whose rows are 1 to 4 and 5 to 8.
CONSTANTS = [
    (function("Add", X, 0.5), lambda x: x + 0.5),
    (function("Subtract", X, ARRAY), lambda x: x - [1, 2, 4, 8]),
    (function("Subtract", 0.5, X), lambda x: 0.5 - x),
    (function("Divide", ARRAY, X), lambda x: np.array([1, 2, 4, 8], np.float32) / x),
    (function("TrueDivide", X, {**ARRAY, "class_name": "__tensor__"}), lambda x: x / [1, 2, 4, 8]),
    (function("Maximum", X, 3), lambda x: np.maximum(x, 3)),
    (function("Minimum", 3, X), lambda x: np.minimum(x, 3)),
    (function("Clip", X, x_min=2, x_max=6), lambda x: np.clip(x, 2, 6)),
]


@pytest.mark.parametrize(("layer", "expected"), CONSTANTS)
def test_constants_on_either_side(sketch: Any, layer: Any, expected: Any) -> None:
    graph = build(sketch, layer)
    x: F32 = np.arange(1, 9, dtype=np.float32).reshape(1, 2, 4)
    y = evaluate(graph, {"x": x, "y": x})[graph.outputs[0].value]
    assert_array_equal(y, expected(x).astype(np.float32))


REFUSED = [
    (function("Where", X, X, Y), r"keras\.ops\.Where are not supported"),
    (function("Power", 2.0, X), "of a constant"),
    (function("Power", X, Y), "exponent"),
    (function("Matmul", X, ARRAY), "with a constant"),
    (function("Max", X, axis=1, keepdims=False, initial=0.0), "initial"),
    (function("Mean", X, axis=None, keepdims=False), "the batch included"),
    (function("Flip", X, axis=None), "the batch included"),
    (function("Softmax", X, axis=None), "the batch included"),
    (function("Normalize", X, axis=-1, order=1, epsilon=None), "order=1"),
    (function("Gelu", X, approximate=True), "approximate"),
    (function("Multiply", X, {"class_name": "__numpy__", "config": {}}), "constant"),
    (function("Relu", X, kwargs={"name": "g", "extra": 1}), "extra"),
    (function("Reshape", X, newshape=[2, -1]), "reshape"),
    (function("Transpose", X, axes=None), "perm=None"),
]


@pytest.mark.parametrize(("layer", "reason"), REFUSED)
def test_what_is_not_known_is_refused(sketch: Any, layer: Any, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        build(sketch, layer)


@pytest.mark.parametrize(("length", "refused"), [(4, True), (3, False)])
def test_a_column_that_keras_adds_as_a_row_is_refused(
    sketch: Any, length: int, refused: bool
) -> None:
    """``keras.ops.add`` looks for its length in the last axis first."""
    rows = [[float(i)] for i in range(length)]
    column = {"class_name": "__numpy__", "config": {"value": rows, "dtype": "float32"}}
    if not refused:
        assert build(sketch, function("Add", X, column), length, 4).shapes["f"] == (None, 3, 4)
        return
    with pytest.raises(UnsupportedError, match="along another axis"):
        build(sketch, function("Add", X, column), length, 4)


@pytest.mark.parametrize("options", [{}, {"axis": "last"}, {"x_min": None}, {"source": [1, 1]}])
@pytest.mark.parametrize("name", sorted(KERAS_OPS))
def test_strange_options_are_errors_of_ours_or_nothing(
    sketch: Any, name: str, options: dict[str, Any]
) -> None:
    with contextlib.suppress(QConvertError):
        build(sketch, function(name.removeprefix("keras.ops."), X, **options))


def dense(sketch: Any, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    layer = sketch.entry("Activation", "f", activation="relu")
    return {**layer, "inbound_nodes": [{"args": args, "kwargs": kwargs}]}


def test_a_layer_is_called_by_the_name_of_its_argument(sketch: Any) -> None:
    graph = build(sketch, dense(sketch, [], {"inputs": X, "training": False}))
    assert ops(graph) == [Relu()]
    with pytest.raises(BadFileError, match="called in an unknown way"):
        build(sketch, dense(sketch, [], {"other": X}))
