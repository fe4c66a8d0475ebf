import numpy as np
from numpy.testing import assert_array_equal

from qconvert.ir import F32
from qconvert.ir.ops import Concat, Pad, Reshape, Slice, Transpose, UpSample
from qconvert.reference import apply


def f32(values: object) -> F32:
    return np.array(values, np.float32)


X = np.arange(12, dtype=np.float32).reshape(1, 3, 4)


def test_concat_keeps_the_order_of_its_inputs() -> None:
    y = apply(Concat(2), f32([[[1], [2]]]), f32([[[3, 4], [5, 6]]]))
    assert_array_equal(y, f32([[[1, 3, 4], [2, 5, 6]]]))


def test_reshape_keeps_the_batch_and_the_order_of_elements() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert_array_equal(apply(Reshape((2, -1)), x)[1], f32([range(12, 18), range(18, 24)]))


def test_transpose_takes_axes_from_the_input() -> None:
    x = np.zeros((2, 3, 4, 5), np.float32)
    assert apply(Transpose((0, 3, 1, 2)), x).shape == (2, 5, 3, 4)


def test_pad_adds_zeros_before_and_after() -> None:
    y = apply(Pad(((1, 0), (0, 2))), f32([[[1, 2]]]))
    assert_array_equal(y, f32([[[0, 0, 0, 0], [1, 2, 0, 0]]]))


def test_slice_counts_negative_ends_from_the_end() -> None:
    op = Slice((-2, 1), (None, -1), (1, 1))
    assert_array_equal(apply(op, X), f32([[[5, 6], [9, 10]]]))


def test_slice_steps_backwards() -> None:
    op = Slice((None, None), (None, None), (-1, -2))
    assert_array_equal(apply(op, X), f32([[[11, 9], [7, 5], [3, 1]]]))


def test_slice_drops_the_axes_that_an_index_took() -> None:
    op = Slice((None, -1), (None, None), (1, 1), squeeze=(2,))
    assert_array_equal(apply(op, X), f32([[3, 7, 11]]))


def test_slice_keeps_axes_of_length_one_that_it_need_not_drop() -> None:
    assert apply(Slice((0, 0), (1, 1), (1, 1), squeeze=(1,)), X).shape == (1, 1)


def test_upsample_repeats_elements_and_not_the_map() -> None:
    y = apply(UpSample((2, 3)), f32([[1, 2]]).reshape(1, 1, 2, 1))
    assert_array_equal(y[0, :, :, 0], f32([[1, 1, 1, 2, 2, 2]] * 2))
