"""``quantized_bits`` with a given scale, ``quantized_hswish`` and ``quantized_relu``."""

import numpy as np

from qconvert.ir.quantizers import FrozenScale, QuantizedBits, QuantizedHswish, QuantizedRelu
from qconvert.ir.types import F32
from qconvert.numerics.bounded import hard_sigmoid, int32_power
from qconvert.numerics.straight_through import clip, flushed, mixed, round_through, sign_or_one

_F = np.float32


def bits(q: QuantizedBits, x: F32) -> F32:
    """``quantized_bits.__call__`` where alpha is None, a number, or a number a channel."""
    scale = np.asarray(1.0 if q.alpha is None else q.alpha, _F)
    if q.bits == 1 and q.keep_negative:
        quantized = sign_or_one(x)
    else:
        m, m_i = _F(2.0 ** (q.bits - q.keep_negative)), _F(2.0**q.integer)
        lowest = _F(q.keep_negative) * (-m + _F(q.symmetric))
        codes = clip(round_through(x * m / m_i), lowest, m - _F(1))
        quantized = m_i * codes / m
    return mixed(x, scale * quantized, q.qnoise_factor, use_ste=q.use_ste)


def frozen_bits(q: QuantizedBits, x: F32, frozen: FrozenScale) -> F32:
    """``quantized_bits.__call__`` with a ``post_training_scale`` (master)."""
    m, m_i = _F(2.0 ** (q.bits - q.keep_negative)), _F(2.0**q.integer)
    half = _F(2 ** (q.bits - 1) - 1)
    scale = np.array(frozen.values, np.float32).reshape(frozen.shape) / m
    x = x / m_i
    codes = np.sign(x) * np.minimum(np.floor(np.abs(x) / scale + _F(0.5)), half)
    quantized = (scale * m) * (m_i * codes / m)
    return mixed(m_i * x, quantized, q.qnoise_factor, use_ste=q.use_ste)


def hswish(q: QuantizedHswish, x: F32) -> F32:
    """What ``quantized_hswish.__call__`` quantizes."""
    bound = _F(q.relu_upper_bound)
    shifted = x + _F(q.relu_shift)
    # Not np.minimum: a NaN becomes the bound, as in QKeras.
    part = np.where(shifted <= bound, np.maximum(shifted, _F(0)), bound)
    return flushed(flushed(x * part) / bound)


def relu(q: QuantizedRelu, x: F32) -> F32:
    """``quantized_relu.__call__``."""
    m = int32_power(q.bits - (q.negative_slope != 0))
    m_i = _F(2.0**q.integer)
    quantized = _positive_part(q, x, m, m_i)
    if q.negative_slope > 0:
        quantized = quantized + _negative_part(q, x, m, m_i)
    if q.relu_upper_bound and not q.is_quantized_clip:
        bound = _F(q.relu_upper_bound)
        # Not np.minimum: a NaN from overflow becomes the bound, as in QKeras.
        quantized = np.where(quantized <= bound, quantized, bound)
    unquantized = _unquantized(q, x, m, m_i)
    return mixed(unquantized, quantized, q.qnoise_factor, use_ste=q.use_ste)


def _unquantized(q: QuantizedRelu, x: F32, m: np.float32, m_i: np.float32) -> F32:
    leaky = np.where(x > 0, x, _F(q.negative_slope) * x)
    if q.is_quantized_clip:
        bound = m_i - m_i / m
    elif q.relu_upper_bound is not None:
        bound = _F(q.relu_upper_bound)
    else:
        return leaky
    return np.where(x <= bound, leaky, bound)


def _positive_part(q: QuantizedRelu, x: F32, m: np.float32, m_i: np.float32) -> F32:
    highest = _F(1) - _F(1) / m
    if q.use_sigmoid:
        codes = round_through(hard_sigmoid(x / m_i) * m)
        return m_i * clip(_F(2) * (codes / m) - _F(1), _F(0), highest)
    return m_i * clip(round_through(x * m / m_i) / m, _F(0), highest)


def _negative_part(q: QuantizedRelu, x: F32, m: np.float32, m_i: np.float32) -> F32:
    slope = _F(q.negative_slope)
    step = _F(1 / (q.negative_slope * float(m)))
    if q.use_sigmoid:
        codes = round_through(hard_sigmoid(x / m_i) * m * slope)
        return m_i * slope * clip(_F(2) * (codes * step) - _F(1), _F(-1), _F(0))
    return m_i * slope * clip(round_through(x * m / m_i * slope) * step, _F(-1), _F(0))
