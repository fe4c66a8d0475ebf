"""Means over windows as convolutions of ones, for which there are integer kernels that round.

ONNX Runtime's own averages of bytes round ties to the wrong code where they divide by anything but
a power of two. A depthwise convolution has the sums, and what divides them is a part of the
staircase behind these.
"""

import math

import numpy as np

from qconvert.ir import F32, Op
from qconvert.ir.ops import Conv, Pool


def is_mean(op: Op) -> bool:
    """Whether an op takes means over windows of equally many elements, along up to two axes.

    At borders padded windows have fewer, and three axes are slow.
    """
    if not isinstance(op, Pool) or op.kind != "mean":
        return False
    return not any(map(any, op.padding)) and len(op.window) <= 2


def divides_exactly(op: Pool) -> bool:
    """Whether every window has a power of two of elements; at borders windows have fewer."""
    count = math.prod(op.window)
    return count & (count - 1) == 0 and not any(map(any, op.padding))


def summing(op: Pool, channels: int) -> Conv:
    """The sums of the windows of each channel."""
    kernel = np.ones((*op.window, 1, channels), np.float32)
    return Conv(kernel, None, op.strides, (1,) * len(op.window), op.padding, channels)


def divided(op: Pool, sums: F32) -> F32:
    """As TensorFlow does it: a product with ``1 / n`` would be another number."""
    return sums / np.float32(math.prod(op.window))
