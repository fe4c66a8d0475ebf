"""Elementwise functions and softmax: the formulas of tf_keras 2.21 in float32.

ReLU, hard sigmoid, softsign, sigmoid, tanh and swish equal TensorFlow's eager results bit for
bit. The others need an exponential or error function, which every library approximates in its
own way: on 85,537 numbers NumPy's exp differs from TensorFlow's by up to 3 ulp, softmax by up
to 7, softplus 6, mish 7, and elu, selu and gelu, which cancel, by up to 2**-21 absolutely.
"""

import math
from typing import assert_never

import numpy as np

from qconvert.ir.ops import Elementwise, Function, Relu, Softmax
from qconvert.ir.types import F32
from qconvert.numerics.eigen import sigmoid, tanh

ONE = np.float32(1)
HALF = np.float32(0.5)
#: ``scale`` and ``scale * alpha`` of Eigen's functor for ``tf.nn.selu``.
SELU_SCALE = np.float32(1.0507009873554804934193349852946)
SELU_SCALE_ALPHA = np.float32(1.7580993408473768599402175208123)


def relu(op: Relu, x: F32) -> F32:
    """``tf_keras.backend.relu``."""
    slope, threshold = np.float32(op.slope), np.float32(op.threshold)
    if slope != 0 and threshold == 0 and op.max_value is None:
        return np.where(x > 0, x, slope * x)
    y = x * (x > threshold).astype(np.float32) if threshold != 0 else _rectify(x)
    if op.max_value is not None:
        y = _clip(y, 0.0, op.max_value)
    return y if slope == 0 else y - slope * _rectify(threshold - x)


def softmax(op: Softmax, x: F32) -> F32:
    """``exp(x - max) / sum(exp(x - max))`` along an axis."""
    powers = _exp(x - x.max(axis=op.axis, keepdims=True))
    total: F32 = powers.sum(axis=op.axis, keepdims=True)
    return powers / total


def elementwise(op: Elementwise, x: F32) -> F32:
    """A function of ``tf.keras.activations``."""
    match op.function:
        case Function.ELU:
            return _elu(x, np.float32(op.alpha))
        case Function.EXPONENTIAL:
            return _exp(x)
        case Function.GELU:
            return HALF * x * (ONE + _erf(x / np.float32(math.sqrt(2))))
        case Function.HARD_SIGMOID:
            return _clip(x * np.float32(0.2) + HALF, 0.0, 1.0)
        case Function.HARD_SIGMOID_3:
            return _clip(x + np.float32(3), 0.0, 6.0) / np.float32(6)
        case Function.MISH:
            return x * tanh(_softplus(x))
        case Function.SELU:
            return np.where(x < 0, SELU_SCALE_ALPHA * (_exp(x) - ONE), SELU_SCALE * x)
        case Function.SIGMOID:
            return sigmoid(x)
        case Function.SOFTPLUS:
            return _softplus(x)
        case Function.SOFTSIGN:
            magnitude: F32 = np.abs(x)
            return x / (ONE + magnitude)
        case Function.SWISH:
            return x * sigmoid(x)
        case Function.TANH:
            return tanh(x)
        case _:
            assert_never(op.function)


def _exp(x: F32) -> F32:
    powers: F32 = np.exp(x)
    return powers


def _clip(x: F32, low: float, high: float) -> F32:
    clipped: F32 = np.clip(x, np.float32(low), np.float32(high))
    return clipped


def _rectify(x: F32) -> F32:
    return np.maximum(x, np.float32(0))


def _elu(x: F32, alpha: np.float32) -> F32:
    """``tf_keras.backend.elu``: alpha multiplies the result of ``tf.nn.elu``."""
    return np.where(x > 0, x, alpha * (_exp(x) - ONE))


def _softplus(x: F32) -> F32:
    """Eigen's functor: the exponential where 1 swamps it, the identity where it swamps 1."""
    threshold = np.float32(math.log(2.0**-23) + 2)
    powers = _exp(x)
    return np.where(x > -threshold, x, np.where(x < threshold, powers, np.log1p(powers)))


def _erf(x: F32) -> F32:
    """The error function, correctly rounded but for a few cases: NumPy has none."""
    return np.array([math.erf(value) for value in x.ravel().tolist()], np.float32).reshape(x.shape)
