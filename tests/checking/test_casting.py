"""Codes that pass through floats are the same again; what only looks like that is none."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qconvert.checking.deployed.casting import bytes_before
from qconvert.checking.deployed.meaning import meaning_of
from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph
from qconvert.checking.deployed.saturation import highest

STEP, ZERO = 0.25, 3
CONSTANTS: Final[Mapping[str, Array]] = {
    "step": np.array(STEP, np.float32),
    "zero": np.array(ZERO, np.uint8),
    "signed": np.array(ZERO, np.int8),
    "low": np.array(0, np.uint8),
    "high": np.array(15, np.uint8),
    "half": np.array(0.5, np.float32),
}
QUANTIZE: Final = helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"])
CLIP: Final = helper.make_node("Clip", ["q", "low", "high"], ["codes"])


def cast(read: str, made: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [read], [made], to=kind)


def pool(read: str, made: str) -> onnx.NodeProto:
    return helper.make_node("MaxPool", [read], [made], kernel_shape=[2])


def graph_of(*nodes: onnx.NodeProto) -> OnnxGraph:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8])
    stored = [numpy_helper.from_array(array, name) for name, array in CONSTANTS.items()]
    y = onnx.ValueInfoProto(name="y")
    return OnnxGraph(helper.make_graph(list(nodes), "g", [x], [y], stored))


def found(*nodes: onnx.NodeProto) -> tuple[tuple[float, int] | None, int]:
    """What the codes ``y`` stand for, and their largest."""
    graph = graph_of(*nodes)
    return meaning_of("y", graph, {}), highest("y", graph)


def test_codes_back_from_floats_mean_what_they_did() -> None:
    there, back = cast("codes", "f", TensorProto.FLOAT), cast("p", "y", TensorProto.UINT8)
    assert found(QUANTIZE, CLIP, there, pool("f", "p"), back) == ((STEP, ZERO), 15)


def test_they_may_go_twice_and_be_in_blocks() -> None:
    """As in the graph that ONNX Runtime makes."""
    blocked = [
        helper.make_node("ReorderInput", ["f"], ["b"], domain="com.microsoft.nchwc"),
        helper.make_node("MaxPool", ["b"], ["p"], kernel_shape=[2], domain="com.microsoft.nchwc"),
        helper.make_node("ReorderOutput", ["p"], ["o"], domain="com.microsoft.nchwc"),
    ]
    once = [cast("codes", "f", TensorProto.FLOAT), *blocked, cast("o", "c", TensorProto.UINT8)]
    again = [cast("c", "f2", TensorProto.FLOAT), pool("f2", "p2"), cast("p2", "y", 2)]
    assert found(QUANTIZE, CLIP, *once, *again) == ((STEP, ZERO), 15)


FLOATS: Final = cast("codes", "f", TensorProto.FLOAT)
SIGNED: Final = (
    helper.make_node("QuantizeLinear", ["x", "step", "signed"], ["codes"]),
    FLOATS,
)
#: Each ends with a tensor ``p`` that is cast to ``y``.
OTHERS: Final[Mapping[str, tuple[tuple[onnx.NodeProto, ...], int]]] = {
    "codes below 0": ((*SIGNED, pool("f", "p")), TensorProto.UINT8),
    "to another type": ((QUANTIZE, CLIP, FLOATS, pool("f", "p")), TensorProto.INT8),
    "halves": (
        (QUANTIZE, CLIP, FLOATS, helper.make_node("Mul", ["f", "half"], ["p"])),
        TensorProto.UINT8,
    ),
    "never codes": ((pool("x", "p"),), TensorProto.UINT8),
    "dequantized": (
        (QUANTIZE, helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["p"])),
        TensorProto.UINT8,
    ),
    "half floats": (
        (QUANTIZE, CLIP, cast("codes", "f", TensorProto.FLOAT16), pool("f", "p")),
        TensorProto.UINT8,
    ),
    "supplied": ((cast("x", "f", TensorProto.FLOAT), pool("f", "p")), TensorProto.UINT8),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_casts_are_of_no_codes(name: str) -> None:
    nodes, kind = OTHERS[name]
    back = cast("p", "y", kind)
    assert bytes_before(back, graph_of(*nodes, back)) == ""
    assert found(*nodes, back) == (None, 255)
