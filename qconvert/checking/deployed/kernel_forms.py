"""The convolution that an operator which rounds has to compute, told by the shape of its weights.

A layer's own, or one that returns the same sums in another form: with one group, with several
places of a row at once, of the phases of a transposed convolution, of ones for a mean, or of what a
mean takes together.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from qconvert.checking.deployed.rounding_kernel import Ints
from qconvert.ir import F32, Node, Op
from qconvert.ir.ops import Conv, ConvTranspose, Pool


def form_of(linear: Node, weights: Ints) -> Conv | None:
    """What an operator with such *weights* has to compute, with a kernel for each of its sums.

    They are (sums, inputs / groups, *window).

    Of a mean that is the sum that it divides. In place of a transposed convolution with strides of
    s it has s * s kernels a channel, one for each place that an element of the result can have
    between those of the input. Groups may be one, whose weights for inputs of others are 0. Places
    of a row that are computed together have a kernel each.
    """
    if isinstance(linear.op, ConvTranspose):
        return _by_phase(linear.op, weights)
    op = _summing(linear) if isinstance(linear.op, Pool) else linear.op
    if not isinstance(op, Conv):
        return None
    whole = _whole(op)
    forms = (op, whole, _abreast(whole, len(weights), linear.shape[-2]))
    return next((x for x in forms if x and _shape(x) == weights.shape), None)


def _shape(op: Conv) -> tuple[int, ...]:
    """That of its weights in a file."""
    *window, inputs, outputs = op.kernel.shape
    return (outputs, inputs, *window)


def over_windows(op: Conv, mean: Pool) -> Conv:
    """The sums over the windows of *mean* of what *op* returns.

    Each is one over a wider window, with the strides of both.
    """
    *sizes, inputs, outputs = op.kernel.shape
    axes = list(zip(sizes, op.dilations, op.strides, mean.window, strict=True))
    wide = ((n - 1) * step + (m - 1) * stride + 1 for n, step, stride, m in axes)
    kernel = np.zeros((*wide, inputs, outputs), np.float32)
    for tap in np.ndindex(*sizes):
        for place in np.ndindex(mean.window):
            both = zip(tap, place, op.dilations, op.strides, strict=True)
            kernel[tuple(i * step + j * stride for i, j, step, stride in both)] += op.kernel[tap]
    count = np.float32(math.prod(mean.window))
    return Conv(
        kernel,
        None if op.bias is None else op.bias * count,
        tuple(a * b for a, b in zip(op.strides, mean.strides, strict=True)),
        (1,) * len(sizes),
        op.padding,
        op.groups,
    )


def _by_phase(op: ConvTranspose, weights: Ints) -> Conv | None:
    """The convolution of which each phase of *op* is some channels."""
    *window, outputs, inputs = op.kernel.shape
    if len(window) != 2 or len(set(op.strides)) != 1:
        return None
    stride, taps = op.strides[0], weights.shape[2:]
    kernel = np.zeros((*taps, inputs, stride, stride, outputs), np.float32)
    for row, column in np.ndindex(*(n * stride for n in taps)):
        if row < window[0] and column < window[1]:
            (back, place), (left, beside) = divmod(row, stride), divmod(column, stride)
            into = kernel[taps[0] - 1 - back, taps[1] - 1 - left]
            into[:, place, beside] = np.swapaxes(op.kernel[row, column], 0, 1)
    flat = kernel.reshape(*taps, inputs, -1)
    conv = Conv(flat, None, (1, 1), (1, 1), tuple((n - 1, n - 1) for n in taps))
    return conv if _shape(conv) == weights.shape else None


def _whole(op: Conv) -> Conv:
    """*op* with one group."""
    *window, inputs, outputs = op.kernel.shape
    kernel = np.zeros((*window, inputs * op.groups, outputs), np.float32)
    for taken, returned in _groups(op):
        kernel[..., taken, returned] = op.kernel[..., returned]
    return replace(op, kernel=kernel, groups=1)


def _abreast(op: Conv, kernels: int, width: int | None) -> Conv | None:
    """*op* with so many *kernels*, one a channel for each of some places of a row.

    Behind each row, *width* places long, are zeros for all places of its last window; what it
    computes there, beyond the end, is cut off.
    """
    *rows, last, inputs, outputs = op.kernel.shape
    (*strides, stride), (*padding, (before, after)) = op.strides, op.padding
    count = kernels // outputs
    if width is None or op.dilations[-1] > 1 or kernels % outputs:
        return None
    kernel = np.zeros((*rows, last + (count - 1) * stride, inputs, count, outputs), np.float32)
    for place in range(count):
        start = place * stride
        kernel[..., start : start + last, :, place, :] = op.kernel
    beyond = -width % count * stride
    return replace(
        op,
        kernel=kernel.reshape(*kernel.shape[:-2], -1),
        strides=(*strides, count * stride),
        padding=(*padding, (before, after + beyond)),
    )


def _groups(op: Conv) -> Iterator[tuple[slice, slice]]:
    """The inputs and the outputs of each group."""
    inputs, outputs = op.kernel.shape[-2], op.kernel.shape[-1] // op.groups
    for group in range(op.groups):
        yield (
            slice(group * inputs, (group + 1) * inputs),
            slice(group * outputs, (group + 1) * outputs),
        )


def weights_of(kernel: F32, op: Op) -> F32:
    """The weights of *op* among those of a *kernel*, which may be one of a single group.

    And of several places, of which the first is looked at: whether all are right is known.
    """
    if not isinstance(op, Conv) or kernel.size == op.kernel.size:
        return kernel
    *_, last, inputs, outputs = op.kernel.shape
    place = kernel[..., :last, :, :outputs]
    if kernel.shape[-2] == inputs:
        return place
    return np.concatenate([place[..., taken, returned] for taken, returned in _groups(op)], -1)


def _summing(mean: Node) -> Conv | None:
    """Ones for each element of a window; none where padding makes windows of fewer."""
    op, channels = mean.op, mean.shape[-1]
    assert isinstance(op, Pool)
    if any(map(any, op.padding)) or channels is None:
        return None
    kernel = np.ones((*op.window, 1, channels), np.float32)
    return Conv(kernel, None, op.strides, (1,) * len(op.window), op.padding, channels)
