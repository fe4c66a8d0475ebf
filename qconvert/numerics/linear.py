"""``quantized_linear`` of QKeras's master and of qkeras-v3; QKeras 0.9.0 has no such quantizer."""

from typing import Final

import numpy as np

from qconvert.ir.quantizers import QuantizedLinear
from qconvert.ir.types import F32
from qconvert.numerics.automatic_scale import Sharing, fitted_scale, kept_axes
from qconvert.numerics.power_of_two import nearest_power
from qconvert.numerics.straight_through import clip, mixed, round_through

_F = np.float32
_EPSILON: Final = np.float32(1e-7)
_ROUNDS: Final = 5


def linear(q: QuantizedLinear, x: F32) -> F32:
    """``quantized_linear.__call__``: clips first, and rounds half to even with any scale."""
    scale = linear_scale(q, x)
    return mixed(x, _codes(q, x, scale) * scale, q.qnoise_factor)


def linear_scale(q: QuantizedLinear, x: F32) -> F32:
    """The distance of neighbouring results."""
    if q.alpha == "auto":
        return _largest_scale(q, x)
    if q.alpha == "auto_po2":
        return _power_scale(q, x)
    return np.asarray(1.0 if q.alpha is None else q.alpha, _F) * linear_unit(q)


def linear_unit(q: QuantizedLinear) -> np.float32:
    """That distance without an alpha."""
    return _F(2.0 ** (q.integer - q.bits + q.keep_negative))


def _ends(q: QuantizedLinear) -> tuple[np.float32, np.float32]:
    if _is_sign(q):
        return _F(-0.5), _F(0.5)
    unsigned = 2.0 ** (q.bits - q.keep_negative)
    return _F(q.keep_negative * (-unsigned + q.symmetric)), _F(unsigned - 1)


def _is_sign(q: QuantizedLinear) -> bool:
    return q.bits == 1 and q.keep_negative


def _codes(q: QuantizedLinear, x: F32, scale: F32) -> F32:
    """Whole numbers, or -1/2 and 1/2 of one signed bit."""
    shift = _F(0.5 if _is_sign(q) else 0.0)
    return round_through(clip(x / scale, *_ends(q)) - shift) + shift


def _largest_scale(q: QuantizedLinear, x: F32) -> F32:
    """The least scale that clips nothing; in rank 1 every element has its own."""
    lowest, highest = _ends(q)
    kept = kept_axes(x.ndim, q.scale_axis)
    axes = tuple(axis for axis in range(x.ndim) if axis not in kept)
    if q.keep_negative:
        largest = np.max(np.abs(x), axis=axes, keepdims=True) * _F(2)
    else:
        largest = np.max(x, axis=axes, keepdims=True)
    scale: F32 = np.maximum(largest / (highest - lowest), _EPSILON)
    return scale


def _power_scale(q: QuantizedLinear, x: F32) -> F32:
    """Fitted anew until no channel's power of two changes."""
    shared = Sharing(kept_axes(x.ndim, q.scale_axis))
    scale = nearest_power(_largest_scale(q, x))
    for _ in range(1 if _is_sign(q) else _ROUNDS):
        fitted = fitted_scale("auto_po2", x, _codes(q, x, scale), shared)
        if np.array_equal(fitted, scale):
            break
        scale = fitted
    return scale
