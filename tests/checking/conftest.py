import numpy as np
import pytest

from qconvert.ir import Graph, Input, Layer, Node, Output, Weight
from qconvert.ir.ops import Dense, Quantize
from qconvert.ir.quantizers import QuantizedBits


@pytest.fixture
def graph() -> Graph:
    """``x -> quantize -> dense -> quantize``: layers q_in, dense, q_out."""
    kernel = np.array([[0.5, 0.25], [0.25, -0.5]], np.float32)
    quantizer = QuantizedBits(4, 0, alpha=1.0)
    shape = (None, 2)
    return Graph(
        "chain",
        (Input("x", shape),),
        (
            Node("v1", Quantize(quantizer), ("x",), shape),
            Node("v2", Dense(kernel, None), ("v1",), shape),
            Node("v3", Quantize(quantizer), ("v2",), shape),
        ),
        (Output("y", "v3"),),
        (
            Layer("q_in", "QActivation", "v1"),
            Layer("dense", "QDense", "v2", {"kernel": Weight(kernel, kernel, quantizer)}),
            Layer("q_out", "QActivation", "v3"),
        ),
    )
