from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from qconvert.ir import F32, Quantizer, grid_of
from qconvert.ir.quantizers import (
    Binary,
    FrozenScale,
    HardFunction,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Ternary,
)
from qconvert.numerics import quantize, quantize_body

#: Its scale times ``2**(integer - 3)`` is the step, 1/2.
FROZEN = QuantizedBits(
    4, 0, symmetric=True, alpha="auto_po2", post_training_scale=FrozenScale((4.0,))
)
HSWISH = QuantizedHswish(QuantizedBits(8, 2))


def of(quantizer: Quantizer, *numbers: float) -> list[float]:
    result: list[float] = quantize(quantizer, np.array(numbers, np.float32)).tolist()
    return result


BITS = st.builds(
    QuantizedBits,
    bits=st.integers(2, 16),
    integer=st.integers(0, 4),
    symmetric=st.booleans(),
    keep_negative=st.booleans(),
)
LINEARS = st.builds(
    QuantizedLinear,
    bits=st.integers(2, 16),
    integer=st.integers(0, 4),
    symmetric=st.booleans(),
    keep_negative=st.booleans(),
    alpha=st.sampled_from([None, 0.5, 4.0]),
)
RELUS = st.builds(QuantizedRelu, bits=st.integers(1, 16), integer=st.integers(0, 4))
TANHS = st.builds(
    QuantizedTanh,
    bits=st.integers(1, 16),
    symmetric=st.booleans(),
    use_real_tanh=st.booleans(),
)
SIGMOIDS = st.builds(
    QuantizedSigmoid,
    bits=st.integers(1, 16),
    symmetric=st.booleans(),
    use_real_sigmoid=st.booleans(),
)
POWERS = st.builds(
    QuantizedPo2,
    bits=st.integers(2, 5),
    max_value=st.sampled_from([None, 2.0, 4.0]),
    log2_rounding=st.sampled_from(["rnd", "floor"]),
)
#: Below 2**24 steps of the finest grid here, beyond which QKeras returns residues.
FLOATS = st.lists(st.floats(-250, 250, width=32), min_size=1, max_size=20)
MATRICES = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).normal(0, 1, (12, 6)).astype(np.float32)
)


@given(BITS | LINEARS | RELUS | TANHS | SIGMOIDS, FLOATS)
def test_results_lie_on_the_grid(quantizer: Quantizer, numbers: list[float]) -> None:
    grid = grid_of(quantizer)
    assert grid is not None
    assert all(y in grid for y in of(quantizer, *numbers))


@given(BITS | RELUS | POWERS, FLOATS)
def test_quantizing_twice_changes_nothing(quantizer: Quantizer, numbers: list[float]) -> None:
    once = of(quantizer, *numbers)
    assert of(quantizer, *once) == once


@given(BITS | RELUS | SIGMOIDS.filter(lambda q: not q.use_real_sigmoid), FLOATS)
def test_results_increase_with_inputs(quantizer: Quantizer, numbers: list[float]) -> None:
    results = of(quantizer, *sorted(numbers))
    assert results == sorted(results)


@given(POWERS, FLOATS)
def test_powers_of_two_have_the_sign_of_the_input(
    quantizer: Quantizer, numbers: list[float]
) -> None:
    for x, y in zip(numbers, of(quantizer, *numbers), strict=True):
        assert (y > 0) == (x > -np.finfo(np.float32).smallest_normal)
        assert np.frexp(abs(y))[0] == 0.5


@given(MATRICES, st.integers(2, 8), st.integers(-3, 3))
def test_float_scales_follow_the_weights(w: F32, bits: int, exponent: int) -> None:
    quantizer = QuantizedBits(bits, symmetric=True, alpha="auto")
    factor = np.float32(2.0**exponent)
    assert_array_equal(quantize(quantizer, w * factor), quantize(quantizer, w) * factor)


@given(MATRICES, st.integers(2, 8))
def test_float_scales_use_every_channels_largest_weight(w: F32, bits: int) -> None:
    quantized = quantize(QuantizedBits(bits, symmetric=True, alpha="auto"), w)
    largest = np.abs(w).max(axis=0)
    assert (np.abs(np.abs(quantized).max(axis=0) - largest) <= np.spacing(largest)).all()


@given(MATRICES, st.integers(2, 8))
def test_power_of_two_scales_give_few_codes(w: F32, bits: int) -> None:
    for channel in quantize(QuantizedBits(bits, symmetric=True, alpha="auto_po2"), w).T:
        step = np.gcd.reduce((channel * 2.0**40).astype(np.int64)) / 2.0**40
        assert np.abs(channel / step).max() <= 2 ** (bits - 1) - 1


@given(MATRICES)
def test_automatic_ternary_weights_have_one_magnitude_a_channel(w: F32) -> None:
    for channel in quantize(Ternary(alpha="auto_po2"), w).T:
        assert len(np.unique(np.abs(channel[channel != 0]))) == 1


@pytest.mark.parametrize(
    ("quantizer", "numbers", "expected"),
    [
        (QuantizedBits(4, 3), [0.5, 1.5, 2.5, -0.5, 9, -9], [0, 2, 2, 0, 7, -8]),
        (QuantizedBits(4, 3, symmetric=True), [-9], [-7]),
        (QuantizedBits(2, 2, keep_negative=False), [-1, 1.5, 9], [0, 2, 3]),
        (QuantizedBits(1, 3, alpha=0.5), [-2, -0.0, 0, 2], [-0.5, 0.5, 0.5, 0.5]),
        (QuantizedBits(4, 0, alpha=2.0), [0.25], [0.5]),
        (QuantizedBits(3, 2, alpha=(1.0, 0.5)), [3, 3], [3, 1.5]),
        (QuantizedRelu(4, 1, negative_slope=0.25), [-9, -1, 0.3, 9], [-0.5, -0.25, 0.25, 1.75]),
        (QuantizedRelu(4, 1, negative_slope=-0.5), [-9, -1, 0.3, 9], [0, 0, 0.25, 1.75]),
        (QuantizedRelu(4, 0, use_sigmoid=True), [-1, 0.1, 0.9, 2], [0, 0.125, 0.875, 0.9375]),
        (QuantizedRelu(4, 2, relu_upper_bound=1.0), [3], [3]),
        (QuantizedRelu(4, 2, relu_upper_bound=1.125, is_quantized_clip=False), [3, 1], [1.125, 1]),
        (QuantizedTanh(1), [-2, 2], [-1, 0]),
        (QuantizedPo2(4), [0, -0.0, -1e-8, 3, 100], [0.0625, 0.0625, -0.0625, 4, 8]),
        (QuantizedPo2(4, 3.0), [100], [4]),
        (QuantizedPo2(4, 0.7), [100], [0.5]),
        (QuantizedPo2(4, log2_rounding="floor"), [3.9, 4], [2, 4]),
        (QuantizedPo2(5, quadratic_approximation=True), [0, 2, 8, 1e9], [2.0**-8, 1, 16, 4096]),
        (QuantizedReluPo2(3), [-7, 0, 100], [0.0625, 0.0625, 8]),
        (QuantizedReluPo2(3, negative_slope=0.5), [-7, 0], [-4, 0.0625]),
        (Binary(), [-3, -0.0, 3], [-1, 1, 1]),
        (Binary(use_01=True, alpha=2.0), [-3, 0, 3], [0, 2, 2]),
        (Ternary(), [-0.34, 0.32, 0.33], [-1, 0, 1]),
        (Ternary(alpha=2.0, threshold=0.5), [0.49, 0.5], [0, 2]),
        (QuantizedBits(4, -2), [0.05, -1], [0.0625, -0.25]),
        (QuantizedBits(2, 1, qnoise_factor=0.25), [0.75, 9], [0.8125, 7]),
        (QuantizedBits(2, 1, qnoise_factor=0.25, use_ste=False), [0.75, 9], [0.8125, 7]),
        (QuantizedBits(4, use_ste=False), [2e7], [0.875]),
        (FROZEN, [0.25, -0.25, 0.24, 9, -9], [0.5, -0.5, 0, 3.5, -3.5]),
        (QuantizedLinear(4, 1), [0.3, 1, -5, 0.375, -0.375, 0.125], [0.25, 1, -1.75, 0.5, -0.5, 0]),
        (QuantizedLinear(4, 1, False), [-5], [-2]),
        (QuantizedLinear(4, 1, alpha=2.0), [0.75, 9], [1, 3.5]),
        (QuantizedLinear(3, 0, keep_negative=False), [-1, 0.99, 0.3], [0, 0.875, 0.25]),
        (QuantizedLinear(1), [-3, -0.0, 0, 1e-9, -1e-9, 3], [-0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
        (QuantizedLinear(4, 1, qnoise_factor=0.5), [0.3125], [0.28125]),
        (HSWISH, [3, -3, -9, -1, 1, 9], [3, 0, 0, -0.34375, 0.65625, 3.96875]),
        (QuantizedUlaw(2), [-2, 0, 2], [-1, 0, 0.5]),
        (QuantizedUlaw(2, 1, True), [-4, 0, 4], [-1, 0, 1]),
        (HardFunction.BINARY_SIGMOID, [-1, 0, 1e-3], [0, 0, 1]),
        (HardFunction.BINARY_TANH, [0, 1], [-1, 1]),
        (HardFunction.HARD_TANH, [-0.25, 2], [-0.25, 1]),
        (HardFunction.SMOOTH_SIGMOID, [1, 4], [0.6875, 1]),
    ],
)
def test_known_values(quantizer: Quantizer, numbers: list[float], expected: list[float]) -> None:
    assert of(quantizer, *numbers) == expected


def test_float32_logarithms_decide_between_powers_of_two() -> None:
    """``fl(2 ** (k + 0.5))`` lies between ``2 ** k`` and its double; QKeras takes these."""
    middles = [2.0 ** (k + 0.5) for k in range(-2, 3)]
    assert of(QuantizedPo2(5), *middles) == [0.25, 0.5, 1, 4, 4]


def test_a_scale_that_is_no_power_of_two_leaves_the_grid() -> None:
    """``x + (-x + 0.3)`` rounds twice."""
    assert of(Binary(alpha=0.3), 1000.0) == [np.float32(1000) + np.float32(-999.7)]
    assert of(Binary(alpha=0.3), 1000.0) != [np.float32(0.3)]


def test_far_beyond_its_range_a_quantizer_returns_anything() -> None:
    assert of(QuantizedBits(4), 2e6, 1e7, 2e7) == [0.875, 1.0, 0.0]
    assert np.isnan(of(QuantizedBits(4), 1e38)).all()


def test_one_bit_kernels_with_an_automatic_scale_are_zero() -> None:
    w = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
    assert not quantize(QuantizedBits(1, symmetric=True, alpha="auto_po2"), w).any()


def test_a_vector_has_one_scale_if_float_and_many_if_powers_of_two() -> None:
    bias = np.array([0.1, 1.0, 7.0], np.float32)
    assert of(QuantizedBits(2, symmetric=True, alpha="auto"), *bias) == [0, 0, 7]
    assert of(QuantizedBits(2, symmetric=True, alpha="auto_po2"), *bias) == [0.125, 1, 8]


def test_automatic_codes_round_half_away_from_zero() -> None:
    w = np.array([[0.5], [-0.5], [1.5], [3]], np.float32)
    assert_array_equal(quantize(QuantizedBits(3, 0, True, alpha="auto"), w), [[1], [-1], [2], [3]])


@pytest.mark.parametrize(
    "quantizer", [QuantizedBits(4), QuantizedRelu(4), QuantizedPo2(4), Binary()]
)
def test_nan_stays(quantizer: Quantizer) -> None:
    assert np.isnan(of(quantizer, np.nan)).all()


def test_denormal_inputs_count_as_zero() -> None:
    assert of(Binary(), -1e-40, -2e-38) == [1, -1]


@pytest.mark.parametrize(
    "quantizer", [QuantizedPo2(4), QuantizedTanh(4, use_real_tanh=True), Ternary()]
)
def test_shape_and_type_stay(quantizer: Quantizer) -> None:
    result = quantize(quantizer, np.ones((2, 3, 5), np.float32))
    assert result.shape == (2, 3, 5)
    assert result.dtype == np.float32


def test_logarithmic_levels() -> None:
    """``ln(1 + 255 r) / ln(256)`` for quarters, but for the end, which is clipped."""
    expected = [-1, -0.948, -0.876, -0.752, 0, 0.752, 0.875]
    places = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5]
    np.testing.assert_array_equal(np.round(of(QuantizedUlaw(4), *places), 3), expected)


def column(q: Quantizer, *numbers: float) -> list[float]:
    result: list[float] = quantize(q, np.array(numbers, np.float32)[:, np.newaxis])[:, 0].tolist()
    return result


def test_exponents_of_scales_have_ends() -> None:
    """Without them the scale is 1."""
    q = QuantizedBits(3, 0, symmetric=True, alpha="auto_po2")
    assert column(q, 1, 3) == [1, 3]
    assert column(replace(q, max_po2_exponent=-1), 1, 3) == [1, 1.5]
    assert column(replace(q, min_po2_exponent=3), 1, 3, 5) == [0, 0, 8]
    assert column(replace(q, min_po2_exponent=3, max_po2_exponent=-1), 1, 3, 5) == [0, 0, 8]


def test_groups_of_elements_share_a_scale() -> None:
    q = QuantizedBits(2, 0, True, alpha="auto_po2", scale_axis=1)
    w = np.array([[1, 3, 8, 8]], np.float32)
    assert_array_equal(quantize(q, w), [[1, 4, 8, 8]])
    assert_array_equal(quantize(replace(q, elements_per_scale=2), w), [[2, 2, 8, 8]])


def test_scales_may_differ_along_several_axes() -> None:
    w = np.array([[[1.0, 2.0]], [[4.0, 8.0]]], np.float32).repeat(3, 1)
    q = QuantizedBits(2, 0, True, alpha="auto_po2", scale_axis=(0, 2))
    assert_array_equal(quantize(q, w), w)
    assert not np.array_equal(quantize(replace(q, scale_axis=2), w), w)


def test_a_linear_automatic_scale_clips_nothing() -> None:
    """Half to even, where ``quantized_bits`` rounds away from 0."""
    w = np.array([[0.5], [-0.5], [1.5], [3]], np.float32)
    assert_array_equal(quantize(QuantizedLinear(3, alpha="auto"), w), [[0], [0], [2], [3]])


def test_an_element_inside_a_tensor_has_another_logarithm_than_the_last() -> None:
    q = QuantizedPo2(4, quadratic_approximation=True)
    half = np.full(5, 0.5, np.float32)
    assert set(quantize(q, half)) == {0.25}
    assert set(quantize_body(q, half)) == {1.0}
