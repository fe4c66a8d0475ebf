import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32
from qconvert.ir.ops import Elementwise, Function, Relu, Softmax
from qconvert.reference import apply

#: 8192 numbers, among them 0; the functions must also hold far away from it.
X = np.arange(-4096, 4096, dtype=np.float32) / np.float32(256)

EXACT: dict[Function, Callable[[float], float]] = {
    Function.ELU: lambda x: x if x > 0 else math.expm1(x),
    Function.EXPONENTIAL: math.exp,
    Function.GELU: lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    Function.MISH: lambda x: x * math.tanh(math.log1p(math.exp(x))),
    Function.SELU: lambda x: 1.05070098735 * (x if x > 0 else 1.67326324235 * math.expm1(x)),
    Function.SIGMOID: lambda x: 1 / (1 + math.exp(-x)),
    Function.SOFTPLUS: lambda x: math.log1p(math.exp(x)),
    Function.SOFTSIGN: lambda x: x / (1 + abs(x)),
    Function.SWISH: lambda x: x / (1 + math.exp(-x)),
    Function.TANH: math.tanh,
}


def f32(*values: float) -> F32:
    return np.array(values, np.float32)


def exact(function: Function, x: F32) -> F32:
    return f32(*map(EXACT[function], x.tolist()))


@pytest.mark.parametrize("function", EXACT)
def test_function_has_the_codes_of_the_real_one_in_steps_of_a_256th(function: Function) -> None:
    """Without images from 16 on, or within 2**-16 (8 ulp there) of where the code changes."""
    wanted = exact(function, X).astype(np.float64) * 256
    clear = np.abs(wanted - np.floor(wanted) - 0.5) > 2.0**-8
    clear &= np.abs(wanted) < 2.0**12
    assert clear.mean() > 0.5
    codes = np.rint(apply(Elementwise(function), X) * np.float32(256))
    assert_array_equal(codes[clear], np.rint(wanted[clear]))


@pytest.mark.parametrize("function", Function)
def test_function_returns_float32_without_a_warning_at_the_extremes(function: Function) -> None:
    y = apply(Elementwise(function), f32(-3.0e38, -200, 200, 3.0e38))
    assert y.dtype == np.float32


def test_hard_sigmoid_is_that_of_keras_2() -> None:
    """Keras 3 divides by 6, QKeras by 2."""
    y = apply(Elementwise(Function.HARD_SIGMOID), f32(-3, -2.5, 0, 1, 2.5, 3))
    assert_array_equal(y, f32(0, 0, 0.5, 0.7, 1, 1))


def test_elu_scales_its_negative_part_only() -> None:
    op = Elementwise(Function.ELU, alpha=0.5)
    assert_array_equal(apply(op, f32(-200, 0, 3)), f32(-0.5, 0, 3))


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (Relu(), [0, 0, 0, 0, 1, 4, 8]),
        (Relu(max_value=6), [0, 0, 0, 0, 1, 4, 6]),
        (Relu(max_value=3), [0, 0, 0, 0, 1, 3, 3]),
        (Relu(slope=0.25), [-2, -1, -0.25, 0, 1, 4, 8]),
        (Relu(slope=0.25, max_value=3), [-2, -1, -0.25, 0, 1, 3, 3]),
        (Relu(threshold=1), [0, 0, 0, 0, 0, 4, 8]),
        (Relu(threshold=-2), [0, 0, -1, 0, 1, 4, 8]),
        (Relu(slope=0.5, threshold=2), [-5, -3, -1.5, -1, -0.5, 4, 8]),
        (Relu(slope=0.5, threshold=2, max_value=5), [-5, -3, -1.5, -1, -0.5, 4, 5]),
        (Relu(threshold=-2, max_value=5), [0, 0, 0, 0, 1, 4, 5]),
    ],
)
def test_relu(op: Relu, expected: list[float]) -> None:
    assert_array_equal(apply(op, f32(-8, -4, -1, 0, 1, 4, 8)), f32(*expected))


def test_leaky_slope_is_rounded_to_float32_before_the_product() -> None:
    assert_array_equal(apply(Relu(slope=0.3), f32(-7)), f32(-7) * f32(0.3))


def test_softmax_of_equal_logits_is_uniform_along_its_axis() -> None:
    x = f32(1, 1, 5, 5, 9, 9, 9, 9).reshape(1, 4, 2)
    assert_array_equal(apply(Softmax(2), x), np.full((1, 4, 2), 0.5, np.float32))
    assert_array_equal(apply(Softmax(1), 0 * x), np.full((1, 4, 2), 0.25, np.float32))


def test_softmax_of_large_logits_does_not_overflow() -> None:
    assert_array_equal(apply(Softmax(1), f32(1000, 0, 1000).reshape(1, 3)), [[0.5, 0, 0.5]])


def test_softmax_ratios_are_exponentials() -> None:
    y = apply(Softmax(1), f32(0, math.log(3)).reshape(1, 2))
    assert_array_equal(np.rint(y * 4096), [[1024, 3072]])
