"""Numbers for stairs are found wherever there are some, and nowhere else."""

from fractions import Fraction

import numpy as np
import pytest

from qconvert.checking.repair.stairs import Stairs, climbed


def rounded(sums: np.ndarray, bias: int, multiplier: float, lo: int, hi: int) -> np.ndarray:
    """The operator's own arithmetic."""
    product = (sums + bias).astype(np.float32) * np.float32(multiplier)
    return np.asarray(np.clip(np.rint(product), lo, hi).astype(np.int64))


def exist(stairs: Stairs) -> bool:
    """Whether any bias of a small number leaves an interval, in exact arithmetic."""
    half = Fraction(1, 2)
    for bias in range(-300, 301):
        low, high = Fraction(0), Fraction(10**9)
        for total, code in zip(stairs.sums.tolist(), stairs.codes.tolist(), strict=True):
            bounds = [(code - half, True)] if code > stairs.lo else []
            bounds += [(code + half, False)] if code < stairs.hi else []
            for number, above in bounds:
                bound = Fraction(total + bias) / number
                if above == (number > 0):
                    high = min(high, bound)
                else:
                    low = max(low, bound)
        if low < high:
            return True
    return False


@pytest.mark.parametrize("seed", range(60))
def test_all_codes_of_some_numbers_are_climbed(seed: int) -> None:
    random = np.random.default_rng(seed)
    sums = np.arange(-40, 41) * random.integers(1, 6)
    lo, hi = (-8, 7) if seed % 2 else (0, 15)
    codes = rounded(sums, int(random.integers(-30, 31)), float(random.uniform(0.01, 0.5)), lo, hi)
    found = climbed(Stairs(sums, codes, lo, hi))
    assert found is not None
    np.testing.assert_array_equal(rounded(sums, *found, lo, hi), codes)


def test_none_are_found_where_there_are_none() -> None:
    """Stairs with one step moved by one sum: some can be climbed, and some cannot."""
    seen = set()
    for seed in range(60):
        random = np.random.default_rng(seed)
        sums = np.arange(-20, 21)
        codes = rounded(sums, int(random.integers(-10, 11)), float(random.uniform(0.2, 0.6)), -8, 7)
        steps = np.flatnonzero(np.diff(codes))
        at = int(random.choice(steps))
        codes[at] = codes[at + 1]
        stairs = Stairs(sums, codes, -8, 7)
        found = climbed(stairs)
        assert (found is not None) == exist(stairs)
        seen.add(found is not None)
        if found is not None:
            np.testing.assert_array_equal(rounded(sums, *found, -8, 7), codes)
    assert seen == {True, False}


def test_codes_that_rise_and_fall_have_none() -> None:
    assert climbed(Stairs(np.arange(4), np.array([0, 1, 0, 1]), 0, 3)) is None


def test_sums_that_float32_rounds_have_none() -> None:
    sums = np.array([0, 1 << 25])
    assert climbed(Stairs(sums, np.array([0, 1]), 0, 1)) is None
