"""``binary`` and ``ternary``, whose stochastic siblings compute the same at inference."""

from typing import Final

import numpy as np

from qconvert.ir.quantizers import AutoScale, Binary, Ternary
from qconvert.ir.types import F32
from qconvert.numerics import eigen
from qconvert.numerics.automatic_scale import (
    Sharing,
    fitted_scale,
    kept_axes,
    reduced_axes,
    sharing,
)
from qconvert.numerics.power_of_two import nearest_power
from qconvert.numerics.straight_through import round_through, sign_or_one, straight_through

_F = np.float32
_THRESHOLD: Final = 0.33


def binary(q: Binary, x: F32) -> F32:
    """``binary.__call__``."""
    codes = sign_or_one(x)
    if q.use_01:
        codes = (codes + _F(1)) / _F(2)
    match q.alpha:
        case None:
            return straight_through(eigen.tanh(x), codes)
        case "auto" | "auto_po2":
            return straight_through(x, fitted_scale(q.alpha, x, codes, sharing(q, x.ndim)) * codes)
        case _:
            return straight_through(x, np.asarray(q.alpha, _F) * codes)


def ternary(q: Ternary, x: F32) -> F32:
    """``ternary.__call__``; a threshold applies to *x* itself, not to ``x / alpha``."""
    if q.alpha == "auto" or q.alpha == "auto_po2":
        return _automatic_ternary(q.alpha, q.number_of_unrolls, x)
    threshold = _F(_THRESHOLD if q.threshold is None else q.threshold)
    codes = _outside(x, threshold) * np.sign(x)
    if q.alpha is None:
        return straight_through(eigen.tanh(x), codes)
    return straight_through(x, np.asarray(q.alpha, _F) * codes)


def _automatic_ternary(alpha: AutoScale, unrolls: int, x: F32) -> F32:
    axes = reduced_axes(x.ndim)
    scale = _F(2) * np.max(np.abs(x), axis=axes, keepdims=True) / _F(3)
    if alpha == "auto_po2":
        scale = nearest_power(scale)
    for _ in range(unrolls):
        rounded = scale * round_through(x / scale)
        codes = _outside(rounded, scale / _F(2)) * np.sign(x)
        scale = fitted_scale(alpha, x, codes, Sharing(kept_axes(x.ndim, None)))
    return straight_through(x, scale * codes)


def _outside(x: F32, threshold: F32 | np.float32) -> F32:
    return (np.abs(x) >= threshold).astype(np.float32)
