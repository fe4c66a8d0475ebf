"""The radius of a function holds what ONNX Runtime computes, where results are tiny as well."""

import numpy as np
import onnxruntime
import pytest

from qconvert.checking.rounding import evaluate_bounded
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output
from qconvert.ir.ops import Elementwise, Function, Quantize
from qconvert.ir.quantizers import QuantizedSigmoid, QuantizedTanh

X: F32 = np.arange(-40 * 64, 40 * 64, dtype=np.float32).reshape(1, -1) / np.float32(64)
OPS: list[Op] = [
    *(Elementwise(function) for function in Function),
    Quantize(QuantizedSigmoid(18, use_real_sigmoid=True)),
    Quantize(QuantizedSigmoid(24, use_real_sigmoid=True)),
    Quantize(QuantizedTanh(20, use_real_tanh=True)),
]


@pytest.mark.parametrize("op", OPS, ids=str)
def test_the_runtimes_own_functions_lie_within_the_radius(op: Op) -> None:
    shape = (None, X.shape[1])
    node, layer = Node("y", op, ("x",), shape), Layer("y", "C", "y")
    graph = Graph("g", (Input("x", shape),), (node,), (Output("y", "y"),), (layer,))
    session = onnxruntime.InferenceSession(to_onnx(graph).SerializeToString())
    (found,) = session.run(None, {"x": X})
    computed, radius = evaluate_bounded([node], "y", {"x": X})
    distance = abs(found.astype(np.float64) - computed)
    assert (distance <= radius).all(), X[distance > radius]
