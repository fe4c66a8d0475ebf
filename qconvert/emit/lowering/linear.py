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

#: Channels in a vector of oneDNN's batch normalization.
_VECTOR = 4


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


def batch_normalization(op: BatchNormalization, x: Value, b: Builder, dialect: Dialect) -> Value:
    """The operations of TensorFlow's program, with its constants."""
    return _fused(op, x, b) if op.fused else _separate(op, x, b, dialect)


def _separate(op: BatchNormalization, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``tf.nn.batch_normalization``: ``x * inverse + (beta - mean * inverse)``."""
    inverse = reciprocal_sqrt(op.variance + np.float32(op.epsilon))
    if op.gamma is not None:
        inverse = inverse * op.gamma
    offset = -op.mean * inverse if op.beta is None else op.beta - op.mean * inverse
    factor = dialect.constant(b, per_channel(inverse, x.layout), "inverse")
    return _added(b, Value(b.op("Mul", x.tensor, factor), x.layout), offset, "offset")


def _fused(op: BatchNormalization, x: Value, b: Builder) -> Value:
    """``FusedBatchNormV3`` of oneDNN, up to its fused multiply-add, which ONNX lacks.

    It has two kernels, for channels that fill vectors of four and for others.
    """
    deviation: F32 = np.sqrt(op.variance + np.float32(op.epsilon))
    gamma = np.ones_like(op.mean) if op.gamma is None else op.gamma
    whole = len(op.mean) % _VECTOR == 0
    factors = [np.float32(1) / deviation, gamma] if whole else [gamma / deviation]
    y = b.op("Sub", x.tensor, b.constant(per_channel(op.mean, x.layout), "mean"))
    for factor in factors:
        y = b.op("Mul", y, b.constant(per_channel(factor, x.layout), "factor"))
    centred = Value(y, x.layout)
    return centred if op.beta is None else _added(b, centred, op.beta, "beta")


def pads(padding: Padding) -> list[int]:
    """ONNX's order: all the beginnings, then all the ends."""
    return [before for before, _ in padding] + [after for _, after in padding]


def _call(
    b: Builder, kind: str, x: Value, kernel: Tensor, bias: Tensor | None, attributes: Attributes
) -> Tensor:
    inputs = (x.tensor, kernel) if bias is None else (x.tensor, kernel, bias)
    return b.op(kind, *inputs, attributes=attributes)


def _plus(b: Builder, y: Value, bias: F32 | None) -> Value:
    return y if bias is None else _added(b, y, bias, "bias")


def _added(b: Builder, y: Value, array: F32, name: str) -> Value:
    addend = b.constant(per_channel(array, y.layout), name)
    return Value(b.op("Add", y.tensor, addend), y.layout)


def _extended(b: Builder, y: Value, cropping: Padding) -> Value:
    """Zeros around the spatial axes where the cropping is negative."""
    added = tuple((max(-before, 0), max(-after, 0)) for before, after in cropping)
    if not any(map(any, added)):
        return y
    padding = ((0, 0), (0, 0), *added)
    return Value(b.op("Pad", y.tensor, b.integers(pads(padding), "padding")), y.layout)
