"""Dense, convolutions, and batch normalization."""

import numpy as np

from qconvert.emit.builder import Attributes, Builder, Tensor
from qconvert.emit.dialects.protocol import Consumer, Dialect
from qconvert.emit.values import (
    Value,
    channels_first,
    contiguous,
    natural,
    per_channel,
    relayout,
)
from qconvert.ir import F32
from qconvert.ir.ops import BatchNormalization, Conv, ConvTranspose, Dense, Padding
from qconvert.numerics import reciprocal_sqrt


def dense(op: Dense, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Gemm`` on matrices, ``MatMul`` on more axes."""
    x = relayout(b, x, natural(x.rank))
    if x.rank != 2:
        kernel = dialect.kernel(b, x, op.kernel, 1, Consumer.MATMUL)
        y = Value(b.op("MatMul", x.tensor, kernel.tensor), x.layout)
        return _plus(b, y, op.bias)
    # Weights as rows: ONNX Runtime does not quantize the input of that form dynamically.
    kernel = dialect.kernel(b, x, contiguous(op.kernel, (1, 0)), 0, Consumer.GEMM)
    bias = None if op.bias is None else dialect.bias(b, x, kernel, op.bias)
    y = Value(_call(b, "Gemm", x, kernel.tensor, bias, {"transB": 1}), x.layout)
    return y if bias is not None else _plus(b, y, op.bias)


def conv(op: Conv, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Conv`` over any number of spatial axes."""
    x = relayout(b, x, channels_first(x.rank))
    spatial = range(x.rank - 2)
    weight = contiguous(op.kernel, (x.rank - 1, x.rank - 2, *spatial))
    kernel = dialect.kernel(b, x, weight, 0, Consumer.CONV)
    bias = None if op.bias is None else dialect.bias(b, x, kernel, op.bias)
    attributes: Attributes = {
        "strides": list(op.strides),
        "dilations": list(op.dilations),
        "pads": pads(op.padding),
        "group": op.groups,
    }
    y = Value(_call(b, "Conv", x, kernel.tensor, bias, attributes), x.layout)
    return y if bias is not None else _plus(b, y, op.bias)


def conv_transpose(op: ConvTranspose, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``ConvTranspose``; what is cropped off is ONNX's padding, zeros appended its own."""
    x = relayout(b, x, channels_first(x.rank))
    weight = contiguous(op.kernel, (x.rank - 1, x.rank - 2, *range(x.rank - 2)))
    kernel = dialect.kernel(b, x, weight, 1, Consumer.CONV_TRANSPOSE)
    cropped = tuple((max(before, 0), max(after, 0)) for before, after in op.cropping)
    attributes: Attributes = {
        "strides": list(op.strides),
        "dilations": list(op.dilations),
        "pads": pads(cropped),
    }
    y = Value(_call(b, "ConvTranspose", x, kernel.tensor, None, attributes), x.layout)
    return _plus(b, _extended(b, y, op.cropping), op.bias)


def batch_normalization(
    op: BatchNormalization, x: Value, b: Builder, dialect: Dialect
) -> Value:
    """``x * inverse + (beta - mean * inverse)`` with the constants in TensorFlow's order."""
    inverse = reciprocal_sqrt(op.variance + np.float32(op.epsilon))
    if op.gamma is not None:
        inverse = inverse * op.gamma
    offset = -op.mean * inverse if op.beta is None else op.beta - op.mean * inverse
    factor = dialect.constant(b, per_channel(inverse, x.layout), "inverse")
    scaled = b.op("Mul", x.tensor, factor)
    return Value(_added(b, scaled, offset, x, "offset"), x.layout)


def pads(padding: Padding) -> list[int]:
    """ONNX's order: all the beginnings, then all the ends."""
    return [before for before, _ in padding] + [after for _, after in padding]


def _call(
    b: Builder, kind: str, x: Value, kernel: Tensor, bias: Tensor | None, attributes: Attributes
) -> Tensor:
    inputs = (x.tensor, kernel) if bias is None else (x.tensor, kernel, bias)
    return b.op(kind, *inputs, attributes=attributes)


def _plus(b: Builder, y: Value, bias: F32 | None) -> Value:
    return y if bias is None else Value(_added(b, y.tensor, bias, y, "bias"), y.layout)


def _added(b: Builder, y: Tensor, array: F32, like: Value, name: str) -> Tensor:
    return b.op("Add", y, b.constant(per_channel(array, like.layout), name))


def _extended(b: Builder, y: Value, cropping: Padding) -> Value:
    """Zeros around the spatial axes where the cropping is negative."""
    added = tuple((max(-before, 0), max(-after, 0)) for before, after in cropping)
    if not any(map(any, added)):
        return y
    padding = ((0, 0), (0, 0), *added)
    return Value(b.op("Pad", y.tensor, b.integers(pads(padding), "padding")), y.layout)
