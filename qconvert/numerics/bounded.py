"""``quantized_tanh``, ``_sigmoid`` and ``_ulaw``, and the plain functions: all bounded."""

from typing import assert_never

import numpy as np

from qconvert.ir.quantizers import HardFunction, QuantizedSigmoid, QuantizedTanh, QuantizedUlaw
from qconvert.ir.types import F32
from qconvert.numerics import eigen
from qconvert.numerics.straight_through import clip, round_through

_F = np.float32


def int32_power(n: int) -> np.float32:
    """``K.pow(2, n)`` of whole numbers, in int32: 2**31 is -2**31, and 2**32 is 0."""
    return _F(np.int64(2**n).astype(np.int32))


def hard_sigmoid(x: F32) -> F32:
    """``clip(x / 2 + 1 / 2, 0, 1)``."""
    return clip(_F(0.5) * x + _F(0.5), _F(0), _F(1))


def smooth_sigmoid(x: F32) -> F32:
    """``clip(3 / 16 * x + 1 / 2, 0, 1)``."""
    return clip(_F(0.1875) * x + _F(0.5), _F(0), _F(1))


def tanh(q: QuantizedTanh, x: F32) -> F32:
    """``quantized_tanh.__call__``."""
    m = int32_power(q.bits - 1)
    p = eigen.tanh(x) if q.use_real_tanh else _F(2) * hard_sigmoid(x) - _F(1)
    lowest = _F(-1) + _F(q.symmetric) / m
    return clip(round_through(p * m) / m, lowest, _F(1) - _F(1) / m)


def sigmoid(q: QuantizedSigmoid, x: F32) -> F32:
    """``quantized_sigmoid.__call__``."""
    m = int32_power(q.bits)
    p = eigen.sigmoid(x) if q.use_real_sigmoid else hard_sigmoid(x)
    return clip(round_through(p * m) / m, _F(q.symmetric) / m, _F(1) - _F(1) / m)


def ulaw(q: QuantizedUlaw, x: F32) -> F32:
    """``quantized_ulaw.__call__``: few different numbers reach the logarithm."""
    m, m_i = int32_power(q.bits - 1), _F(2.0**q.integer)
    codes = round_through(hard_sigmoid(x / m_i) * m)
    r = _F(2) * (codes / m) - _F(1)
    highest = eigen.log(np.array([1 + q.u], np.float32))
    level = np.sign(r) * eigen.log(_F(1) + _F(q.u) * np.abs(r)) / highest
    return m_i * clip(level, _F(-1 + q.symmetric / float(m)), _F(1 - 1 / float(m)))


def hard_function(function: HardFunction, x: F32) -> F32:
    """The plain functions of ``qkeras.quantizers``."""
    match function:
        case HardFunction.HARD_SIGMOID:
            return hard_sigmoid(x)
        case HardFunction.SMOOTH_SIGMOID:
            return smooth_sigmoid(x)
        case HardFunction.BINARY_SIGMOID:
            return round_through(hard_sigmoid(x))
        case HardFunction.HARD_TANH:
            return _F(2) * hard_sigmoid(x) - _F(1)
        case HardFunction.SMOOTH_TANH:
            return _F(2) * smooth_sigmoid(x) - _F(1)
        case HardFunction.BINARY_TANH:
            return _F(2) * round_through(hard_sigmoid(x)) - _F(1)
        case _:
            assert_never(function)
