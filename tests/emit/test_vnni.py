"""Weights of eight bits for CPUs that do not saturate, where the user has such."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.ir import F32, Graph, Input, Node, Output
from qconvert.ir.ops import Conv, Dense, Quantize, Recurrence
from qconvert.ir.quantizers import QuantizedRelu

from .conftest import Make

#: Codes of x by bits, largest weight, and whether any CPU saturates with both.
CASES = [(8, 64, False), (8, 65, True), (8, 127, True), (7, 127, False), (4, 127, False)]


@pytest.mark.parametrize(("bits", "weight", "saturates"), CASES)
@pytest.mark.parametrize("vnni", [False, True])
def test_what_saturates_elsewhere_is_signed_on_request_alone(
    make: Make,
    codes: Callable[..., F32],
    bits: int,
    weight: int,
    saturates: bool,
    vnni: bool,
) -> None:
    kernel = codes(-weight, weight, -7, 3, 3, 4, 8)
    kernel[0, 0, 0, :2] = weight / 128, -weight / 128
    conv = Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    steps = [("q", Quantize(QuantizedRelu(bits, 0)), ["x"]), ("c", conv, ["q"])]
    graph = make({"x": (8, 8, 4)}, [*steps, ("a", Quantize(QuantizedRelu(8, 4)), ["c"])])
    model = to_onnx(graph, vnni=vnni)
    (stored,) = (t for t in model.graph.initializer if t.name == "c/kernel")
    signed = vnni or not saturates
    assert stored.data_type == (onnx.TensorProto.INT8 if signed else onnx.TensorProto.UINT8)
    metadata = read_metadata(model)
    assert metadata is not None
    assert any("VNNI" in text for text in metadata.requires.cpu) == (vnni and saturates)
    assert np.prod(stored.dims) == kernel.size


def test_what_saturates_inside_of_a_loop_is_told(make: Make, codes: Callable[..., F32]) -> None:
    state = (None, 8)
    kernel = codes(-127, 127, -7, 8, 8)
    kernel[0, :2] = 127 / 128, -127 / 128
    body = Graph(
        "step",
        (Input("t", (None, 4)), Input("s", state)),
        (
            Node("q", Quantize(QuantizedRelu(8, 0)), ("s",), state),
            Node("d", Dense(kernel, None), ("q",), state),
        ),
        (Output("new", "d"),),
        (),
    )
    graph = make({"x": (4, 4)}, [("loop", Recurrence(body), ["x"])])
    for vnni in (False, True):
        metadata = read_metadata(to_onnx(graph, vnni=vnni))
        assert metadata is not None
        assert any("VNNI" in text for text in metadata.requires.cpu) == vnni
