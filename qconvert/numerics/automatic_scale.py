"""Scales computed from the tensor that is quantized: ``alpha='auto'`` and ``'auto_po2'``."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from qconvert.ir.quantizers import AutoScale, Axes, Binary, QuantizedBits
from qconvert.ir.types import F32
from qconvert.numerics.power_of_two import nearest_power
from qconvert.numerics.reduction import mean
from qconvert.numerics.straight_through import mixed

_F = np.float32
_EPSILON: Final = np.float32(1e-7)
_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which elements share a scale: all along the axes not kept, or groups along the kept ones.

    ``groups`` and the exponents, between which a power of two is clipped, are master's.
    """

    kept: tuple[int, ...]
    groups: tuple[int, ...] | None = None
    lowest: int | None = None
    highest: int | None = None


def kept_axes(rank: int, scale_axis: Axes | None) -> tuple[int, ...]:
    """The axes along which scales differ, the last one by default."""
    match scale_axis:
        case None:
            return (rank - 1,)
        case int():
            return (scale_axis,)
        case _:
            return scale_axis


def sharing(q: QuantizedBits | Binary, rank: int) -> Sharing:
    """The scales of a tensor with *rank* axes."""
    kept, groups = kept_axes(rank, q.scale_axis), q.elements_per_scale
    if isinstance(groups, int):
        groups = (groups,) * len(kept)
    return Sharing(kept, groups, q.min_po2_exponent, q.max_po2_exponent)


def automatic_bits(q: QuantizedBits, x: F32) -> F32:
    """``quantized_bits.__call__`` with an automatic scale; ``keep_negative`` only sets ``m``."""
    m, m_i = _F(2.0 ** (q.bits - q.keep_negative)), _F(2.0**q.integer)
    x = x / m_i
    codes, scale = codes_and_scale(q, x)
    quantized = (scale * m) * (m_i * codes / m)
    return mixed(m_i * x, quantized, q.qnoise_factor, use_ste=q.use_ste)


def codes_and_scale(q: QuantizedBits, x: F32) -> tuple[F32, F32]:
    """Whole numbers, and what they are multiplied with, for an *x* divided by ``2**integer``."""
    levels = _F(2 * (2 ** (q.bits - 1) - 1))
    shared = sharing(q, x.ndim)
    axes = reduced_axes(x.ndim, q.scale_axis)
    scale = np.max(np.abs(x), axis=axes, keepdims=True) * _F(2) / levels
    if q.alpha == "auto":
        return _codes(x, scale, levels), scale
    scale = nearest_power(scale)
    for _ in range(_ROUNDS):
        codes = _codes(x, scale, levels)
        scale = fitted_scale("auto_po2", x, codes, shared)
    return _codes(x, scale, levels) if q.codes_of_last_scale else codes, scale


def fitted_scale(alpha: AutoScale, x: F32, codes: F32, shared: Sharing) -> F32:
    """``_get_scale``: the least squares scale of *codes* for *x*; one an element in rank 1."""
    scale = _mean(x * codes, shared) / (_mean(codes * codes, shared) + _EPSILON)
    if alpha == "auto":
        return scale
    lowest = _F(0) if shared.lowest is None else _F(2.0**shared.lowest)
    highest = _F(np.inf) if shared.highest is None else _F(2.0**shared.highest)
    # Of ends in the wrong order, Keras takes the lower one.
    return np.maximum(np.minimum(nearest_power(scale), highest), lowest)


def reduced_axes(rank: int, scale_axis: Axes | None = None) -> tuple[int, ...]:
    """All axes but those of the scales; the only one in rank 1."""
    if rank == 1:
        return (0,)
    return tuple(axis for axis in range(rank) if axis not in kept_axes(rank, scale_axis))


def _mean(x: F32, shared: Sharing) -> F32:
    if x.ndim == 1:
        return x
    if shared.groups is None:
        return mean(x, shared.kept)
    return _mean_of_groups(x, dict(zip(shared.kept, shared.groups, strict=True)))


def _mean_of_groups(x: F32, groups: dict[int, int]) -> F32:
    """The mean over groups along some axes and over all other axes, repeated to fill the groups."""
    split: list[int] = []
    kept: list[int] = []
    for axis, size in enumerate(x.shape):
        kept += [len(split)] if axis in groups else []
        split += [size // groups[axis], groups[axis]] if axis in groups else [size]
    means = mean(x.reshape(split), tuple(kept))
    shape = [size // groups[axis] if axis in groups else 1 for axis, size in enumerate(x.shape)]
    result = means.reshape(shape)
    for axis, count in groups.items():
        result = np.repeat(result, count, axis)
    return result


def _codes(x: F32, scale: F32, levels: np.float32) -> F32:
    """Half away from zero, saturated symmetrically."""
    half = levels / _F(2)
    codes = np.floor(np.abs(x) / scale + _F(0.5))
    return np.sign(x) * np.where(codes < half, codes, half)
