"""``quantized_po2`` and ``quantized_relu_po2``."""

import math
from typing import Final

import numpy as np

from qconvert.ir.quantizers import QuantizedPo2, QuantizedReluPo2
from qconvert.ir.types import F32
from qconvert.numerics import eigen
from qconvert.numerics.straight_through import (
    clip,
    mixed,
    round_through,
    sign_or_one,
    straight_through,
)

_F = np.float32
_EPSILON: Final = np.float32(1e-7)
_LN_2: Final = np.float32(math.log(2.0))
_SMALLEST: Final = np.finfo(np.float32).smallest_normal


def po2(q: QuantizedPo2, x: F32) -> F32:
    """``quantized_po2.__call__``."""
    exponents = _exponents(q, q.bits - 1, np.abs(x))
    power = sign_or_one(x) * _power(exponents)
    return mixed(x, power, q.qnoise_factor, use_ste=q.use_ste)


def relu_po2(q: QuantizedReluPo2, x: F32) -> F32:
    """``quantized_relu_po2.__call__``."""
    slope = _F(q.negative_slope)
    unquantized = np.where(x > 0, x, slope * x)
    if q.max_value is not None:
        unquantized = np.where(x <= _F(q.max_value), unquantized, _F(q.max_value))
    quantized = _power(_exponents(q, q.bits, np.maximum(x, _F(0))))
    if q.negative_slope:
        below = -_power(_exponents(q, q.bits, np.maximum(-x, _F(0)) * slope))
        quantized = np.where(x >= 0, quantized, below)
    return mixed(unquantized, quantized, q.qnoise_factor, use_ste=q.use_ste)


def nearest_power(x: F32) -> F32:
    """The automatic scales' ``2 ** round(log2(x + epsilon))``."""
    return _power(np.rint(eigen.log(x + _EPSILON) / _LN_2))


def _exponents(q: QuantizedPo2 | QuantizedReluPo2, bits: int, x_abs: F32) -> F32:
    """``_clip_power_of_two``: the exponent of every element."""
    signed = q.max_value is None or q.max_value > 1
    span = 2 ** (bits - signed)
    highest = 2 * ((span - 1) // 2) if q.quadratic_approximation else span - 1
    x = np.where(x_abs < _EPSILON, _EPSILON, x_abs)
    if q.max_value is not None:
        x = np.minimum(x, _F(q.max_value))
    logarithm = eigen.log(np.sqrt(x) if q.quadratic_approximation else x) / _LN_2
    rounded = _floor_through(logarithm) if q.log2_rounding == "floor" else round_through(logarithm)
    exponents = clip(rounded, _F(-span), _F(highest))
    if q.quadratic_approximation:
        exponents = _F(2) * exponents
    return np.where(x_abs < _EPSILON, _F(-span), exponents)


def _floor_through(x: F32) -> F32:
    return straight_through(x, np.floor(x))


def _power(exponents: F32) -> F32:
    """``2.0 ** exponents``; TensorFlow flushes denormal results to 0."""
    result = np.exp2(exponents)
    return np.where(result < _SMALLEST, _F(0), result)
