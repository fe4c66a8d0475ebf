"""Weights beside floats: few bytes in the file, and constants for the runtime that loads it."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.lowering.sums import are_exact, steps_of_sums
from qconvert.emit.values import Codes, Value
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Grid, Op
from qconvert.ir.ops import Affine, Conv, ConvTranspose, Dense, Pool, Quantize, Reduce, Relu, Scale
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


SIZES: dict[str, tuple[tuple[int, ...], Op]] = {
    "dense": ((784,), Dense(weights(784, 40), None)),
    "dense of 12 bits": ((784,), Dense(weights(784, 40, bits=12), weights(40))),
    "dense of series": ((5, 784), Dense(weights(784, 40), weights(40))),
    "transposed": ((8, 8, 300), ConvTranspose(weights(3, 3, 40, 300), None, ONES, ONES, NONE)),
    "conv": ((12, 12, 32), Conv(weights(3, 3, 32, 32), weights(32), ONES, ONES, NONE)),
    "conv of fine weights": ((12, 12, 32), Conv(fine(3, 3, 32, 16), None, ONES, ONES, NONE)),
    "conv to few channels": ((12, 12, 17), Conv(weights(3, 3, 17, 5), None, ONES, ONES, NONE)),
    "groups": ((12, 12, 32), Conv(weights(3, 3, 16, 32), None, ONES, ONES, NONE, 2)),
    "depthwise": ((12, 12, 32), Conv(weights(3, 3, 1, 32), None, ONES, ONES, NONE, 32)),
    "conv of series": ((40, 300), Conv(weights(5, 300, 40), None, (1,), (1,), ((0, 0),))),
}
#: Which ONNX Runtime sums in the order of the reference.
AS_WRITTEN = {"depthwise", "groups"}


@pytest.mark.parametrize("wide", [False, True], ids=["floats", "wide codes"])
@pytest.mark.parametrize("name", SIZES)
def test_sums_that_round_have_one_order(make: Make, run: Run, name: str, wide: bool) -> None:
    """Of long rows, which kernels cut into parts; `run` compares all bits."""
    shape, op = SIZES[name]
    read: Op = Quantize(QuantizedBits(23, 3, alpha=1.0)) if wide else Relu()
    graph = make({"x": shape}, [("q", read, ["x"]), ("p", op, ["q"])])
    for batch in (1, 3, 16):
        x = np.random.default_rng(batch).standard_normal((batch, *shape)).astype(np.float32)
        found = run(graph, x).plain[0]
        assert np.any(found != evaluate(graph, {"x": x})["p"]) or name in AS_WRITTEN


def test_means_of_images_have_one_order_behind_convolutions(make: Make, run: Run) -> None:
    shape, op = SIZES["conv"]
    pools: list[tuple[str, Op]] = [
        ("average", Pool("mean", (2, 2), ONES, NONE)),
        ("all", Reduce("mean", (1, 2), keepdims=False)),
    ]
    for name, pool in pools:
        steps: list[Step] = [("q", Relu(), ["x"]), ("p", op, ["q"]), (name, pool, ["p"])]
        x = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
        run(make({"x": shape}, steps), x)


@pytest.mark.parametrize(
    ("largest", "terms", "exact"),
    [(255, 1 << 16, True), (256, 1 << 16, True), (257, 1 << 16, False), (255, 65794, False)],
)
def test_sums_are_exact_up_to_24_bits(largest: int, terms: int, exact: bool) -> None:
    weight = np.ones((2, terms), np.float32)
    weight[1] = 0.25
    weight[1, 0] = -0.25
    x = Value("x", (0, 1), Codes("c", "int16", 0, -3, (-1, largest)))
    assert are_exact(Weight(weight, 0), x) == exact


def test_sums_of_numbers_without_codes_are_exact_up_to_half_of_them() -> None:
    """A quantizer can return twice its last number, of inputs beyond 2**24 steps."""
    array, x = np.ones((1, 1 << 16), np.float32), Value("x", (0, 1))
    weight = Weight(array, 0)
    assert not are_exact(weight, x)
    assert are_exact(weight, replace(x, reach=Grid(-1, 128, 0)))
    assert not are_exact(weight, replace(x, reach=Grid(-129, 128, 0)))
    assert not are_exact(Weight(array * np.float32(1 / 3), 0), replace(x, reach=Grid(-1, 1, 0)))
    assert not are_exact(weight, replace(x, reach=Grid(-1, 1, -127)))


def test_weights_of_both_signs_are_exact_up_to_24_bits_of_each() -> None:
    """Partial sums in any order are as large as all products of one sign, not of both."""
    weight = Weight(np.resize(np.array([1, -1], np.float32), (1, 1 << 17)), 0)
    x = Value("x", (0, 1), Codes("c", "uint16", 0, 0, (0, 256)))
    assert are_exact(weight, x)
    assert not are_exact(weight, replace(x, codes=Codes("c", "int16", 0, 0, (-256, 256))))


@pytest.mark.parametrize(("exp", "exact"), [(119, True), (120, False)])
def test_integers_and_floats_have_the_same_largest_step(exp: int, exact: bool) -> None:
    """Beyond, 510 of them may be infinite."""
    weight, x = Weight(np.ones((1, 2), np.float32), 0), Codes("c", "uint8", 0, exp, (0, 255))
    assert weight.codes is not None
    assert are_exact(weight, Value("x", (0, 1), x)) == exact
    assert (steps_of_sums(weight.codes, x) is not None) == exact
