"""Maxima and means over windows and axes.

A mean is a sum and one division, as in TensorFlow's kernels; never a product with ``1 / n``.
"""

import math
from functools import reduce
from typing import assert_never

import numpy as np

from qconvert.ir.ops import Pool, Reduce
from qconvert.ir.types import F32
from qconvert.reference.windows import pad, taps


def pool(op: Pool, x: F32) -> F32:
    """Maximum or mean over a window; padded elements take part in neither."""
    match op.kind:
        case "max":
            return reduce(np.maximum, _windows(op, pad(x, op.padding, -math.inf)))
        case "mean":
            ones = np.ones((1, *x.shape[1:-1], 1), np.float32)
            return _window_sum(op, x) / _window_sum(op, ones)
        case _:
            assert_never(op.kind)


def reduce_axes(op: Reduce, x: F32) -> F32:
    """Maximum, minimum, mean or sum over axes (global pooling, ``tf.reduce_*``)."""
    y: F32
    match op.kind:
        case "max":
            y = x.max(axis=op.axes, keepdims=op.keepdims)
        case "min":
            y = x.min(axis=op.axes, keepdims=op.keepdims)
        case "sum":
            y = x.sum(axis=op.axes, keepdims=op.keepdims)
        case "mean":
            count = math.prod(x.shape[axis] for axis in op.axes)
            y = x.sum(axis=op.axes, keepdims=op.keepdims) / np.float32(count)
        case _:
            assert_never(op.kind)
    return y


def _window_sum(op: Pool, x: F32) -> F32:
    return reduce(np.add, _windows(op, pad(x, op.padding)))


def _windows(op: Pool, padded: F32) -> list[F32]:
    ones = (1,) * len(op.window)
    return taps(padded, op.window, op.strides, ones)
