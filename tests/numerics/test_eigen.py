from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32
from qconvert.numerics import reciprocal_sqrt
from qconvert.numerics.eigen import log, sigmoid, tanh

POSITIVE = np.arange(0x00800000, 0x7F800000, 100_003, dtype=np.int32).view(np.float32)
AROUND_ZERO = np.linspace(-15, 15, 20_011, dtype=np.float32)


@pytest.mark.parametrize(
    ("function", "exact", "x", "ulps"),
    [
        (log, np.log, POSITIVE, 3),
        (reciprocal_sqrt, lambda x: 1 / np.sqrt(x), POSITIVE, 4),
        (tanh, np.tanh, AROUND_ZERO, 6),
        (sigmoid, lambda x: 1 / (1 + np.exp(-x)), AROUND_ZERO, 6),
    ],
)
def test_stays_close_to_the_function(
    function: Callable[[F32], F32], exact: Callable[[object], F32], x: F32, ulps: int
) -> None:
    expected = exact(x.astype(np.float64))
    distance = np.abs(function(x) - expected) / np.spacing(np.abs(expected).astype(np.float32))
    assert 0.5 < distance.max() < ulps


@pytest.mark.parametrize("function", [log, reciprocal_sqrt, sigmoid])
def test_the_end_of_a_tensor_goes_another_way(function: Callable[[F32], F32]) -> None:
    x = POSITIVE[9000:10000] if function is not sigmoid else AROUND_ZERO[::20]
    alone = np.concatenate([function(part) for part in np.split(x, x.size)])
    together = function(np.resize(x, x.size + 8))[: x.size]
    differing = (alone != together).mean()
    assert 0.01 < differing < 0.6


def test_tanh_is_the_same_everywhere() -> None:
    alone = np.concatenate([tanh(part) for part in np.split(AROUND_ZERO[:500], 500)])
    assert_array_equal(alone, tanh(AROUND_ZERO[:500]))


def test_reciprocal_square_roots_of_eight_equal_numbers() -> None:
    """``rsqrtps(4) == 0.49987793``; one step of Newton's method stops an ulp short of 0.5."""
    vector = reciprocal_sqrt(np.full(8, 4, np.float32))
    tail = reciprocal_sqrt(np.full(7, 4, np.float32))
    assert set(vector.tolist()) == {0.5 - 2.0**-24}
    assert set(tail.tolist()) == {0.5}


@pytest.mark.parametrize("length", [1, 8])
def test_special_values(length: int) -> None:
    def of(function: Callable[[F32], F32], x: float) -> float:
        return float(function(np.full(length, x, np.float32))[0])

    assert of(log, 0) == -np.inf
    assert np.isnan(of(log, -1))
    assert of(log, np.inf) == np.inf
    assert of(reciprocal_sqrt, 0) == np.inf
    assert of(tanh, 30) == 1
    assert of(sigmoid, 30) == 1
    assert of(sigmoid, -200) == 0


def test_shape_stays() -> None:
    assert log(np.ones((3, 5), np.float32)).shape == (3, 5)
