"""Sums of products: dense layers, convolutions and their transposes.

The order of the sums is none of TensorFlow's. It matters only where a layer is not proven exact.
"""

from math import prod

import numpy as np

from qconvert.ir.ops import Conv, ConvTranspose, Dense
from qconvert.ir.types import F32
from qconvert.reference.shape import crop
from qconvert.reference.windows import pad, taps


def dense(op: Dense, x: F32) -> F32:
    """``x @ kernel + bias`` over the last axis."""
    return _add_bias(_mix(x, op.kernel), op.bias)


def conv(op: Conv, x: F32) -> F32:
    """``y[p] = sum over taps t of x[p * stride + t * dilation] @ kernel[t]``, then the bias."""
    window = op.kernel.shape[:-2]
    products = (
        _mix_groups(seen, op.kernel[index], op.groups)
        for index, seen in taps(pad(x, op.padding), window, op.strides, op.dilations)
    )
    y = next(products)
    for product in products:
        y += product
    return _add_bias(y, op.bias)


def conv_transpose(op: ConvTranspose, x: F32) -> F32:
    """Every input adds itself times the kernel to a window of the result; crop; then the bias."""
    *window, outputs, _ = op.kernel.shape
    geometry = tuple(zip(x.shape[1:-1], window, op.strides, op.dilations, strict=True))
    lengths = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in geometry]
    y = np.zeros((len(x), *lengths, outputs), np.float32)
    for index in np.ndindex(*window):
        places = (
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, (n, _, s, d) in zip(index, geometry, strict=True)
        )
        y[(slice(None), *places)] += _mix(x, op.kernel[index].T)
    return _add_bias(crop(y, op.cropping), op.bias)


def _mix(x: F32, kernel: F32) -> F32:
    """Multiply the channels by a matrix (inputs, outputs), as one large matrix product."""
    rows = x.reshape(prod(x.shape[:-1]), x.shape[-1])
    return (rows @ kernel).reshape(*x.shape[:-1], kernel.shape[-1])


def _mix_groups(x: F32, kernel: F32, groups: int) -> F32:
    """Multiply each group of channels by its columns of a matrix (inputs / groups, outputs)."""
    if groups == 1:
        return _mix(x, kernel)
    inputs, outputs = kernel.shape
    split = x.reshape(*x.shape[:-1], groups, inputs)
    columns = kernel.reshape(inputs, groups, outputs // groups)
    if inputs == 1:
        products: F32 = split * columns[0]
        return products.reshape(*x.shape[:-1], outputs)
    parts = [_mix(split[..., g, :], columns[:, g]) for g in range(groups)]
    return np.concatenate(parts, axis=-1)


def _add_bias(y: F32, bias: F32 | None) -> F32:
    return y if bias is None else y + bias
