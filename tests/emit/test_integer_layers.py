"""What an integer dialect is for: the kernels that run, and their sums in integers."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from qconvert.ir import F32, Op
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Merge, Pool, Quantize, Reduce, Reshape
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu

from .conftest import Make, Run, Step

Codes = Callable[..., F32]

BYTE = Quantize(QuantizedRelu(8, 0))
SIGNED = Quantize(QuantizedBits(8, 0, alpha=1.0))
NIBBLE = Quantize(QuantizedBits(4, 2, alpha=1.0))


Exact = npt.NDArray[np.float64]


def nibble(y: Exact) -> Exact:
    """``quantized_bits(4,2)`` of numbers that are exact in float64."""
    clipped: Exact = np.clip(np.rint(y * 2), -8, 7)
    return clipped / 2


def correlate(x: F32, kernel: F32, groups: int = 1) -> Exact:
    """Channels-last cross-correlation without padding, stride 1, in float64."""
    kh, kw, inputs, outputs = kernel.shape
    h, w = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    y = np.zeros((len(x), h, w, outputs))
    for o in range(outputs):
        first = o // (outputs // groups) * inputs
        for i in range(kh):
            for j in range(kw):
                part = x[:, i : i + h, j : j + w, first : first + inputs].astype(np.float64)
                y[..., o] += part @ kernel[i, j, :, o].astype(np.float64)
    return y


@pytest.mark.parametrize("source", [BYTE, SIGNED])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolution_between_quantizers_is_one_integer_kernel(
    make: Make, run: Run, codes: Codes, source: Quantize, groups: int
) -> None:
    kernel, bias = codes(-7, 7, -4, 3, 2, 8 // groups, 8), codes(-99, 99, -7, 8)
    conv = Conv(kernel, bias, (1, 1), (1, 1), ((0, 0), (0, 0)), groups)
    steps = [("q", source, ["x"]), ("conv", conv, ["q"]), ("act", NIBBLE, ["conv"])]
    x = codes(0, 127, -7, 7, 6, 5, 8)
    for batch in (x, x[:1]):
        ran = run(make({"x": (6, 5, 8)}, steps), batch)
        np.testing.assert_array_equal(ran.plain[0], nibble(correlate(batch, kernel, groups) + bias))
        assert "QLinearConv" in ran.operators
        assert "Conv" not in ran.operators


def test_convolution_over_one_axis_is_an_integer_kernel(make: Make, run: Run, codes: Codes) -> None:
    kernel = codes(-7, 7, -4, 3, 4, 8)
    conv = Conv(kernel, None, (1,), (1,), ((0, 0),))
    steps = [("q", BYTE, ["x"]), ("conv", conv, ["q"]), ("act", NIBBLE, ["conv"])]
    x = codes(0, 255, -8, 7, 6, 4)
    ran = run(make({"x": (6, 4)}, steps), x)
    expected = correlate(x[:, :, np.newaxis], kernel[:, np.newaxis])[:, :, 0]
    np.testing.assert_array_equal(ran.plain[0], nibble(expected))
    assert "QLinearConv" in ran.operators


@pytest.mark.parametrize("exps", [[-4], [-4, -5, -6, -7, -8, -9, -10, -11]])
def test_dense_between_quantizers_is_one_integer_kernel(
    make: Make, run: Run, codes: Codes, exps: list[int]
) -> None:
    scale = np.ldexp(np.float32(1), exps)
    kernel, bias = codes(-60, 60, 0, 33, 8) * scale, codes(-99, 99, -8, 8) * scale
    steps = [("q", SIGNED, ["x"]), ("dense", Dense(kernel, bias), ["q"]), ("a", NIBBLE, ["dense"])]
    x = codes(-128, 127, -7, 7, 33)
    ran = run(make({"x": (33,)}, steps), x)
    expected = x.astype(np.float64) @ kernel.astype(np.float64) + bias
    np.testing.assert_array_equal(ran.plain[0], nibble(expected))
    # The bias is off the grid of the products.
    assert "MatMulIntegerToFloat" in ran.operators
    assert "Gemm" not in ran.operators


def test_dense_with_a_bias_on_the_grid_of_its_products_is_one_integer_kernel(
    make: Make, run: Run, codes: Codes
) -> None:
    dense = Dense(codes(-60, 60, 0, 33, 8), codes(-99, 99, -7, 8))
    steps = [("q", SIGNED, ["x"]), ("dense", dense, ["q"]), ("a", NIBBLE, ["dense"])]
    ran = run(make({"x": (33,)}, steps), codes(-128, 127, -7, 7, 33))
    assert "QGemm" in ran.operators


def test_last_dense_gives_floats_from_an_integer_kernel(make: Make, run: Run, codes: Codes) -> None:
    kernel, bias = codes(-7, 7, -4, 33, 8), codes(-99, 99, -9, 8)
    graph = make({"x": (33,)}, [("q", BYTE, ["x"]), ("dense", Dense(kernel, bias), ["q"])])
    x = codes(0, 255, -8, 7, 33)
    ran = run(graph, x)
    np.testing.assert_array_equal(ran.plain[0], x.astype(np.float64) @ kernel + bias)
    assert "QGemm" in ran.operators


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("exps", [[-4], [-4, -5, -6, -7, -8, -9, -10, -11]])
def test_dense_over_more_axes_is_an_integer_kernel(
    make: Make, run: Run, codes: Codes, bias: bool, exps: list[int]
) -> None:
    kernel = codes(-60, 60, 0, 33, 8) * np.ldexp(np.float32(1), exps)
    addend = codes(-99, 99, -7, 8)
    dense = Dense(kernel, addend if bias else None)
    steps = [("q", BYTE, ["x"]), ("dense", dense, ["q"]), ("act", NIBBLE, ["dense"])]
    x = codes(0, 255, -8, 7, 5, 33)
    ran = run(make({"x": (5, 33)}, steps), x)
    np.testing.assert_array_equal(
        ran.plain[0], nibble(x.astype(np.float64) @ kernel + bias * addend)
    )
    assert {"QLinearMatMul", "MatMulIntegerToFloat"} & set(ran.operators)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("source", [None, QuantizedBits(12, 0, alpha=1.0)])
@pytest.mark.parametrize("exp", [-4, -14])
def test_dense_on_other_than_bytes_stays_in_floats(
    make: Make, run: Run, codes: Codes, rank: int, source: QuantizedBits | None, exp: int
) -> None:
    """ONNX Runtime would quantize the input dynamically."""
    kernel = codes(-100, 100, exp, 32, 8)
    steps: list[Step] = [("q", Quantize(source), ["x"])] if source else []
    shape = (32,) if rank == 2 else (5, 32)
    graph = make({"x": shape}, [*steps, ("y", Dense(kernel, None), ["q" if source else "x"])])
    x = codes(-2047, 2047, -11, 7, *shape)
    ran = run(graph, x)
    np.testing.assert_array_equal(ran.plain[0], x.astype(np.float64) @ kernel)


@pytest.mark.parametrize("weight", [127, -128, 100])
@pytest.mark.parametrize("source", [BYTE, SIGNED])
@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense", "matmul"])
def test_eight_bit_weights_do_not_saturate_the_kernel(
    make: Make, run: Run, weight: int, source: Quantize, kind: str
) -> None:
    """Pairs of products of bytes exceed int16, where CPUs without VNNI add them."""
    kernels = {"conv": (3, 3, 32, 4), "depthwise": (3, 3, 1, 32)}
    shape = kernels.get(kind, (288, 4))
    kernel = np.full(shape, weight / 128, np.float32)
    kernel.flat[0] += 1 / 128 if weight < 0 else -1 / 128  # an odd code, or the step would grow
    conv = Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)), 32 if kind == "depthwise" else 1)
    op = conv if kind in kernels else Dense(kernel, None)
    size = {"conv": (3, 3, 32), "depthwise": (3, 3, 32), "dense": (288,), "matmul": (2, 288)}[kind]
    act = Quantize(QuantizedBits(8, 9, alpha=1.0))
    for value in (-1.0, 255 / 256):
        x = np.full((2, *size), value, np.float32)
        steps = [("q", source, ["x"]), ("y", op, ["q"]), ("act", act, ["y"])]
        run(make({"x": size}, steps), x)
        run(make({"x": size}, steps[:2]), x)


def test_bias_off_the_grid_of_the_products_is_not_rounded(
    make: Make, run: Run, codes: Codes
) -> None:
    """ONNX Runtime would round a float bias beside integer weights to int32."""
    kernel = codes(-7, 7, -4, 16, 8)
    bias = np.full(8, 0.25 + 2**-8 + 2**-20, np.float32)  # just above a tie of the quantizer
    act = Quantize(QuantizedBits(8, 0, alpha=1.0))
    x = np.zeros((3, 16), np.float32)
    x[1] = 2**-8
    steps = [("q", BYTE, ["x"]), ("dense", Dense(kernel, bias), ["q"]), ("act", act, ["dense"])]
    ran = run(make({"x": (16,)}, steps), x)
    exact = x.astype(np.float64) @ kernel + bias
    np.testing.assert_array_equal(ran.plain[0], np.clip(np.rint(exact * 128), -128, 127) / 128)


@pytest.mark.parametrize("kind", ["floats", "int16", "int32"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("biased", [True, False])
def test_wide_weights_between_quantizers_stay_exact(
    make: Make, run: Run, codes: Codes, kind: str, bits: int, biased: bool
) -> None:
    """ONNX Runtime would quantize float weights to bytes, and refuse int32 ones."""
    largest = {"floats": 1 << 22, "int16": 30_000, "int32": 100_000}[kind]
    kernel = codes(-largest, largest, -20, 1, 2, 1, 3)
    if kind == "floats":
        kernel[0, 1] *= np.float32(2**-30)
    bias = codes(-9, 9, -6, 3) if biased else None
    conv = Conv(kernel, bias, (1, 1), (1, 1), ((0, 0), (0, 0)))
    dense = Dense(kernel.reshape(2, 3), bias)
    source, act = Quantize(QuantizedRelu(bits, 0)), Quantize(QuantizedBits(bits, 4, alpha=1.0))
    x = codes(0, 3, -2, 50, 4, 2, 1)
    for op, shaped in ((conv, x), (dense, x.reshape(-1, 2)), (dense, x.reshape(-1, 5, 2))):
        steps = [("q", source, ["x"]), ("y", op, ["q"]), ("act", act, ["y"])]
        run(make({"x": shaped.shape[1:]}, steps), shaped)
        run(make({"x": shaped.shape[1:]}, steps), shaped, opset=17)


def test_residual_add_is_an_integer_kernel(make: Make, run: Run, codes: Codes) -> None:
    steps = [
        ("a", BYTE, ["x"]),
        ("b", NIBBLE, ["x"]),
        ("sum", Merge("add"), ["a", "b"]),
        ("act", SIGNED, ["sum"]),
    ]
    x = codes(-999, 999, -9, 7, 50)
    ran = run(make({"x": (50,)}, steps), x)
    exact = x.astype(np.float64)
    total = np.clip(np.rint(exact * 256), 0, 255) / 256 + nibble(exact)
    np.testing.assert_array_equal(ran.plain[0], np.clip(np.rint(total * 128), -128, 127) / 128)
    assert "QLinearAdd" in ran.operators


def test_flatten_and_max_pool_between_layers_act_on_integers(
    make: Make, run: Run, codes: Codes
) -> None:
    conv = Conv(codes(-7, 7, -4, 3, 3, 2, 4), None, (1, 1), (1, 1), ((1, 1), (1, 1)))
    steps = [
        ("q", SIGNED, ["x"]),
        ("conv", conv, ["q"]),
        ("act", NIBBLE, ["conv"]),
        ("pool", Pool("max", (3, 2), (2, 2), ((1, 1), (0, 1))), ["act"]),
        ("flat", Reshape((-1,)), ["pool"]),
        ("dense", Dense(codes(-7, 7, -4, 3 * 3 * 4, 5), codes(-9, 9, -5, 5)), ["flat"]),
    ]
    ran = run(make({"x": (6, 5, 2)}, steps), codes(-128, 127, -7, 7, 6, 5, 2))
    assert {"QLinearConv", "QGemm"} <= set(ran.operators)
    assert not {"Conv", "Gemm", "DequantizeLinear"} & set(ran.operators)


def test_transposed_convolution_places_its_kernel_at_every_pixel(
    make: Make, run: Run, codes: Codes
) -> None:
    kernel, bias = codes(-7, 7, -3, 3, 2, 2, 3), codes(-7, 7, -5, 2)
    op = ConvTranspose(kernel, bias, (2, 3), (1, 1), ((1, 0), (0, -1)))
    x = codes(0, 15, -4, 2, 4, 3, 3)
    full = np.zeros((2, 9, 8, 2))
    for i in range(4):
        for j in range(3):
            at = np.einsum("bc,klfc->bklf", x[:, i, j].astype(np.float64), kernel)
            full[:, 2 * i : 2 * i + 3, 3 * j : 3 * j + 2] += at
    expected = np.pad(full[:, 1:], ((0, 0), (0, 0), (0, 1), (0, 0))) + bias
    for dialect in ("qdq", "float"):
        steps = [("q", BYTE, ["x"]), ("y", op, ["q"])]
        ran = run(make({"x": (4, 3, 3)}, steps), x, dialect=dialect)
        np.testing.assert_array_equal(ran.plain[0], expected)


def every_sum(*window: int) -> F32:
    """One window a sample: bytes in steps of 1/16 with every sum that so many of them have."""
    count = math.prod(window)
    codes = np.clip(np.arange(255 * count + 1)[:, None] - 255 * np.arange(count), 0, 255)
    x: F32 = (codes / 16).astype(np.float32)
    return x.reshape(-1, *window, 1)


def mean(*window: int) -> Pool:
    return Pool("mean", window, window, ((0, 0),) * len(window))


POOLS: list[Op] = [
    *(mean(*window) for window in [(7,), (3, 5), (5, 6), (2, 3), (4, 4), (2, 8), (8,)]),
    Reduce("mean", (1, 2), False),
    Reduce("mean", (1, 2), True),
]


@pytest.mark.parametrize("finer", [1, 2])
@pytest.mark.parametrize("op", POOLS, ids=str)
def test_ties_of_means_are_rounded_to_even(make: Make, run: Run, op: Op, finer: int) -> None:
    """ONNX Runtime's kernel of bytes rounds some sums of 7 to the odd code."""
    window = op.window if isinstance(op, Pool) else (3, 5)
    rounded = Quantize(QuantizedRelu(8, 4 + finer))
    steps: list[Step] = [
        ("q", Quantize(QuantizedRelu(8, 4)), ["x"]),
        ("mean", op, ["q"]),
        ("flat", Reshape((1,)), ["mean"]),
        ("y", rounded, ["flat"]),
    ]
    x = every_sum(*window)
    ran = run(make({"x": x.shape[1:]}, steps), x)
    sums = (x.astype(np.float64) * 16).reshape(len(x), -1).sum(axis=1)
    count = math.prod(window)
    exact = np.rint(sums / count / 2**finer) * 2.0 ** (finer - 4)
    assert np.any(sums % (count * 2**finer) == count * 2 ** (finer - 1)), "no ties"
    np.testing.assert_array_equal(ran.deployed[0].ravel(), exact)
    assert "QLinearAveragePool" not in ran.operators
    powers = isinstance(op, Pool) and count & (count - 1) == 0
    assert "QLinearConv" in ran.operators or not powers


def test_windows_at_borders_have_other_counts(make: Make, run: Run) -> None:
    """Windows of 4 that a border cuts to 3."""
    op = Pool("mean", (4,), (4,), ((1, 0),))
    steps: list[Step] = [
        ("q", Quantize(QuantizedRelu(8, 4)), ["x"]),
        ("mean", op, ["q"]),
        ("y", Quantize(QuantizedRelu(8, 5)), ["mean"]),
    ]
    x = every_sum(3)
    ran = run(make({"x": (3, 1)}, steps), x)
    exact = np.rint(x.sum(axis=(1, 2)) * 8 / 3) / 8
    np.testing.assert_array_equal(ran.deployed[0].ravel(), exact)
    assert "QLinearAveragePool" not in ran.operators
