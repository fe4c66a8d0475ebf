"""Scales computed from the tensor that is quantized: ``alpha='auto'`` and ``'auto_po2'``."""

from typing import Final

import numpy as np

from qconvert.ir.quantizers import AutoScale, QuantizedBits
from qconvert.ir.types import F32
from qconvert.numerics.power_of_two import nearest_power
from qconvert.numerics.reduction import mean
from qconvert.numerics.straight_through import straight_through

_F = np.float32
_EPSILON: Final = np.float32(1e-7)
_ROUNDS: Final = 5


def automatic_bits(q: QuantizedBits, x: F32) -> F32:
    """``quantized_bits.__call__`` with an automatic scale; ``keep_negative`` only sets ``m``."""
    m, m_i = _F(2.0 ** (q.bits - q.keep_negative)), _F(2.0**q.integer)
    levels = _F(2 * (2 ** (q.bits - 1) - 1))
    x = x / m_i
    scale = (
        np.max(np.abs(x), axis=reduced_axes(x.ndim, q.scale_axis), keepdims=True) * _F(2) / levels
    )
    if q.alpha == "auto":
        codes = _codes(x, scale, levels)
    else:
        scale = nearest_power(scale)
        for _ in range(_ROUNDS):
            codes = _codes(x, scale, levels)
            scale = fitted_scale("auto_po2", x, codes, q.scale_axis)
        if q.codes_of_last_scale:
            codes = _codes(x, scale, levels)
    return straight_through(m_i * x, (scale * m) * (m_i * codes / m))


def fitted_scale(alpha: AutoScale, x: F32, codes: F32, scale_axis: int | None = None) -> F32:
    """``_get_scale``: the least squares scale of *codes* for *x*; one an element in rank 1."""
    kept = x.ndim - 1 if scale_axis is None else scale_axis
    scale = mean(x * codes, kept) / (mean(codes * codes, kept) + _EPSILON)
    return nearest_power(scale) if alpha == "auto_po2" else scale


def reduced_axes(rank: int, scale_axis: int | None = None) -> tuple[int, ...]:
    """All axes but that of the scales, the last one by default; the only one in rank 1."""
    if rank == 1:
        return (0,)
    kept = rank - 1 if scale_axis is None else scale_axis
    return tuple(axis for axis in range(rank) if axis != kept)


def _codes(x: F32, scale: F32, levels: np.float32) -> F32:
    """Half away from zero, saturated symmetrically."""
    half = levels / _F(2)
    codes = np.floor(np.abs(x) / scale + _F(0.5))
    return np.sign(x) * np.where(codes < half, codes, half)
