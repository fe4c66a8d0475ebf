from fractions import Fraction

import numpy as np
import pytest

from qconvert.emit import codes as module
from qconvert.emit.codes import WeightCodes, encode, lowest_bits, on_grid, safe_factors
from qconvert.ir import F32


def decoded(array: F32, axis: int) -> F32:
    found = encode(array, axis)
    assert found is not None
    shape = [1] * array.ndim
    if found.axis is not None:
        shape[found.axis] = -1
    return np.ldexp(found.codes.astype(np.float32), found.exps.reshape(shape).astype(np.int32))


@pytest.mark.parametrize(
    ("largest", "bits"),
    [(127, 8), (-128, 8), (128, 16), (-129, 16), (-32768, 16), (32768, 32), (1 << 24, 8),
     ((1 << 24) - 1, 32)],
)  # fmt: skip
def test_width_follows_from_the_largest_code(largest: int, bits: int) -> None:
    array = np.array([[1, 0], [largest, 3]], np.float32)
    if largest == 1 << 24:
        array[0, 0], array[1, 1] = 0, largest
    found = encode(array, 1)
    assert found is not None
    assert (found.bits, found.axis) == (bits, None)
    np.testing.assert_array_equal(decoded(array, 1), array)


def test_step_per_channel_only_where_it_makes_the_codes_narrower() -> None:
    kernel = np.array([[1, 2**-20], [5, 3 * 2**-20]], np.float32)
    found = encode(kernel, 1)
    assert found is not None
    assert (found.bits, found.axis, found.exps.tolist()) == (8, 1, [0, -20])
    np.testing.assert_array_equal(decoded(kernel, 1), kernel)


def test_step_per_channel_where_it_makes_codes_that_saturate_nowhere() -> None:
    kernel = np.array([[1, 2], [3, 126], [5, 124]], np.float32)
    found = encode(kernel, 1)
    assert found is not None
    assert (found.codes.max(), found.axis, found.exps.tolist()) == (63, 1, [0, 1])


#: Codes of the channels, the largest byte beside them, and whether all sums of pairs fit.
PAIRS = [
    ([[64, 64, -64, -64]], 255, True),
    ([[65, 3, 62], [-3, 66, -62]], 255, True),
    ([[65, 3, 64]], 255, False),
    ([[-65, 3, -63]], 255, True),
    ([[-65, 3, -64]], 255, False),
    # The second is another channel's.
    ([[100, 1, 1], [1, 100, 1]], 255, True),
    # Of both signs: no pair is further from 0 than one of them beside a padding of 0.
    ([[127, -128]], 255, True),
    # 16 bits have one more number below 0.
    ([[-128, -128]], 128, True),
    ([[-128, -128]], 129, False),
    ([[127, 127]], 129, True),
    ([[127, 127]], 130, False),
    # Alone, beside a padding.
    ([[127], [-128]], 255, True),
    ([[127, -127]], 260, False),
    ([[128, 0]], 1, False),
    ([[-129, 0]], 1, False),
]


@pytest.mark.parametrize(("channels", "x_largest", "safe"), PAIRS)
@pytest.mark.parametrize("outputs", [0, 1, 2])
@pytest.mark.parametrize("at_once", [1, 1 << 16])
def test_any_two_products_of_a_channel_have_to_fit_in_16_bits(
    channels: list[list[int]],
    x_largest: int,
    safe: bool,
    outputs: int,
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    codes = np.moveaxis(np.array(channels, np.int32)[:, np.newaxis], 0, outputs)
    assert WeightCodes(codes, np.zeros(1, np.int64), outputs).is_safe(x_largest) is safe


@pytest.mark.parametrize("x_largest", [1, 15, 127, 130, 255])
def test_no_larger_factor_is_safe(x_largest: int) -> None:
    random = np.random.default_rng(x_largest)
    codes = random.integers(-9, 10, (40, 3)) * random.integers(0, 2, (40, 3))
    factors = safe_factors(codes, x_largest)

    def safe(row: int, factor: int) -> bool:
        found = WeightCodes(codes[row : row + 1] * factor, np.zeros(1, np.int64), 0)
        return found.is_safe(x_largest)

    assert all(safe(row, factor) for row, factor in enumerate(factors.tolist()))
    assert factors.max() == 127 > factors.min()
    assert not any(safe(row, n + 1) for row, n in enumerate(factors.tolist()) if n < 127)


def test_any_numbers_have_codes_with_one_step_each() -> None:
    array = np.random.default_rng(0).standard_normal((50, 1, 1), dtype=np.float32)
    np.testing.assert_array_equal(decoded(array, 0), array)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e-40, 2.0**30])
def test_numbers_without_a_common_step_have_no_codes(bad: float) -> None:
    assert encode(np.array([1.0, bad, 0.1], np.float32).reshape(3, 1), 1) is None


def test_zeros_fit_any_step() -> None:
    found = encode(np.array([[0, 0.5], [0, 0.25]], np.float32), 1)
    assert found is not None
    assert (found.bits, found.exps.tolist()) == (8, [-2])
    np.testing.assert_array_equal(decoded(np.zeros((2, 2), np.float32), 1), np.zeros((2, 2)))


def test_a_number_far_below_a_step_is_no_multiple_of_it() -> None:
    """In float32 its quotient is 0, which is an integer."""
    tiny, steps = np.array([2.0**-149], np.float32), np.array([100])
    assert on_grid(tiny, steps) is None
    assert on_grid(np.zeros(1, np.float32), steps) is not None


def test_a_number_far_above_a_step_has_no_code() -> None:
    assert on_grid(np.array([2.0**100], np.float32), np.array([-100])) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_codes_do_not_depend_on_how_many_are_taken_at_once(
    axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    array = np.ldexp(random.integers(-9, 9, (3, 7, 5)), random.integers(-4, 4, (3, 1, 5)))
    array = array.astype(np.float32)
    whole = encode(array, axis)
    monkeypatch.setattr(module, "_AT_ONCE", 8)
    parts = encode(array, axis)
    assert whole is not None and parts is not None
    assert whole.axis == parts.axis
    np.testing.assert_array_equal(whole.exps, parts.exps)
    np.testing.assert_array_equal(whole.codes, parts.codes)


@pytest.mark.parametrize("perm", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_codes_lie_in_memory_as_the_weights_do(perm: tuple[int, int, int]) -> None:
    """What is transposed is transposed once, when bytes of it are stored."""
    array = np.arange(-12, 12, dtype=np.float32).reshape(2, 3, 4).transpose(perm)
    found = encode(array, 0)
    assert found is not None
    assert found.codes.strides == array.strides
    np.testing.assert_array_equal(found.codes, array)


@pytest.mark.parametrize(("dtype", "zero"), [("uint8", 128), ("int8", 0)])
def test_stored_codes_have_their_zero_point(dtype: str, zero: int) -> None:
    codes = np.arange(-128, 128, dtype=np.int32)
    stored = WeightCodes(codes, np.zeros(1, np.int64), 0).stored_as(dtype, zero)
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored.astype(np.int64) - zero, codes)


def test_lowest_bits_of_the_smallest_and_the_largest_numbers() -> None:
    numbers = [2.0**-149, 3 * 2.0**-140, 2.0**-126, -1.5, 0.1, float(np.finfo(np.float32).max)]
    array = np.array(numbers, np.float32)
    for number, exp in zip(array.tolist(), lowest_bits(array).tolist(), strict=True):
        assert (Fraction(number) / Fraction(2) ** exp).numerator % 2 == 1
        assert (Fraction(number) / Fraction(2) ** exp).denominator == 1
