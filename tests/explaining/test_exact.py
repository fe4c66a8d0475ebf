from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qconvert.explaining import Agreement
from qconvert.explaining.exact import agreement, code, dyadic, exponent, nearest, step_of

numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(numbers, numbers)
def test_products_are_rounded_as_float32_rounds_them(x: float, y: float) -> None:
    with np.errstate(all="ignore"):
        product = np.float32(x) * np.float32(y)
    assert nearest(Fraction(x) * Fraction(y)) == float(product)


@given(numbers, st.integers(1, 1000))
def test_quotients_are_rounded_as_float32_rounds_them(x: float, y: int) -> None:
    assert nearest(Fraction(x) / y) == float(np.float32(x) / np.float32(y))


@given(st.lists(numbers, min_size=1))
def test_numbers_are_codes_of_their_common_step(xs: list[float]) -> None:
    exp = step_of(xs)
    if exp is None:
        assert not any(xs)
        return
    assert all(dyadic(code(x, exp), exp) == Fraction(x) for x in xs)
    assert any(code(x, exp) % 2 for x in xs), "a larger step would do"


def test_a_tie_goes_to_the_even_number() -> None:
    assert nearest(Fraction(2**24 + 1)) == 2**24
    assert nearest(Fraction(2**24 + 3)) == 2**24 + 4
    # A little more than a tie, which float64 does not see.
    assert nearest(Fraction(2**24 + 1) + Fraction(1, 2**80)) == 2**24 + 2


def test_an_exponent_is_that_of_the_lowest_bit() -> None:
    assert [exponent(x) for x in (1.0, 6.0, 0.375, -2.0)] == [0, 1, -3, 1]


def test_what_float32_made_of_a_number_is_told_apart() -> None:
    third = Fraction(1, 3)
    rounded = float(np.float32(1) / np.float32(3))
    assert agreement(Fraction(1, 4), 0.25) is Agreement.EXACT
    assert agreement(third, rounded) is Agreement.ROUNDED
    assert agreement(third, float(np.nextafter(np.float32(rounded), 1))) is Agreement.DIFFERENT
    assert agreement(third, float("inf")) is Agreement.DIFFERENT
