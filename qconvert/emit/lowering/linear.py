"""Dense, convolutions, and batch normalization."""

import numpy as np
import onnx

from qconvert.emit.builder import Attributes, Builder, Tensor
from qconvert.emit.dialects.protocol import Consumer, Dialect
from qconvert.emit.values import (
    Value,
    broadcast,
    channels_first,
    contiguous,
    natural,
    per_channel,
    relayout,
)
from qconvert.ir import F32
from qconvert.ir.ops import Affine, BatchNormalization, Conv, ConvTranspose, Dense, Padding
from qconvert.numerics import reciprocal_sqrt

#: Channels in a vector of oneDNN's batch normalization.
_VECTOR = 4


def dense(op: Dense, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Gemm`` on matrices, ``MatMul`` on more axes."""
    x = relayout(b, x, natural(x.rank))
    if x.rank != 2:
        kernel = dialect.kernel(b, x, op.kernel, 1, Consumer.MATMUL)
        y = Value(b.op("MatMul", x.tensor, kernel.tensor), x.layout)
        # With as many axes as the product, for else ONNX Runtime may make a Gemm of both.
        return _plus(b, y, None if op.bias is None else broadcast(op.bias, y.layout))
    # Weights as rows: ONNX Runtime does not quantize the input of that form dynamically.
    kernel = dialect.kernel(b, x, contiguous(op.kernel, (1, 0)), 0, Consumer.GEMM)
    bias = None if op.bias is None else dialect.bias(b, x, kernel, op.bias, Consumer.GEMM)
    y = Value(_call(b, "Gemm", x, kernel.tensor, bias, {"transB": 1}), x.layout)
    return y if bias is not None else _plus(b, y, op.bias)


def conv(op: Conv, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Conv`` over any number of spatial axes."""
    x = relayout(b, x, channels_first(x.rank))
    spatial = range(x.rank - 2)
    weight = contiguous(op.kernel, (x.rank - 1, x.rank - 2, *spatial))
    kernel = dialect.kernel(b, x, weight, 0, Consumer.CONV)
    bias = None if op.bias is None else dialect.bias(b, x, kernel, op.bias, Consumer.CONV)
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


def affine(op: Affine, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Mul`` and ``Add``, in a form that no product before them absorbs."""
    y = Value(x.tensor, x.layout)
    for kind, array in (("Mul", op.factor), ("Add", op.offset)):
        if array is not None:
            constant = dialect.constant(b, per_channel(array, x.layout), kind.lower())
            y = Value(b.op(kind, y.tensor, constant), x.layout)
    return y


def batch_normalization(op: BatchNormalization, x: Value, b: Builder, dialect: Dialect) -> Value:
    """The operations of TensorFlow's program, with its constants."""
    assert op.program is None, "what was moved in a file is no part of a model"
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
    """``FusedBatchNormV3`` of oneDNN; channels that fill vectors of four have their own kernel."""
    deviation: F32 = np.sqrt(op.variance + np.float32(op.epsilon))
    gamma = np.ones_like(op.mean) if op.gamma is None else op.gamma
    beta = np.zeros_like(op.mean) if op.beta is None else op.beta
    mean = b.constant(per_channel(op.mean, x.layout), "mean")
    centred = Value(b.op("Sub", x.tensor, mean), x.layout)
    if len(op.mean) % _VECTOR:
        return _added(b, _times(b, centred, gamma / deviation), beta, "beta")
    return _multiply_add(b, _times(b, centred, np.float32(1) / deviation), gamma, beta)


def _times(b: Builder, x: Value, array: F32) -> Value:
    factor = b.constant(per_channel(array, x.layout), "factor")
    return Value(b.op("Mul", x.tensor, factor), x.layout)


def _multiply_add(b: Builder, x: Value, factor: F32, addend: F32) -> Value:
    """``x * factor + addend`` rounded once: ONNX has no such operator, but float64 is enough.

    The product is exact there; the sum, rounded twice, errs for one in some 2**28 results.
    """
    wide = b.op("Cast", x.tensor, attributes={"to": onnx.TensorProto.DOUBLE})
    for kind, array in (("Mul", factor), ("Add", addend)):
        exact = per_channel(array, x.layout).astype(np.float64)
        wide = b.op(kind, wide, b.constant(exact, "exact"))
    return Value(b.op("Cast", wide, attributes={"to": onnx.TensorProto.FLOAT}), x.layout)


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
