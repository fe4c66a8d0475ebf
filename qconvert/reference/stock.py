"""What the ops of stock Keras layers compute, in the order of tf_keras 2.21."""

import math
from typing import assert_never

import numpy as np
import numpy.typing as npt

from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    StepMask,
    StockOp,
    UnfoldTime,
    UnitNormalize,
    Where,
    WithConstant,
)
from qconvert.ir.types import F32
from qconvert.numerics import reciprocal_sqrt

Places = npt.NDArray[np.int64]


def apply_stock(op: StockOp, inputs: tuple[F32, ...]) -> F32:
    """The result of *op*."""
    x = inputs[0]
    match op:
        case WithConstant():
            return _with_constant(op, x)
        case Divide():
            return inputs[0] / inputs[1]
        case PRelu(slope=slope):
            return _positive(x) + -slope * _positive(-x)
        case Power(exponent=exponent):
            power: F32 = np.power(x, np.float32(exponent))
            return power
        case MatMul():
            product: F32 = np.matmul(inputs[0], inputs[1])
            return product
        case Resize():
            return _resize(op, x)
        case Embedding(table=table):
            return _rows(table, x)
        case LayerNormalization():
            return _layer_normalization(op, x)
        case UnitNormalize(axes=axes, epsilon=epsilon):
            squares = np.sum(x * x, axis=axes, keepdims=True)
            return x * reciprocal_sqrt(np.maximum(squares, np.float32(epsilon)))
        case FoldTime():
            return x.reshape(-1, *x.shape[2:])
        case UnfoldTime(steps=steps):
            return x.reshape(-1, steps, *x.shape[1:])
        case StepMask(value=value):
            counts: F32 = np.any(x != np.float32(value), axis=-1, keepdims=True).astype(np.float32)
            return counts
        case Where():
            chosen: F32 = np.where(x != 0, inputs[1], inputs[2] if inputs[2:] else np.float32(0))
            return chosen
        case _:
            assert_never(op)


def _with_constant(op: WithConstant, x: F32) -> F32:
    left, right = (op.constant, x) if op.first else (x, op.constant)
    match op.kind:
        case "add":
            return left + right
        case "subtract":
            return left - right
        case "multiply":
            return left * right
        case "divide":
            return left / right
        case "maximum":
            return np.maximum(left, right)
        case "minimum":
            return np.minimum(left, right)
        case _:
            assert_never(op.kind)


def _positive(x: F32) -> F32:
    return np.maximum(x, np.float32(0))


def _rows(table: F32, x: F32) -> F32:
    """``tf.nn.embedding_lookup``; TensorFlow refuses numbers without a row, here they give NaN."""
    rows = x.astype(np.int64)
    known = (rows >= 0) & (rows < len(table))
    found: F32 = table[np.where(known, rows, 0)]
    return np.where(known[..., np.newaxis], found, np.float32(np.nan))


def _resize(op: Resize, x: F32) -> F32:
    """``ResizeNearestNeighbor`` and ``ResizeBilinear``: first along the width, then the height."""
    for axis in (2, 1):
        size = op.new[axis - 1]
        match op.kind:
            case "nearest":
                x = np.take(x, _nearest(x.shape[axis], size), axis=axis)
            case "bilinear":
                x = _interpolated(x, size, axis)
            case _:
                assert_never(op.kind)
    return x


def _positions(old: int, new: int) -> F32:
    """``(i + 0.5) * (old / new)`` in float32: the centres of the new pixels."""
    scale = np.float32(old) / np.float32(new)
    return (np.arange(new, dtype=np.float32) + np.float32(0.5)) * scale


def _nearest(old: int, new: int) -> Places:
    return np.minimum(np.floor(_positions(old, new)).astype(np.int64), old - 1)


def _interpolated(x: F32, size: int, axis: int) -> F32:
    """``lower + (upper - lower) * fraction``."""
    old = x.shape[axis]
    at = _positions(old, size) - np.float32(0.5)
    below = np.floor(at)
    lower: F32 = np.take(x, np.maximum(below.astype(np.int64), 0), axis=axis)
    upper: F32 = np.take(x, np.minimum(np.ceil(at).astype(np.int64), old - 1), axis=axis)
    fraction: F32 = (at - below).reshape(-1, *(1,) * (x.ndim - 1 - axis))
    return lower + (upper - lower) * fraction


def _layer_normalization(op: LayerNormalization, x: F32) -> F32:
    """The two programs of ``LayerNormalization.call``; the order of the sums is NumPy's."""
    count = np.float32(math.prod(x.shape[axis] for axis in op.axes))
    mean: F32 = np.sum(x, axis=op.axes, keepdims=True) / count
    centred: F32 = x - mean
    variance: F32 = np.sum(centred * centred, axis=op.axes, keepdims=True) / count
    inverse: F32 = reciprocal_sqrt(variance + np.float32(op.epsilon))
    if op.fused:
        y = centred * inverse
        y = y if op.gamma is None else y * op.gamma
        return y if op.beta is None else y + op.beta
    inverse = inverse if op.gamma is None else inverse * op.gamma
    return x * inverse + (-mean * inverse if op.beta is None else op.beta - mean * inverse)
