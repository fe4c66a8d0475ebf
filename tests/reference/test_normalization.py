from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from qconvert.ir import F32
from qconvert.ir.ops import BatchNormalization
from qconvert.reference import apply
from qconvert.reference.fma import multiply_add

FLOATS = st.floats(-(2.0**40), 2.0**40, width=32)


def f32(*values: float) -> F32:
    return np.array(values, np.float32)


def test_statistics_belong_to_the_last_axis() -> None:
    op = BatchNormalization(f32(1, 10), f32(3.75, 0), f32(4, 1), f32(0, 100), 0.25)
    x = np.array([[[3, 11], [5, 12]]], np.float32)
    assert_array_equal(apply(op, x), [[[4, 102], [8, 104]]])


def test_missing_gamma_is_one_and_missing_beta_zero() -> None:
    op = BatchNormalization(f32(1, 10), f32(3.75, 0), None, None, 0.25)
    x = np.array([[[3, 11], [5, 12]]], np.float32)
    assert_array_equal(apply(op, x), [[[1, 2], [2, 4]]])


def test_separate_program_rounds_the_shift_before_it_adds() -> None:
    """Neither 1.5 reaches the last place of 2**25; their sum, (x - mean) * 1.5, would."""
    op = BatchNormalization(f32(-1), f32(0.75), f32(1.5), f32(2.0**25), 0.25)
    assert apply(op, f32(1).reshape(1, 1)).item() == 2.0**25


def test_fused_program_subtracts_the_mean_first() -> None:
    """In the other order 7 * 2**23 would drown the difference."""
    mean = f32(2.0**23 + 1, 2.0**23 + 1, 2.0**23 + 1)
    op = BatchNormalization(mean, f32(0, 0, 0), f32(3, 5, 7), f32(0, 0, 0), 1.0, fused=True)
    x = f32(2.0**23 + 2, 2.0**23 + 2, 2.0**23 + 2).reshape(1, 1, 1, 3)
    assert_array_equal(apply(op, x).ravel(), [3, 5, 7])


def test_fused_program_of_four_channels_rounds_once_after_the_product() -> None:
    """(1 + 2**-12)**2 - 1 - 2**-11 is 2**-24 with one rounding, and 0 with two."""
    big = 1 + 2.0**-12
    for channels, expected in ((4, 2.0**-24), (8, 2.0**-24), (3, 0.0), (5, 0.0), (6, 0.0)):
        zeros, gamma = np.zeros(channels, np.float32), np.full(channels, big, np.float32)
        beta = np.full(channels, -1 - 2.0**-11, np.float32)
        op = BatchNormalization(zeros, zeros, gamma, beta, 1.0, fused=True)
        x = np.full((1, 1, 1, channels), big, np.float32)
        assert_array_equal(apply(op, x).ravel(), np.full(channels, expected, np.float32))


def test_fused_multiply_add_survives_double_rounding() -> None:
    """97 * 172961 is 2**24 + 1, halfway between floats; float64 loses the addend beside it."""
    tiny = 2.0**-40
    assert multiply_add(f32(97), f32(172961), f32(tiny)) == f32(2.0**24 + 2)
    assert multiply_add(f32(97), f32(172961), f32(-tiny)) == f32(2.0**24)
    assert multiply_add(f32(-97), f32(172961), f32(-tiny)) == f32(-(2.0**24) - 2)


def test_fused_multiply_add_survives_double_rounding_of_denormal_numbers() -> None:
    """13613 * 1893029 is 3 * 2**33 + 1; in units of 2**-149 the sum is 2**22 + 2.5 and a bit."""
    a, b = f32(13613 * 2.0**-90), f32(1893029 * 2.0**-93)
    c = f32(2.0**-127 + 2.0**-149)
    assert multiply_add(a, b, c) == f32(2.0**-127 + 3 * 2.0**-149)
    assert multiply_add(-a, b, -c) == f32(-(2.0**-127) - 3 * 2.0**-149)


@given(FLOATS, FLOATS, FLOATS)
def test_fused_multiply_add_is_the_nearest_float(a: float, b: float, c: float) -> None:
    result = multiply_add(f32(a), f32(b), f32(c))[0]
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    error = abs(Fraction(float(result)) - exact)
    for other in (np.nextafter(result, np.float32(np.inf)), np.nextafter(result, f32(-np.inf)[0])):
        assert error <= abs(Fraction(float(other)) - exact)
