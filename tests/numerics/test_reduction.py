import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from qconvert.numerics.reduction import mean


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    st.integers(0, 3),
    st.integers(0, 99),
)
def test_means_of_small_integers_are_exact(shape: tuple[int, ...], axis: int, seed: int) -> None:
    kept = axis % len(shape)
    x = np.random.default_rng(seed).integers(-99, 99, shape).astype(np.float32)
    axes = tuple(i for i in range(x.ndim) if i != kept)
    sums = x.astype(np.float64).sum(axis=axes, keepdims=True)
    count = x.size // x.shape[kept]
    assert_array_equal(mean(x, (kept,)), (sums / count).astype(np.float32))


def test_a_vector_is_its_own_mean() -> None:
    x = np.array([0.1, 7, -3], np.float32)
    assert_array_equal(mean(x, (0,)), x)


@pytest.mark.parametrize(("rows", "expected"), [(8, 0.0), (16, 4.0)])
def test_many_rows_have_four_accumulators(rows: int, expected: float) -> None:
    """2**26 swallows the ones that meet it: all in one accumulator, only some in four."""
    x = np.zeros((rows, 8), np.float32)
    x[0], x[4] = 2.0**26, -(2.0**26)
    x[1:4] = 1
    total = 3.0 if expected else 0.0
    assert_array_equal(mean(x, (1,)), np.full((1, 8), total / rows, np.float32))


def test_the_last_columns_have_one_accumulator() -> None:
    x = np.zeros((16, 9), np.float32)
    x[0], x[4] = 2.0**26, -(2.0**26)
    x[1:4] = 1
    assert_array_equal(mean(x, (1,))[0] * 16, [3] * 8 + [0])


def test_a_whole_tensor_is_added_in_lanes() -> None:
    x = np.zeros((16, 1), np.float32)
    x[0], x[8] = 2.0**26, -(2.0**26)
    x[1:8] = 1
    assert_array_equal(mean(x, (1,)) * 16, [[7]])
