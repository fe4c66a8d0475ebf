"""Weights beside floats: few bytes in the file, and constants for the runtime that loads it."""

import numpy as np
import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.ir import F32, Op
from qconvert.ir.ops import Affine, Conv, ConvTranspose, Dense, Quantize, Relu, Scale
from qconvert.ir.quantizers import QuantizedBits
from qconvert.ir.stock import WithConstant
from qconvert.reference import evaluate

from .conftest import Make, Run, Step

ONES, NONE = (1, 1), ((0, 0), (0, 0))
CHANNELS = 8
BYTES, WORDS = (Quantize(QuantizedBits(bits, 3, alpha=1.0)) for bits in (8, 14))
LEAKY = Relu(slope=0.25)
FACTORS: dict[str, Op] = {
    "leaky": LEAKY,
    "quantizer": BYTES,
    "scale": Scale(0.3),
    "affine": Affine(np.linspace(0.3, 1.7, CHANNELS).astype(np.float32), None),
    "constant": WithConstant("multiply", np.array([[[0.3]]], np.float32)),
}
BEFORE: dict[str, Op] = {"floats": Relu(), "bytes": BYTES, "words": WORDS}


def weights(*shape: int, bits: int = 4) -> F32:
    """On a grid, whose steps differ from channel to channel."""
    codes = np.random.default_rng(1).integers(1 - 2 ** (bits - 1), 2 ** (bits - 1), shape)
    return np.ldexp(codes, np.arange(shape[-1]) % 3 - bits).astype(np.float32)


def fine(*shape: int) -> F32:
    """On no grid of bytes."""
    return weights(*shape) * np.float32(1 + 2**-9)


LAYERS: dict[str, Op] = {
    "conv": Conv(weights(3, 3, 4, CHANNELS), None, ONES, ONES, NONE),
    "conv of fine weights": Conv(fine(3, 3, 4, CHANNELS), None, ONES, ONES, NONE),
    "transposed": ConvTranspose(weights(2, 2, CHANNELS, 4), None, ONES, ONES, NONE),
    "dense": Dense(weights(4, CHANNELS), None),
    "dense of 12 bits": Dense(weights(4, CHANNELS, bits=12), None),
    "dense of fine weights": Dense(fine(4, CHANNELS), None),
}


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("before", ["floats", "bytes", "words"])
@pytest.mark.parametrize("name", LAYERS)
def test_weights_beside_floats_are_constants_that_nothing_rounds(
    make: Make, run: Run, name: str, before: str, factor: str
) -> None:
    """Numbers of one bit, few of which meet in a sum, so that no sum rounds in any order."""
    steps: list[Step] = [
        ("q", BEFORE[before], ["x"]),
        ("p", LAYERS[name], ["q"]),
        ("f", FACTORS[factor], ["p"]),
    ]
    graph = make({"x": (6, 6, 4)}, steps)
    x = np.zeros((2, 6, 6, 4), np.float32)
    x[0, ::3, ::3, 0], x[1, 1::3, 1::3, 2] = 1, 4
    found = run(graph, x)
    np.testing.assert_array_equal(found.plain[0], evaluate(graph, {"x": x})["f"])
    model = to_onnx(graph)
    stored = {each.name: each for each in model.graph.initializer}
    read = {n.op_type: n for n in model.graph.node if any("kernel" in i for i in n.input[:1])}
    fused = ("dense",) if factor != "quantizer" else ("dense", "conv", "transposed")
    if before == "bytes" and name in fused:
        # These are products of integers.
        assert "Cast" not in read
    elif "fine" not in name:
        assert "DequantizeLinear" not in read
        kind = stored[read["Cast"].input[0]].data_type
        wide = onnx.TensorProto.INT16 if "12 bits" in name else onnx.TensorProto.INT8
        assert kind == wide
