"""Sums of products: dense layers, convolutions and their transposes, and channels by themselves.

The order of the sums is none of TensorFlow's. It matters only where a layer is not proven exact;
where it is, `any_order` computes the same.
"""

from functools import reduce
from math import prod

import numpy as np

from qconvert.ir.ops import Affine, Conv, ConvTranspose, Dense
from qconvert.ir.types import F32
from qconvert.reference.shape import crop
from qconvert.reference.windows import pad, taps


def dense(op: Dense, x: F32) -> F32:
    """``x @ kernel + bias`` over the last axis."""
    return add_bias(_mix(x, op.kernel), op.bias)


def conv(op: Conv, x: F32) -> F32:
    """``y[p] = sum over taps t of x[p * stride + t * dilation] @ kernel[t]``, then the bias."""
    *window, inputs, outputs = op.kernel.shape
    seen = taps(pad(x, op.padding), tuple(window), op.strides, op.dilations)
    kernel = op.kernel.reshape(-1, inputs, outputs)
    if 1 < op.groups == x.shape[-1]:
        return add_bias(_depthwise(seen, kernel), op.bias)
    return add_bias(_dense_groups(seen, kernel, op.groups), op.bias)


def affine(op: Affine, x: F32) -> F32:
    """``x * factor + offset`` in two operations."""
    y = x if op.factor is None else x * op.factor
    return y if op.offset is None else y + op.offset


def conv_transpose(op: ConvTranspose, x: F32) -> F32:
    """Every input adds itself times the kernel to a window of the result; crop; then the bias."""
    *window, outputs, _ = op.kernel.shape
    geometry = tuple(zip(x.shape[1:-1], window, op.strides, op.dilations, strict=True))
    lengths = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in geometry]
    y = np.zeros((len(x), *lengths, outputs), np.float32)
    for index in np.ndindex(*window):
        places = (
            slice(i * d, i * d + n * s, s) for i, (n, _, s, d) in zip(index, geometry, strict=True)
        )
        y[(slice(None), *places)] += _mix(x, op.kernel[index].T)
    return add_bias(crop(y, op.cropping), op.bias)


def _mix(x: F32, kernel: F32) -> F32:
    """Multiply the channels by a matrix (inputs, outputs), as one large matrix product."""
    rows = x.reshape(prod(x.shape[:-1]), x.shape[-1])
    return (rows @ kernel).reshape(*x.shape[:-1], kernel.shape[-1])


def _dense_groups(seen: list[F32], kernel: F32, groups: int) -> F32:
    """Lay the taps side by side, so that one matrix product does a whole group."""
    inputs, parts = kernel.shape[1], []
    for group, columns in enumerate(np.split(kernel, groups, axis=-1)):
        channels = slice(group * inputs, (group + 1) * inputs)
        side_by_side = np.concatenate([view[..., channels] for view in seen], axis=-1)
        parts.append(_mix(side_by_side, columns.reshape(-1, columns.shape[-1])))
    return np.concatenate(parts, axis=-1)


def _depthwise(seen: list[F32], kernel: F32) -> F32:
    """Every input channel has outputs of its own, one behind the other."""
    multiplier = kernel.shape[-1] // seen[0].shape[-1]
    products = (np.repeat(x, multiplier, axis=-1) * k[0] for x, k in zip(seen, kernel, strict=True))
    return reduce(np.add, products)


def add_bias(y: F32, bias: F32 | None) -> F32:
    """The finished sums and the bias, which is rounded once."""
    return y if bias is None else y + bias
