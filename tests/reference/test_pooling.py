import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32
from qconvert.ir.ops import Pool, Reduce
from qconvert.reference import apply


def line(*values: float) -> F32:
    return np.array(values, np.float32).reshape(1, -1, 1)


def test_maximum_ignores_the_padding_of_negative_inputs() -> None:
    op = Pool("max", (2,), (2,), ((1, 1),))
    assert_array_equal(apply(op, line(-5, -3, -4, -2)), line(-5, -3, -2))


def test_mean_divides_by_the_elements_inside() -> None:
    op = Pool("mean", (3,), (1,), ((1, 1),))
    assert_array_equal(apply(op, line(2, 4, 9, 11)), line(3, 5, 8, 10))


def test_mean_counts_in_two_dimensions() -> None:
    """Corners of a padded 2x2 map see 4 elements of the 9 in the window."""
    x = np.array([1, 2, 3, 6], np.float32).reshape(1, 2, 2, 1)
    op = Pool("mean", (3, 3), (1, 1), ((1, 1), (1, 1)))
    assert_array_equal(apply(op, x), np.full((1, 2, 2, 1), 3, np.float32))


def test_mean_is_a_division_not_a_product_with_the_reciprocal() -> None:
    sums = np.arange(1, 1000, dtype=np.float32)
    x = np.stack([sums, 0 * sums, 0 * sums], axis=1)[:, :, np.newaxis]
    assert (sums * (np.float32(1) / np.float32(3)) != sums / np.float32(3)).any()
    assert_array_equal(apply(Pool("mean", (3,), (3,), ((0, 0),)), x).ravel(), sums / np.float32(3))
    assert_array_equal(apply(Reduce("mean", (1,), False), x).ravel(), sums / np.float32(3))


def test_strides_may_differ_from_the_window_and_between_axes() -> None:
    x = np.arange(20, dtype=np.float32).reshape(1, 4, 5, 1)
    op = Pool("max", (2, 1), (1, 2), ((0, 0), (0, 0)))
    expected = np.array([[5, 7, 9], [10, 12, 14], [15, 17, 19]], np.float32)
    assert_array_equal(apply(op, x), expected.reshape(1, 3, 3, 1))


def test_channels_are_pooled_apart() -> None:
    x = np.array([[1, 40], [3, 20]], np.float32).reshape(1, 2, 2)
    assert_array_equal(apply(Pool("mean", (2,), (2,), ((0, 0),)), x), [[[2, 30]]])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("max", [7, 8]), ("min", [1, -6]), ("sum", [15, 4]), ("mean", [3.75, 1])],
)
def test_reduction_over_two_axes(kind: str, expected: list[float]) -> None:
    x = np.array([[[1, 8], [2, -6]], [[7, 2], [5, 0]]], np.float32)[np.newaxis]
    op = Reduce(kind, (1, 2), keepdims=False)  # type: ignore[arg-type]
    assert_array_equal(apply(op, x), np.array([expected], np.float32))


def test_reduction_keeps_axes_of_length_one_if_told() -> None:
    x = np.ones((2, 3, 4, 5), np.float32)
    assert apply(Reduce("sum", (1, 3), keepdims=True), x).shape == (2, 1, 4, 1)
    assert apply(Reduce("sum", (1, 3), keepdims=False), x).shape == (2, 4)
