from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qconvert.ir import Quantizer
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    Ternary,
)
from qconvert.numerics import quantize, thresholds


@pytest.mark.parametrize(
    ("quantizer", "values"),
    [
        (QuantizedBits(2), [-1, -0.5, 0, 0.5]),
        (QuantizedRelu(2, 1), [0, 0.5, 1, 1.5]),
        (QuantizedRelu(3, 1, negative_slope=0.5), [-1, -0.5, 0, 0.5, 1, 1.5]),
        (QuantizedRelu(2, 2, relu_upper_bound=1.5, is_quantized_clip=False), [0, 1, 1.5]),
        (QuantizedPo2(3), [-2, -1, -0.5, -0.25, 0.25, 0.5, 1, 2]),
        (QuantizedReluPo2(2), [0.25, 0.5, 1, 2]),
        (QuantizedReluPo2(2, negative_slope=0.5), [-2, -1, -0.5, -0.25, 0.25, 0.5, 1, 2]),
        (QuantizedTanh(2), [-1, -0.5, 0, 0.5]),
        (QuantizedTanh(2, symmetric=True, use_real_tanh=True), [-0.5, 0, 0.5]),
        (QuantizedSigmoid(2, use_real_sigmoid=True), [0, 0.25, 0.5, 0.75]),
        (Binary(), [-1, 1]),
        (Binary(use_01=True, alpha=0.5), [0, 0.5]),
        (Ternary(), [-1, 0, 1]),
        (HardFunction.BINARY_TANH, [-1, 1]),
        (QuantizedBits(4, alpha=0.0), [0]),
    ],
)
def test_values_are_all_levels_in_increasing_order(
    quantizer: Quantizer, values: Sequence[float]
) -> None:
    stairs = thresholds(quantizer)
    assert stairs.values.tolist() == list(values)
    assert len(stairs.thresholds) == len(values) - 1


def test_a_tie_goes_to_the_even_code() -> None:
    above = np.nextafter(np.float32(0.5), np.float32(1))
    assert thresholds(QuantizedRelu(2, 2)).thresholds.tolist() == [
        above,
        1.5,
        np.nextafter(np.float32(2.5), np.float32(3)),
    ]


@settings(max_examples=10, deadline=None)
@given(
    st.builds(
        QuantizedPo2,
        bits=st.integers(2, 6),
        max_value=st.sampled_from([None, 0.7, 3.0, 1.0]),
        log2_rounding=st.sampled_from(["rnd", "floor"]),
    )
    | st.builds(QuantizedTanh, bits=st.integers(2, 8), use_real_tanh=st.booleans()),
    st.integers(0, 2**32 - 1),
)
def test_is_the_quantizer_at_random_inputs(quantizer: Quantizer, seed: int) -> None:
    try:
        stairs = thresholds(quantizer)
    except ValueError:
        return
    x = np.random.default_rng(seed).normal(0, 3, 800).astype(np.float32)
    x = x[~np.isin(x, stairs.exceptions)][:792]
    expected = stairs.values[np.searchsorted(stairs.thresholds, x, side="right")]
    vector = np.resize(x, 800)
    np.testing.assert_array_equal(quantize(quantizer, vector)[: x.size], expected)


def test_exceptions_are_what_the_steps_get_wrong() -> None:
    quantizer = QuantizedTanh(8, use_real_tanh=True)
    stairs = thresholds(quantizer)
    x = stairs.exceptions
    assert 0 < x.size < 1000
    expected = stairs.values[np.searchsorted(stairs.thresholds, x, side="right")]
    assert (quantize(quantizer, np.resize(x, x.size + 8))[: x.size] != expected).all()


def test_reach_ends_where_the_straight_through_sum_loses_the_value() -> None:
    assert thresholds(Binary(alpha=1.0)).reach == 2.0**24
    assert thresholds(Binary()).reach > 2.0**100


@pytest.mark.parametrize(
    ("quantizer", "reason"),
    [
        (QuantizedPo2(5, quadratic_approximation=True), "not monotone"),
        (QuantizedPo2(8), "not monotone"),
        (Binary(alpha=0.3), "not monotone"),
        (HardFunction.HARD_TANH, "more than 65536 levels"),
        (QuantizedBits(17), "more than 65536 levels"),
        (QuantizedBits(4, alpha=(1.0, 2.0)), "not the same for every element"),
        (QuantizedBits(4, symmetric=True, alpha="auto"), "not the same for every element"),
    ],
)
def test_refuses_what_has_no_steps(quantizer: Quantizer, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        thresholds(quantizer)
