"""Every expected number here was computed by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Padding
from qconvert.reference import apply

Line = Callable[..., F32]


def f32(values: object) -> F32:
    return np.array(values, np.float32)


def line(*values: float) -> F32:
    """One sample, one channel, a row of *values*."""
    return f32(values).reshape(1, -1, 1)


def conv1d(
    taps: tuple[float, ...], stride: int = 1, dilation: int = 1, padding: tuple[int, int] = (0, 0)
) -> Conv:
    kernel = f32(taps).reshape(-1, 1, 1)
    return Conv(kernel, None, (stride,), (dilation,), (padding,))


def transpose1d(
    taps: tuple[float, ...], stride: int, dilation: int = 1, cropping: Padding = ((0, 0),)
) -> ConvTranspose:
    return ConvTranspose(f32(taps).reshape(-1, 1, 1), None, (stride,), (dilation,), cropping)


def test_dense_multiplies_rows_by_columns_and_adds_the_bias() -> None:
    op = Dense(f32([[1, 2, 3], [10, 20, 30]]), f32([100, 200, 300]))
    assert_array_equal(apply(op, f32([[1, 2]])), f32([[121, 242, 363]]))


def test_dense_works_on_the_last_axis_of_a_sequence() -> None:
    op = Dense(f32([[1], [10]]), None)
    x = f32([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert_array_equal(apply(op, x), f32([[[21], [43]], [[65], [87]]]))


def test_conv_does_not_flip_its_kernel() -> None:
    assert_array_equal(apply(conv1d((1, 10)), line(1, 2, 3)), line(21, 32))


def test_conv_pads_before_and_after_as_told() -> None:
    """SAME with an even kernel pads only the end."""
    assert_array_equal(apply(conv1d((1, 10), padding=(0, 1)), line(1, 2, 3)), line(21, 32, 3))
    assert_array_equal(apply(conv1d((1, 10), padding=(1, 0)), line(1, 2, 3)), line(10, 21, 32))


def test_causal_dilated_conv_sees_only_the_past() -> None:
    op = conv1d((1, 10, 100), dilation=2, padding=(4, 0))
    assert_array_equal(apply(op, line(1, 2, 3, 4, 5)), line(100, 200, 310, 420, 531))


def test_stride_leaves_out_windows_and_the_rest_of_the_input() -> None:
    op = conv1d((1, 10, 100), stride=2)
    assert_array_equal(apply(op, line(1, 2, 3, 4, 5, 6)), line(321, 543))


def test_conv_of_two_axes_keeps_rows_and_columns_apart() -> None:
    kernel = f32([[1, 10], [100, 1000], [10000, 100000]]).reshape(3, 2, 1, 1)
    x = f32([[1, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(1, 3, 3, 1)
    op = Conv(kernel, f32([0.5]), (1, 1), (1, 1), ((0, 0), (0, 0)))
    assert_array_equal(apply(op, x), f32([875421.5, 986532.5]).reshape(1, 1, 2, 1))


def test_strides_dilations_and_paddings_belong_to_their_axes() -> None:
    x = np.arange(1, 25, dtype=np.float32).reshape(1, 4, 6, 1)
    op = Conv(f32([[[[1]], [[100]]]]), None, (3, 1), (1, 2), ((0, 0), (1, 0)))
    expected = f32([[200, 301, 402, 503, 604], [2000, 2119, 2220, 2321, 2422]])
    assert_array_equal(apply(op, x), expected.reshape(1, 2, 5, 1))


def test_conv_of_three_axes_sums_its_volume() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2, 1)
    kernel = f32([1, 2, 4, 8, 16, 32, 64, 128]).reshape(2, 2, 2, 1, 1)
    op = Conv(kernel, None, (1,) * 3, (1,) * 3, ((0, 0),) * 3)
    assert apply(op, x).item() == sum(i * 2**i for i in range(8))


def test_groups_see_their_own_channels_only() -> None:
    kernel = f32([[[1, 2, 3, 4], [10, 20, 30, 40]]])
    op = Conv(kernel, f32([0, 0, 0, 1000]), (1,), (1,), ((0, 0),), groups=2)
    x = f32([[[1, 2, 3, 4]]])
    assert_array_equal(apply(op, x), f32([[[21, 42, 129, 1172]]]))


def test_depthwise_outputs_are_input_major() -> None:
    kernel = f32([[[1, 10, 100, 1000]]])
    op = Conv(kernel, None, (1,), (1,), ((0, 0),), groups=2)
    assert_array_equal(apply(op, f32([[[2, 3]]])), f32([[[2, 20, 300, 3000]]]))


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_grouped_conv_equals_a_full_conv_with_zeros_between_the_groups(groups: int) -> None:
    rng = np.random.default_rng(groups)
    kernel = rng.integers(-3, 4, (3, 2, 6 // groups, 12)).astype(np.float32)
    full = np.zeros((3, 2, 6, 12), np.float32)
    for g in range(groups):
        rows = slice(g * 6 // groups, (g + 1) * 6 // groups)
        columns = slice(g * 12 // groups, (g + 1) * 12 // groups)
        full[:, :, rows, columns] = kernel[..., columns]
    x = rng.integers(-8, 8, (2, 7, 5, 6)).astype(np.float32)
    geometry = ((2, 1), (1, 2), ((1, 0), (0, 3)))
    assert_array_equal(
        apply(Conv(kernel, None, *geometry, groups=groups), x),
        apply(Conv(full, None, *geometry), x),
    )


def test_transposed_conv_spreads_its_kernel() -> None:
    assert_array_equal(
        apply(transpose1d((1, 10, 100), stride=2), line(1, 2)), line(1, 10, 102, 20, 200)
    )


def test_transposed_conv_overlaps_add_up() -> None:
    assert_array_equal(apply(transpose1d((1, 10), stride=1), line(1, 2, 3)), line(1, 12, 23, 30))


def test_transposed_conv_crops_each_end() -> None:
    op = transpose1d((1, 10, 100), stride=2, cropping=((1, 2),))
    assert_array_equal(apply(op, line(1, 2)), line(10, 102))


def test_transposed_conv_appends_zeros_before_the_bias() -> None:
    op = ConvTranspose(f32([[[1]]]), f32([5]), (3,), (1,), ((0, -2),))
    assert_array_equal(apply(op, line(1, 2)), line(6, 5, 5, 7, 5, 5))


def test_transposed_conv_dilates_its_kernel() -> None:
    op = transpose1d((1, 10), stride=1, dilation=2)
    assert_array_equal(apply(op, line(1, 2, 3)), line(1, 2, 13, 20, 30))


def test_transposed_conv_kernel_has_outputs_before_inputs() -> None:
    kernel = f32([[[1, 2], [10, 20], [100, 200]]])
    op = ConvTranspose(kernel, None, (1,), (1,), ((0, 0),))
    assert_array_equal(apply(op, f32([[[1, 1]]])), f32([[[3, 30, 300]]]))


def test_transposed_conv_is_the_adjoint_of_conv() -> None:
    """The sum of conv(x) * y is the sum of x * transposed(y), exactly, on integers."""
    rng = np.random.default_rng(0)
    kernel = rng.integers(-3, 4, (3, 2, 4, 5)).astype(np.float32)
    strides, dilations = (2, 3), (1, 2)
    x = rng.integers(-4, 5, (1, 9, 9, 4)).astype(np.float32)
    forward = apply(Conv(kernel, None, strides, dilations, ((0, 0), (0, 0))), x)
    y = rng.integers(-4, 5, forward.shape).astype(np.float32)
    backward = apply(ConvTranspose(kernel, None, strides, dilations, ((0, 0), (0, 0))), y)
    assert backward.shape == x.shape
    assert (forward * y).sum() == (x * backward).sum()
