import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir.quantizers import QuantizedBits
from qconvert.numerics import adaptive_integer, inverse_deviation, quantize, reciprocal_sqrt


def integer(low: float, high: float, **options: bool) -> int:
    lowest, highest = (np.array([value], np.float32) for value in (low, high))
    (found,) = adaptive_integer(
        lowest,
        highest,
        bits=6,
        symmetric=options.get("symmetric", True),
        keep_negative=options.get("keep_negative", True),
        po2_rounding=options.get("po2_rounding", False),
    ).tolist()
    return int(found)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 0.9, 0),
        (0.0, 1.0, 1),  # 1 - 2**-5 is the largest number without integer bits.
        (-1.0, 0.5, 1),
        (0.0, 1.9, 1),
        (0.0, 1.99, 2),
        (-3.0, 1.0, 2),
        (-9e9, 1.0, 5),
    ],
)
def test_integer_bits_hold_both_extremes(low: float, high: float, expected: int) -> None:
    assert integer(low, high) == expected


def test_an_unsymmetric_range_reaches_a_negative_power_of_two() -> None:
    assert (integer(-4.0, 1.0), integer(-4.0, 1.0, symmetric=False)) == (3, 2)


def test_negative_extremes_do_not_count_where_negative_numbers_are_cut() -> None:
    assert integer(-30.0, 0.5, keep_negative=False) == 0


def test_rounded_to_a_power_of_two_the_range_may_be_too_small() -> None:
    assert (integer(0.0, 2.7, po2_rounding=True), integer(0.0, 2.7)) == (1, 2)


def test_a_real_division_is_not_a_reciprocal_root() -> None:
    variance = np.linspace(0.1, 9, 64, dtype=np.float32)
    gamma = np.full(64, 3, np.float32)
    divided = inverse_deviation(variance, gamma, 0.0, divided=True)
    assert_array_equal(divided, (np.float32(1) / np.sqrt(variance)) * gamma)
    rooted = inverse_deviation(variance, gamma, 0.0, divided=False)
    assert_array_equal(rooted, reciprocal_sqrt(variance) * gamma)
    assert np.any(divided != rooted)


def test_later_codes_are_of_the_last_scale() -> None:
    """Where ``epsilon`` is as large as the scale, each round finds another one."""
    x = np.array([[-1.186750537840453e-07], [8.711116095128091e-08]], np.float32)
    old = quantize(QuantizedBits(6, 0, True, alpha="auto_po2"), x)
    new = quantize(QuantizedBits(6, 0, True, alpha="auto_po2", codes_of_last_scale=True), x)
    assert np.any(old != new)
    assert np.abs(new - x).max() < np.abs(old - x).max()
