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
    codes = _binary_codes(q, x)
    match q.alpha:
        case None:
            return straight_through(eigen.tanh(x), codes)
        case "auto" | "auto_po2":
            return straight_through(x, binary_scale(q, q.alpha, x) * codes)
        case _:
            return straight_through(x, np.asarray(q.alpha, _F) * codes)


def binary_scale(q: Binary, alpha: AutoScale, x: F32) -> F32:
    """What an automatic scale multiplies with."""
    return fitted_scale(alpha, x, _binary_codes(q, x), sharing(q, x.ndim))


def _binary_codes(q: Binary, x: F32) -> F32:
    codes = sign_or_one(x)
    return (codes + _F(1)) / _F(2) if q.use_01 else codes


def ternary(q: Ternary, x: F32) -> F32:
    """``ternary.__call__``; a threshold applies to *x* itself, not to ``x / alpha``."""
    if q.alpha == "auto" or q.alpha == "auto_po2":
        codes, _, scale = ternary_fit(q.alpha, q.number_of_unrolls, x)
        return straight_through(x, scale * codes)
    threshold = np.asarray(_THRESHOLD if q.threshold is None else q.threshold, _F)
    codes = _outside(x, threshold) * np.sign(x)
    if q.alpha is None:
        return straight_through(eigen.tanh(x), codes)
    return straight_through(x, np.asarray(q.alpha, _F) * codes)


def ternary_fit(alpha: AutoScale, unrolls: int, x: F32) -> tuple[F32, F32, F32]:
    """Codes, the scale whose half was their threshold, and what they are multiplied with."""
    axes = reduced_axes(x.ndim)
    scale = _F(2) * np.max(np.abs(x), axis=axes, keepdims=True) / _F(3)
    if alpha == "auto_po2":
        scale = nearest_power(scale)
    for _ in range(unrolls):
        before = scale
        rounded = before * round_through(x / before)
        codes = _outside(rounded, before / _F(2)) * np.sign(x)
        scale = fitted_scale(alpha, x, codes, Sharing(kept_axes(x.ndim, None)))
    return codes, before, scale


def _outside(x: F32, threshold: F32) -> F32:
    return (np.abs(x) >= threshold).astype(np.float32)
