"""Automatic scales as numbers: what QKeras computes from one batch, kept for all others."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from qconvert.ir.quantizers import (
    Binary,
    FrozenScale,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    Quantizer,
    Ternary,
)
from qconvert.ir.types import F32
from qconvert.numerics.automatic_scale import codes_and_scale, kept_axes
from qconvert.numerics.fixed_point import hswish
from qconvert.numerics.levels import binary_scale, ternary_fit
from qconvert.numerics.linear import linear_scale, linear_unit
from qconvert.numerics.quantize import quantize
from qconvert.numerics.straight_through import flushed

_F = np.float32
#: Stands for the scale 0, which makes 0 of every number: far above all of them.
_OF_NOTHING: Final = 2.0**100


@dataclass(frozen=True, slots=True)
class Frozen:
    """A quantizer with its scale; ``empty`` channels are 0 in the whole batch, and stay 0."""

    quantizer: Quantizer
    empty: int


def freeze_scale(quantizer: Quantizer, x: F32) -> Frozen:
    """*quantizer* with the scale that it has for *x*; `ValueError` says why there is none.

    For *x* the results are the same.
    """
    with np.errstate(all="ignore"):
        result, scale = _freeze(quantizer, flushed(x))
    if not np.isfinite(scale).all():
        raise ValueError("the scale of these samples is not finite")
    if not np.array_equal(quantize(result, x), quantize(quantizer, x)):
        raise ValueError("the scale of these samples is not that of their codes, try others")
    return Frozen(result, int(np.count_nonzero(scale == 0)))


def _freeze(quantizer: Quantizer, x: F32) -> tuple[Quantizer, F32]:
    match quantizer:
        case QuantizedHswish(rounding=rounding):
            inner, scale = _freeze_bits(rounding, hswish(quantizer, x))
            return replace(quantizer, rounding=inner), scale
        case QuantizedBits():
            return _freeze_bits(quantizer, x)
        case QuantizedLinear(scale_axis=axis):
            _require_channels(x, axis)
            scale = linear_scale(quantizer, x)
            return replace(quantizer, alpha=_numbers(scale / linear_unit(quantizer))), scale
        case Binary(alpha="auto" | "auto_po2" as alpha, scale_axis=axis):
            _require_channels(x, axis)
            scale = binary_scale(quantizer, alpha, x)
            return replace(quantizer, alpha=_numbers(scale)), scale
        case Ternary(alpha="auto" | "auto_po2" as alpha):
            _require_channels(x, None)
            _, before, scale = ternary_fit(alpha, quantizer.number_of_unrolls, x)
            # The half itself is rounded to even, which is 0.
            threshold = np.nextafter(before / _F(2), _F(np.inf))
            return Ternary(_numbers(scale), _numbers(threshold)), scale
        case _:
            raise ValueError(f"{type(quantizer).__name__} has no scale to freeze")


def _freeze_bits(q: QuantizedBits, x: F32) -> tuple[QuantizedBits, F32]:
    if 0 in kept_axes(x.ndim, q.scale_axis):
        raise ValueError("every sample has a scale of its own")
    _, scale = codes_and_scale(q, x / _F(2.0**q.integer))
    whole = np.where(scale == 0, _F(_OF_NOTHING), scale * _F(2.0 ** (q.bits - q.keep_negative)))
    frozen = FrozenScale(tuple(whole.ravel().tolist()), whole.shape)
    return replace(q, post_training_scale=frozen), scale


def _require_channels(x: F32, scale_axis: object) -> None:
    """Numbers as ``alpha`` lie along the last axis."""
    if x.ndim < 2 or scale_axis not in (None, x.ndim - 1, (x.ndim - 1,)):
        raise ValueError(f"scale_axis={scale_axis}: scales along the last axis alone are frozen")


def _numbers(scale: F32) -> float | tuple[float, ...]:
    numbers = tuple(scale.ravel().tolist())
    return numbers[0] if len(numbers) == 1 else numbers
