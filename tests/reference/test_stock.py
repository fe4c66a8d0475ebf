"""The ops of stock layers on numbers that can be followed by hand."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32, Op
from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    UnfoldTime,
    UnitNormalize,
    WithConstant,
)
from qconvert.reference import apply


def f32(values: object) -> F32:
    return np.array(values, np.float32)


X = f32([[-2, 4]])


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (WithConstant("add", f32([1, 2])), [[-1, 6]]),
        (WithConstant("subtract", f32([1, 2])), [[-3, 2]]),
        (WithConstant("subtract", f32([1, 2]), first=True), [[3, -2]]),
        (WithConstant("multiply", f32([3])), [[-6, 12]]),
        (WithConstant("divide", f32([4])), [[-0.5, 1]]),
        (WithConstant("divide", f32([4]), first=True), [[-2, 1]]),
        (WithConstant("maximum", f32([0])), [[0, 4]]),
        (WithConstant("minimum", f32([0])), [[-2, 0]]),
        (PRelu(f32([0.5, 0.25])), [[-1, 4]]),
        (Power(2.0), [[4, 16]]),
        (Power(3.0), [[-8, 64]]),
    ],
)
def test_elementwise(op: Op, expected: object) -> None:
    assert_array_equal(apply(op, X), f32(expected))


def test_division_is_from_left_to_right() -> None:
    assert_array_equal(apply(Divide(), X, f32([[4, 8]])), f32([[-0.5, 0.5]]))


def test_products_are_of_each_sample() -> None:
    x, y = f32([[[1, 2]], [[3, 4]]]), f32([[[5], [6]], [[7], [8]]])
    assert_array_equal(apply(MatMul(), x, y), f32([[[17]], [[53]]]))


def test_nearest_pixels_are_those_under_the_centres() -> None:
    x = f32([0, 1, 2, 3, 4]).reshape(1, 1, 5, 1)
    smaller = apply(Resize((1, 5), (1, 2), "nearest"), x)
    assert_array_equal(smaller.ravel(), f32([1, 3]))
    larger = apply(Resize((1, 5), (2, 7), "nearest"), x)
    assert_array_equal(larger[0, 1, :, 0], f32([0, 1, 1, 2, 3, 3, 4]))


def test_interpolation_repeats_the_border() -> None:
    x = f32([0, 4]).reshape(1, 1, 2, 1)
    y = apply(Resize((1, 2), (2, 4), "bilinear"), x)
    assert_array_equal(y[0, :, :, 0], f32([[0, 1, 3, 4]] * 2))


def test_rows_are_found_by_the_whole_part() -> None:
    table = f32([[1, 2], [3, 4]])
    y = apply(Embedding(table), f32([[0, 1.75]]))
    assert_array_equal(y, f32([[[1, 2], [3, 4]]]))


def test_rows_that_are_not_there_are_no_numbers() -> None:
    y = apply(Embedding(f32([[1, 2]])), f32([[-1, 1, 0]]))
    assert_array_equal(np.isnan(y[0, :, 0]), [True, True, False])


@pytest.mark.parametrize("fused", [True, False])
def test_a_sample_is_normalized_by_itself(fused: bool) -> None:
    op = LayerNormalization((1,), f32([2, 3]), f32([1, -1]), 0.0, fused)
    assert_array_equal(apply(op, f32([[-1, 1], [6, 4]])), f32([[-1, 2], [3, -4]]))


def test_vectors_are_divided_by_their_length() -> None:
    assert_array_equal(apply(UnitNormalize((1,), 1e-12), f32([[0, -4], [0, 0]])), [[0, -1], [0, 0]])


def test_time_is_folded_behind_the_samples() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    folded = apply(FoldTime(), x)
    assert_array_equal(folded[4], x[1, 1])
    assert_array_equal(apply(UnfoldTime(3), folded), x)
