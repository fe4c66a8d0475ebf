"""Ops that compute in floats: their operations in TensorFlow's order, untouched by optimizers."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

from qconvert.emit import to_onnx
from qconvert.ir import F32, Op
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    Dense,
    Elementwise,
    Function,
    Merge,
    Pool,
    Quantize,
    Relu,
    Scale,
)
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.numerics import reciprocal_sqrt
from qconvert.reference import apply

from .conftest import Make, Run, Step, execute

Codes = Callable[..., F32]
Exact = npt.NDArray[np.float64]
IMAGE = (3, 5)


@pytest.fixture
def x() -> F32:
    return np.random.default_rng(0).standard_normal((40, *IMAGE, 8), dtype=np.float32) * 3


def normalization(
    fused: bool, *, gamma: bool = True, beta: bool = True, n: int = 8
) -> BatchNormalization:
    rng = np.random.default_rng(1)
    mean, shift, scale = (rng.standard_normal(n, dtype=np.float32) for _ in range(3))
    variance = np.square(rng.standard_normal(n, dtype=np.float32))
    return BatchNormalization(
        mean, variance, scale if gamma else None, shift if beta else None, 1e-3, fused
    )


@pytest.mark.parametrize("gamma", [True, False])
@pytest.mark.parametrize("beta", [True, False])
def test_batch_normalization_is_one_product_and_one_sum(
    make: Make, run: Run, x: F32, gamma: bool, beta: bool
) -> None:
    op = normalization(False, gamma=gamma, beta=beta)
    inverse = reciprocal_sqrt(op.variance + np.float32(1e-3))
    inverse = inverse if op.gamma is None else inverse * op.gamma
    offset = -op.mean * inverse if op.beta is None else op.beta - op.mean * inverse
    graph = make({"x": (*IMAGE, 8)}, [("y", op, ["x"])])
    np.testing.assert_array_equal(run(graph, x).plain[0], x * inverse + offset)


@pytest.mark.parametrize("n", [8, 7])
@pytest.mark.parametrize("beta", [True, False])
def test_fused_batch_normalization_subtracts_the_mean_first(
    make: Make, run: Run, x: F32, n: int, beta: bool
) -> None:
    op = normalization(True, beta=beta, n=n)
    assert op.gamma is not None
    deviation = np.sqrt(op.variance + np.float32(1e-3))
    shift = np.zeros(n, np.float32) if op.beta is None else op.beta
    y = x[..., :n] - op.mean
    expected = y * (op.gamma / deviation) + shift
    if n == 8:
        exact = (y * (1 / deviation)).astype(np.float64) * op.gamma + shift
        expected = exact.astype(np.float32)
    graph = make({"x": (*IMAGE, n)}, [("y", op, ["x"])])
    np.testing.assert_array_equal(run(graph, x[..., :n]).plain[0], expected)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("after", ["conv", "dense"])
@pytest.mark.parametrize("integers", [True, False])
def test_no_optimizer_folds_a_normalization_into_weights(
    make: Make, run: Run, codes: Codes, fused: bool, after: str, integers: bool
) -> None:
    """The layer before is exact: three times the input, and tiny weights that only meet zeros."""
    kernel = np.concatenate([3 * np.eye(8), np.full((8, 8), 0 if integers else 2.0**-40)])
    kernel = kernel.astype(np.float32)
    layer: Op = Dense(kernel, None)
    if after == "conv":
        layer = Conv(kernel[np.newaxis, np.newaxis], None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    batch = (40,) if after == "dense" else (5, *IMAGE)
    x = np.concatenate([codes(-999, 999, -8, *batch, 8), np.zeros((*batch, 8), np.float32)], -1)
    norm = normalization(fused)
    ran = run(make({"x": x.shape[1:]}, [("l", layer, ["x"]), ("y", norm, ["l"])]), x)
    alone = run(make({"x": (*batch[1:], 8)}, [("y", norm, ["x"])]), 3 * x[..., :8])
    np.testing.assert_array_equal(ran.plain[0], alone.plain[0])


def test_scale_after_a_product_is_a_rounding_of_its_own(make: Make, run: Run, codes: Codes) -> None:
    kernel = codes(-1 << 20, 1 << 20, -20, 16, 4)
    kernel[0] *= np.float32(2**-20)
    x = np.eye(16, dtype=np.float32)[np.newaxis]
    for data in (x, x[0]):
        shape = data.shape[1:]
        graph = make({"x": shape}, [("d", Dense(kernel, None), ["x"]), ("y", Scale(1 / 49), ["d"])])
        expected = (data @ kernel) * np.float32(1 / 49)
        np.testing.assert_array_equal(run(graph, data).plain[0], expected)


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_factor_and_an_offset_after_a_product_are_roundings_of_their_own(
    make: Make, run: Run, codes: Codes, dialect: str, channels: int
) -> None:
    kernel = codes(-1 << 20, 1 << 20, -20, 16, 4)
    kernel[0] *= np.float32(2**-20)
    factor, offset = (np.linspace(0.1, n, channels, dtype=np.float32) for n in (0.7, -0.9))
    x = np.eye(16, dtype=np.float32)
    for op in (Affine(factor, offset), Affine(factor), Affine(None, offset)):
        graph = make({"x": (16,)}, [("d", Dense(kernel, None), ["x"]), ("y", op, ["d"])])
        expected = x @ kernel if op.factor is None else (x @ kernel) * factor
        expected = expected if op.offset is None else expected + offset
        np.testing.assert_array_equal(run(graph, x, dialect=dialect).plain[0], expected)


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("shape", [(600,), (5, 600)])
@pytest.mark.parametrize("source", [None, QuantizedRelu(8, 8), QuantizedRelu(12, 8)])
def test_a_bias_off_the_grid_is_added_to_the_finished_sum(
    make: Make,
    run: Run,
    codes: Codes,
    dialect: str,
    shape: tuple[int, ...],
    source: QuantizedRelu | None,
) -> None:
    """ONNX Runtime's Gemm adds it to the first of the parts that it cuts long sums into."""
    kernel, bias = codes(-7, 7, 0, 600, 16), codes(-1 << 23, 1 << 23, -13, 16, seed=1)
    steps: list[Step] = [("q", Quantize(source), ["x"])] if source else []
    steps.append(("y", Dense(kernel, bias), ["q" if source else "x"]))
    x = codes(0, 255, 0, 40, *shape)
    products = x.astype(np.float64) @ kernel.astype(np.float64)
    graph = make({"x": shape}, steps)
    ran = run(graph, x, dialect=dialect)
    np.testing.assert_array_equal(ran.deployed[0], products.astype(np.float32) + bias)
    model = to_onnx(graph, dialect=dialect)
    # Of a product with more axes ONNX Runtime makes a Gemm, too, where it knows all of them.
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = len(x)
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = len(x)
    for y in execute(model, x)[:2]:
        np.testing.assert_array_equal(y[0], ran.deployed[0])


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("kind", ["add", "average"])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_sum_of_convolutions_is_a_rounding_of_its_own(
    make: Make,
    run: Run,
    codes: Codes,
    dialect: str,
    kind: Literal["add", "average"],
    backwards: bool,
) -> None:
    """ONNX Runtime would have one begin with the other's results, which are off its grid."""
    valid = ((0, 0), (0, 0))
    long = Conv(codes(-7, 7, 0, 3, 3, 256, 16), None, (1, 1), (1, 1), valid)
    short = Conv(codes(-1 << 20, 1 << 20, -14, 1, 1, 1, 16), None, (1, 1), (1, 1), valid)
    convolutions: list[Step] = [("long", long, ["x"]), ("short", short, ["z"])]
    merged: Step = ("sum", Merge(kind), ["long", "short"])
    graph = make(
        {"x": (6, 6, 256), "z": (4, 4, 1)},
        [*(convolutions[::-1] if backwards else convolutions), merged],
    )
    x, z = codes(-15, 15, 0, 3, 6, 6, 256), codes(1, 1, 0, 3, 4, 4, 1)
    total = apply(long, x) + apply(short, z)
    ran = run(graph, x, z, dialect=dialect)
    np.testing.assert_array_equal(ran.deployed[0], total / (2 if kind == "average" else 1))


def test_a_factor_a_channel_follows_the_layout_of_a_convolution(
    make: Make, run: Run, codes: Codes
) -> None:
    conv = Conv(codes(-8, 8, -2, 2, 2, 3, 4), None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    op = Affine(np.array([1, 2, 4, 0.5], np.float32), np.array([1, 0, 3, -1], np.float32))
    graph = make({"x": (5, 6, 3)}, [("c", conv, ["x"]), ("y", op, ["c"])])
    x = codes(-8, 8, -2, 2, 5, 6, 3)
    np.testing.assert_array_equal(run(graph, x).plain[0], apply(op, apply(conv, x)))


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (Relu(), lambda x: np.maximum(x, 0)),
        (Relu(slope=0.25), lambda x: np.where(x > 0, x, x * np.float32(0.25))),
        (Relu(max_value=1.5), lambda x: np.clip(x, 0, 1.5)),
        (Relu(threshold=0.5), lambda x: np.where(x > 0.5, x, 0)),
        (
            Relu(0.3, 0.5, 2.0),
            lambda x: (
                np.clip(np.where(x > 0.5, x, np.float32(0)), 0, 2)
                - np.float32(0.3) * np.maximum(np.float32(0.5) - x, 0)
            ),
        ),
        (Relu(0.3, 0.0, 2.0), lambda x: np.clip(x, 0, 2) - np.float32(0.3) * np.maximum(-x, 0)),
    ],
)
def test_relu_follows_keras(
    make: Make, run: Run, x: F32, op: Relu, expected: Callable[[F32], F32]
) -> None:
    graph = make({"x": (*IMAGE, 8)}, [("y", op, ["x"])])
    np.testing.assert_array_equal(run(graph, x).plain[0], expected(x))


REAL: dict[Function, Callable[[Exact], Exact]] = {
    Function.ELU: lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)),
    Function.EXPONENTIAL: np.exp,
    Function.GELU: lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2))),
    Function.HARD_SIGMOID: lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    Function.HARD_SIGMOID_3: lambda x: np.clip(x + 3, 0, 6) / 6,
    Function.MISH: lambda x: x * np.tanh(np.log1p(np.exp(x))),
    Function.SELU: lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(x)),
    Function.SIGMOID: lambda x: 1 / (1 + np.exp(-x)),
    Function.SOFTPLUS: lambda x: np.log1p(np.exp(x)),
    Function.SOFTSIGN: lambda x: x / (1 + np.abs(x)),
    Function.SWISH: lambda x: x / (1 + np.exp(-x)),
    Function.TANH: np.tanh,
}


@pytest.mark.parametrize("function", Function)
def test_function_is_the_one_named(make: Make, x: F32, function: Function) -> None:
    """Their last bits are nobody's; wrong functions and constants are off by far more."""
    graph = make({"x": (*IMAGE, 8)}, [("y", Elementwise(function, 0.5), ["x"])])
    ran = execute(to_onnx(graph), x)
    expected = REAL[function](x.astype(np.float64))
    for y in (ran.plain[0], ran.deployed[0]):
        assert np.abs(y - expected).max() <= 4e-6 * np.abs(expected).max()


def test_average_of_codes_then_quantizer_rounds_the_float_mean(
    make: Make, run: Run, codes: Codes
) -> None:
    pool = Pool("mean", (3, 3), (1, 1), ((1, 1), (1, 1)))
    quantizer = Quantize(QuantizedRelu(8, 4))
    steps = [("q", quantizer, ["x"]), ("p", pool, ["q"]), ("y", quantizer, ["p"])]
    graph = make({"x": (5, 7, 2)}, steps)
    run(graph, codes(0, 255, -4, 100, 5, 7, 2))


@pytest.mark.parametrize("names", [["conv", "fine"], ["fine", "conv"]])
@pytest.mark.parametrize("behind", [[], [Relu()], [Quantize(QuantizedRelu(8, 4))]])
def test_codes_are_added_to_a_finished_convolution(
    make: Make, run: Run, codes: Codes, names: list[str], behind: list[Op]
) -> None:
    """ONNX Runtime would begin the sum of products with them, and round on the way."""
    kernel = codes(-7, 7, -3, 3, 3, 16, 16)
    conv = Conv(kernel, codes(-7, 7, -3, 16), (1, 1), (1, 1), ((1, 1), (1, 1)))
    steps: list[Step] = [
        ("q", Quantize(QuantizedRelu(4, 2)), ["x"]),
        ("conv", conv, ["q"]),
        ("fine", Quantize(QuantizedBits(8, -18)), ["y"]),
        ("sum", Merge("add"), names),
        *((f"end{i}", op, ["sum"]) for i, op in enumerate(behind)),
    ]
    graph = make({"x": (16, 16, 16), "y": (16, 16, 16)}, steps)
    random = np.random.default_rng(0)
    x = random.normal(0, 2, (4, 16, 16, 16)).astype(np.float32)
    run(graph, x, (random.normal(0, 1, x.shape) * 2.0**-20).astype(np.float32))
