"""TensorFlow's kernels for sums, products and maxima, and QKeras, fed with one op's inputs."""

import os
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from qconvert.ir import F32, Op
from qconvert.ir.ops import (
    Affine,
    Conv,
    ConvTranspose,
    Dense,
    Merge,
    Pool,
    Quantize,
    Reduce,
    Relu,
    Scale,
)
from qconvert.ir.stock import Divide, MatMul
from scripts.certified.qkeras_quantizers import theirs

#: TensorFlow has no types.
_Module: TypeAlias = Any
_Tensor: TypeAlias = Any


def evaluated(op: Op, xs: Sequence[F32]) -> F32 | None:
    """What TensorFlow's kernels give; None for ops of which it has no kernel of that form."""
    result = _evaluated(op, *xs)
    return None if result is None else np.asarray(result)


def _evaluated(op: Op, x: F32, *others: F32) -> _Tensor | None:
    tf = _tensorflow()
    match op:
        case Dense():
            return _biased(tf.tensordot(x, op.kernel, 1), op.bias)
        case Conv() if not _is_miscomputed(op, x):
            return _convolution(tf, op, x)
        case ConvTranspose():
            return _transposed(tf, op, x)
        case Pool() if _can_pool(op):
            return tf.nn.pool(
                x, op.window, "MAX" if op.kind == "max" else "AVG", op.strides, "VALID"
            )
        case Reduce():
            reduce = {"max": tf.reduce_max, "min": tf.reduce_min, "sum": tf.reduce_sum}
            return reduce.get(op.kind, tf.reduce_mean)(x, op.axes, op.keepdims)
        case Merge():
            return _merged(tf, op, (x, *others))
        case Scale(factor=factor):
            return tf.multiply(x, np.float32(factor))
        case Affine():
            y = x if op.factor is None else tf.multiply(x, op.factor)
            return _biased(y, op.offset)
        case MatMul():
            return tf.matmul(x, *others)
        case Divide():
            return tf.divide(x, *others)
        case Quantize(quantizer=quantizer):
            quantize = theirs(quantizer)
            return None if quantize is None else quantize(tf.constant(x))
        case Relu(slope=0.0, threshold=0.0, max_value=None):
            return tf.nn.relu(x)
        case _:
            return None


def _can_pool(op: Pool) -> bool:
    """TensorFlow's pools jump over nothing, and pad in its own two ways alone."""
    jumps = any(s > k for s, k in zip(op.strides, op.window, strict=True))
    return not jumps and not any(map(any, op.padding))


def _is_miscomputed(op: Conv, x: F32) -> bool:
    """TensorFlow 2.21 leaves out rows of images of one channel and three columns.

    So it does with strides (1, 2), a window of two columns, several samples, and oneDNN.
    """
    return x.shape[-1] == 1 and len(set(op.strides)) > 1


def _convolution(tf: _Module, op: Conv, x: F32) -> _Tensor:
    padded = tf.pad(x, ((0, 0), *op.padding, (0, 0)))
    if op.groups == x.shape[-1] > 1 and x.ndim == 4:
        *window, _, outputs = op.kernel.shape
        kernel = op.kernel.reshape(*window, op.groups, outputs // op.groups)
        y = tf.nn.depthwise_conv2d(padded, kernel, (1, *op.strides, 1), "VALID", None, op.dilations)
        return _biased(y, op.bias)
    y = tf.nn.convolution(padded, op.kernel, op.strides, "VALID", None, op.dilations)
    return _biased(y, op.bias)


def _transposed(tf: _Module, op: ConvTranspose, x: F32) -> _Tensor:
    geometry = zip(x.shape[1:-1], op.kernel.shape, op.strides, strict=False)
    lengths = [(n - 1) * s + k for n, k, s in geometry]
    shape = (len(x), *lengths, op.kernel.shape[-2])
    y = tf.nn.conv_transpose(x, op.kernel, shape, op.strides, "VALID")
    kept = tuple(slice(a, n - b) for n, (a, b) in zip(lengths, op.cropping, strict=True))
    return _biased(y[(slice(None), *kept)], op.bias)


def _merged(tf: _Module, op: Merge, xs: Sequence[F32]) -> _Tensor:
    match op.kind:
        case "add":
            return tf.add_n(xs)
        case "average":
            return tf.add_n(xs) / np.float32(len(xs))
        case "subtract":
            return tf.subtract(*xs)
        case "multiply":
            y = xs[0]
            for x in xs[1:]:
                y = tf.multiply(y, x)
            return y
        case "maximum":
            return tf.reduce_max(tf.stack(xs), axis=0)
        case "minimum":
            return tf.reduce_min(tf.stack(xs), axis=0)


def _biased(y: _Tensor, bias: F32 | None) -> _Tensor:
    return y if bias is None else _tensorflow().nn.bias_add(y, bias)


@cache
def _tensorflow() -> _Module:
    os.environ |= {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_USE_LEGACY_KERAS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    import tensorflow

    return tensorflow
