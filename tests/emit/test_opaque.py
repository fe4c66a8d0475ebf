"""Fragments of another converter, spliced in."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.testing import assert_array_equal
from onnx import helper, numpy_helper

from qconvert.emit import to_onnx
from qconvert.errors import UsageError
from qconvert.ir import F32
from qconvert.ir.ops import Conv, Opaque, Quantize
from qconvert.ir.quantizers import QuantizedBits

#: Products with six bits and their sums are exact, but eight bits do not hold these.
KERNEL = np.array([[1229, -5120], [2867, 10241], [4507, -409]], np.float32) / np.float32(4096)


def fragment(nodes: list[onnx.NodeProto], *inputs: str, output: str = "y") -> bytes:
    """A model of opset 13 whose initializers are in no order of use."""
    tensors = {
        "w": numpy_helper.from_array(KERNEL, "w"),
        "axes": numpy_helper.from_array(np.array([2, 1], np.int64), "axes"),
    }
    used = {name for node in nodes for name in node.input}
    values = [helper.make_tensor_value_info(name, 1, None) for name in inputs]
    graph = helper.make_graph(
        nodes,
        "fragment",
        values,
        [helper.make_tensor_value_info(output, 1, None)],
        [tensor for name, tensor in tensors.items() if name in used],
    )
    opsets = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())


def matmul() -> Opaque:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    shape = (None, 4, 3), (None, 4, 2)
    return Opaque("Mystery", "tool 1", fragment(nodes, "x"), shape[:1], shape[1])


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("opset", [13, 21, 26])
def test_float_weights_behind_codes_stay_floats(
    make: Callable[..., object], run: Callable[..., object], dialect: str, opset: int
) -> None:
    """The fixture compares the deployed run, in which they would be quantized."""
    steps = [("q", Quantize(QuantizedBits(6, 1, alpha=1.0)), ["x"]), ("y", matmul(), ["q"])]
    whole = np.random.default_rng(0).integers(-40, 40, (7, 4, 3)).astype(np.float32)
    x = whole / np.float32(16)
    ran = run(make({"x": (4, 3)}, steps), x, dialect=dialect, opset=opset)
    codes = np.clip(np.rint(x * 16), -32, 31) / np.float32(16)
    assert_array_equal(ran.plain[0], codes @ KERNEL)  # type: ignore[attr-defined]


def test_nodes_with_several_outputs_are_there_once(
    make: Callable[..., object], run: Callable[..., object]
) -> None:
    nodes = [
        helper.make_node("Split", ["x", "axes"], ["a", "b"], axis=1),
        helper.make_node("Concat", ["b", "a"], ["y"], axis=1),
    ]
    op = Opaque("Mystery", "tool 1", fragment(nodes, "x"), ((None, 3),), (None, 3))
    x = np.array([[1, 2, 3]], np.float32)
    ran = run(make({"x": (3,)}, [("one", op, ["x"]), ("two", op, ["one"])]), x)
    assert_array_equal(ran.plain[0], np.array([[2, 3, 1]], np.float32))  # type: ignore[attr-defined]


def test_inputs_keep_their_order_and_keras_layout(
    make: Callable[..., object], run: Callable[..., object]
) -> None:
    nodes = [helper.make_node("Sub", ["x0", "x1"], ["y"])]
    shape = (None, 4, 5, 2)
    op = Opaque("Mystery", "tool 1", fragment(nodes, "x0", "x1"), (shape, shape), shape)
    eye = np.eye(2, dtype=np.float32).reshape(1, 1, 2, 2)
    conv = Conv(2 * eye, None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    x: F32 = np.arange(40, dtype=np.float32).reshape(1, 4, 5, 2)
    ran = run(make({"x": (4, 5, 2)}, [("c", conv, ["x"]), ("y", op, ["x", "c"])]), x)
    assert_array_equal(ran.plain[0], -x)  # type: ignore[attr-defined]


def test_the_order_of_a_converter_does_not_show(make: Callable[..., object]) -> None:
    first = helper.make_node("Relu", ["x"], ["a"])
    second = helper.make_node("Neg", ["x"], ["b"])
    last = helper.make_node("Add", ["a", "b"], ["y"])
    models = [
        to_onnx(make({"x": (3,)}, [("y", op, ["x"])]))  # type: ignore[arg-type]
        for nodes in ([first, second, last], [second, first, last])
        for op in [Opaque("M", "t", fragment(nodes, "x"), ((None, 3),), (None, 3))]
    ]
    assert models[0] == models[1]


def test_a_fragment_that_no_opset_takes_is_told(make: Callable[..., object]) -> None:
    nodes = [helper.make_node("Bucketize", ["x"], ["y"])]
    op = Opaque("Mystery", "tool 1", fragment(nodes, "x"), ((None, 3),), (None, 3))
    with pytest.raises(UsageError, match="Mystery of tool 1 cannot be brought to opset 21"):
        to_onnx(make({"x": (3,)}, [("y", op, ["x"])]))  # type: ignore[arg-type]
