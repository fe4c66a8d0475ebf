"""Dense, convolutions, and batch normalization."""

from collections.abc import Sequence

import numpy as np
import onnx

from qconvert.emit.builder import Attribute, Attributes, Builder, Tensor
from qconvert.emit.dialects.protocol import Dialect
from qconvert.emit.lowering.dense_sums import biased, dense_sums, normalized
from qconvert.emit.normalization import normalization
from qconvert.emit.shield import shielded
from qconvert.emit.values import (
    Value,
    channels_first,
    natural,
    per_channel,
    relayout,
)
from qconvert.emit.weights import Weight
from qconvert.ir import F32
from qconvert.ir.ops import Affine, BatchNormalization, Conv, ConvTranspose, Dense, Padding


def dense(op: Dense, weight: Weight, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Gemm`` on matrices, else ``MatMul``; sums of integers with a bias off their grid.

    For ``QLinearMatMul``, which runtimes make of a ``MatMul`` without bias and a quantizer, ONNX
    Runtime 1.18 has no kernel in opset 21; of a ``Gemm`` they make an operator of their own.
    """
    x = relayout(b, x, natural(x.rank))
    if not dialect.takes_codes(x, weight):
        x = as_floats(b, x)
    apart = op.bias is not None and dialect.multiplies_integers(x, weight, op.bias)
    if apart and op.bias is not None:
        whole = dense_sums(weight, np.ones(len(op.bias), np.float32), x, b)
        if whole is not None and whole.sums is not None:
            return Value(biased(b, whole.sums, op.bias), x.layout)
    if x.rank != 2 or apart:
        kernel = dialect.kernel(b, x, weight)
        y = Value(b.op("MatMul", x.tensor, kernel.tensor), x.layout)
        # Subtracted: of a sum ONNX Runtime makes a Gemm, which has no kernel for integers alone.
        return y if op.bias is None else _less(b, y, -op.bias)
    # Weights as rows: ONNX Runtime does not quantize the input of that form dynamically.
    kernel = dialect.kernel(b, x, weight.transposed())
    bias = None if op.bias is None else dialect.bias(b, x, kernel, op.bias, early=True)
    y = Value(_call(b, "Gemm", x, kernel.tensor, bias, {"transB": 1}), x.layout)
    return y if bias is not None else plus(b, y, op.bias)


def conv(op: Conv, weight: Weight, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Conv`` over any number of spatial axes."""
    if dialect.takes_codes(x, weight):
        return _conv(op, weight, x, b, dialect)
    return conv_of_floats(op, weight, x, b, dialect)


def conv_of_floats(op: Conv, weight: Weight, x: Value, b: Builder, dialect: Dialect) -> Value:
    """A convolution of floats, whatever *x* has."""
    x = as_floats(b, relayout(b, x, channels_first(x.rank)))
    return _conv(op, weight, x, b, dialect)


def _conv(op: Conv, weight: Weight, x: Value, b: Builder, dialect: Dialect) -> Value:
    x = relayout(b, x, channels_first(x.rank))
    kernel = dialect.kernel(b, x, weight)
    bias = None if op.bias is None else dialect.bias(b, x, kernel, op.bias, early=False)
    y = Value(_call(b, "Conv", x, kernel.tensor, bias, conv_attributes(op)), x.layout)
    return y if bias is not None else plus(b, y, op.bias)


def as_floats(b: Builder, x: Value) -> Value:
    """*x* without its codes, such that runtimes do not see them either.

    Beside dequantized numbers they take no weight for a constant, or round it.
    """
    return x if x.codes is None else Value(shielded(b, x.tensor), x.layout)


def conv_attributes(op: Conv) -> Attributes:
    """Of ``Conv`` and ``QLinearConv``, but for those with ONNX's defaults."""
    stated = _window(op.strides, op.dilations, op.padding)
    return stated | {"group": op.groups} if op.groups > 1 else stated


def _window(
    strides: Sequence[int], dilations: Sequence[int], padding: Padding
) -> dict[str, Attribute]:
    wide = {"strides": list(strides), "dilations": list(dilations)}
    stated: dict[str, Attribute] = {name: each for name, each in wide.items() if max(each) > 1}
    if any(map(any, padding)):
        stated["pads"] = pads(padding)
    return stated


def conv_transpose(
    op: ConvTranspose, weight: Weight, x: Value, b: Builder, dialect: Dialect
) -> Value:
    """``ConvTranspose``; what is cropped off is ONNX's padding, zeros appended its own."""
    # There is no kernel of integers.
    x = as_floats(b, relayout(b, x, channels_first(x.rank)))
    kernel = dialect.kernel(b, x, weight)
    cropped = tuple((max(before, 0), max(after, 0)) for before, after in op.cropping)
    attributes = _window(op.strides, op.dilations, cropped)
    y = Value(_call(b, "ConvTranspose", x, kernel.tensor, None, attributes), x.layout)
    return plus(b, _extended(b, y, op.cropping), op.bias)


def affine(op: Affine, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Mul`` and ``Add``, in a form that no product before them absorbs."""
    if x.sums is not None and op.factor is not None:
        return Value(normalized(b, x.sums, op.factor, op.offset), x.layout)
    y = Value(x.tensor, x.layout)
    for kind, array in (("Mul", op.factor), ("Add", op.offset)):
        if array is not None:
            constant = dialect.constant(b, per_channel(array, x.layout), kind.lower())
            y = Value(b.op(kind, y.tensor, constant), x.layout)
    return y


def batch_normalization(op: BatchNormalization, x: Value, b: Builder, dialect: Dialect) -> Value:
    """The operations of TensorFlow's program, with its constants."""
    assert op.program is None, "what was moved in a file is no part of a model"
    steps = normalization(op)
    if steps.mean is None:
        if x.sums is not None:
            return Value(normalized(b, x.sums, steps.factor, steps.addend), x.layout)
        factor = dialect.constant(b, per_channel(steps.factor, x.layout), "inverse")
        y = Value(b.op("Mul", x.tensor, factor), x.layout)
        return _added(b, y, steps.addend, "offset")
    mean = b.constant(per_channel(steps.mean, x.layout), "mean")
    y = _times(b, Value(b.op("Sub", x.tensor, mean), x.layout), steps.factor)
    if steps.gamma is None:
        return _added(b, y, steps.addend, "beta")
    return _multiply_add(b, y, steps.gamma, steps.addend)


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


def plus(b: Builder, y: Value, bias: F32 | None) -> Value:
    """*y* and a *bias*, if there is one, by channel."""
    return y if bias is None else _added(b, y, bias, "bias")


def _added(b: Builder, y: Value, array: F32, name: str) -> Value:
    addend = b.constant(per_channel(array, y.layout), name)
    return Value(b.op("Add", y.tensor, addend), y.layout)


def _less(b: Builder, y: Value, array: F32) -> Value:
    subtrahend = b.constant(per_channel(array, y.layout), "bias")
    return Value(b.op("Sub", y.tensor, subtrahend), y.layout)


def _extended(b: Builder, y: Value, cropping: Padding) -> Value:
    """Zeros around the spatial axes where the cropping is negative."""
    added = tuple((max(-before, 0), max(-after, 0)) for before, after in cropping)
    if not any(map(any, added)):
        return y
    padding = ((0, 0), (0, 0), *added)
    return Value(b.op("Pad", y.tensor, b.integers(pads(padding), "padding")), y.layout)
