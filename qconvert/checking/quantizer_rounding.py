"""How far correct programs of one quantizer may lie apart: not at all, with three exceptions.

The input may be uncertain itself. For the last seven elements at most of a tensor, TensorFlow
calls the C library's logarithm and exponential instead of its own, whose results an exported
table holds; near a tie the codes differ. And real functions of very many codes are the runtime's.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from qconvert.checking.radius import FUNCTION_ULPS, SIGMOID_FLOOR, Radius, between, gamma
from qconvert.ir import F32, Quantizer
from qconvert.ir.ops import Quantize
from qconvert.ir.quantizers import (
    Binary,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Ternary,
)
from qconvert.numerics import quantize_body
from qconvert.numerics.eigen import sigmoid, tanh
from qconvert.numerics.fixed_point import hswish

#: Relative error of two programs of a few operations, and of a real function.
_FEW_ROUNDINGS: Final = gamma(7)
_FUNCTION: Final = gamma(2 * FUNCTION_ULPS)
#: Codes of more bits are the runtime's function, rounded; fewer are a table.
_WIDEST_TABLE: Final = 16


def quantizer_radius(q: Quantizer, x: F32, y: F32, r: Radius | None) -> Radius | None:
    """How far programs may be from *y*, the quantized *x*, which is known within *r*."""
    match q:
        case QuantizedTanh(use_real_tanh=True):
            return _rounded_function(tanh(x), q.bits, q.bits - 1, r)
        case QuantizedSigmoid(use_real_sigmoid=True):
            return _larger(
                _from_body(q, x, y),
                _rounded_function(sigmoid(x), q.bits, q.bits, r, SIGMOID_FLOOR),
            )
        case _ if r is None:
            return _from_body(q, x, y)
        case _ if _factor(q) != 1:
            return _mixture(q, x, y, r)
        case QuantizedHswish():
            return _hswish(q, x, y, r)
        case _:
            moved = _larger(_from_body(q, x, y), between(Quantize(q), [x], y, [r]))
            residue = _residue(q, x, y, r)
            return moved if residue is None else residue + (0.0 if moved is None else moved)


def quantizer_cause(q: Quantizer) -> str | None:
    """What in a quantizer programs may round differently, in words."""
    match q:
        case QuantizedTanh(use_real_tanh=True, bits=bits) if bits > _WIDEST_TABLE:
            return "codes next to a tie of the tanh"
        case QuantizedSigmoid(use_real_sigmoid=True, bits=bits) if bits > _WIDEST_TABLE:
            return "codes next to a tie of the sigmoid"
        case QuantizedSigmoid(use_real_sigmoid=True):
            return "TensorFlow's other sigmoid for a tensor's last elements"
        case QuantizedPo2() | QuantizedReluPo2() | QuantizedUlaw():
            return "TensorFlow's other logarithm for a tensor's last elements"
        case _:
            return None


def _from_body(q: Quantizer, x: F32, y: F32) -> Radius | None:
    """The distance to what TensorFlow computes for other elements; 0 but for the last seven."""
    if not isinstance(q, QuantizedSigmoid | QuantizedUlaw | QuantizedPo2 | QuantizedReluPo2):
        return None
    distance: Radius = abs(quantize_body(q, x).astype(np.float64) - y)
    distance[np.isnan(distance)] = 0
    return distance if distance.any() else None


def _larger(left: Radius | None, right: Radius | None) -> Radius | None:
    if left is None or right is None:
        return right if left is None else left
    return np.maximum(left, right)


def _rounded_function(
    y: F32, bits: int, fraction_bits: int, r: Radius | None, floor: float = 0.0
) -> Radius | None:
    """Codes that a function of slope 1 at most may round to: one, but next to a tie."""
    if r is None and bits <= _WIDEST_TABLE:
        return None
    error = _FUNCTION * np.maximum(abs(y.astype(np.float64)), floor) + (0.0 if r is None else r)
    ends = (np.rint(np.ldexp(y + sign * error, fraction_bits)) for sign in (1, -1))
    distance: Radius = np.ldexp(np.subtract(*ends), -fraction_bits)
    return distance if r is None or bits > _WIDEST_TABLE else np.where(r == 0, 0.0, distance)


def _residue(q: Quantizer, x: F32, y: F32, r: Radius) -> Radius | None:
    """``x + (q(x) - x)`` rounds to one side or the other, unless q(x) is of few bits."""
    match q:
        case QuantizedBits(alpha=alpha) | QuantizedLinear(alpha=alpha):
            pass
        case Binary(alpha=alpha) | Ternary(alpha=alpha):
            pass
        case _:
            return None
    each = alpha if isinstance(alpha, tuple) else (1.0 if alpha is None else alpha,)
    if all(not isinstance(one, str) and math.frexp(abs(one))[0] == 0.5 for one in each):
        return None
    return _few_roundings(r, abs(x) + abs(y))


def _few_roundings(r: Radius, size: Radius | F32) -> Radius:
    """None where the input is certain, for all programs round alike."""
    return np.where(r == 0, 0.0, _FEW_ROUNDINGS * (size + r))


def _factor(q: Quantizer) -> float:
    match q:
        case QuantizedHswish(rounding=rounding):
            return rounding.qnoise_factor
        case QuantizedBits() | QuantizedLinear() | QuantizedRelu():
            return q.qnoise_factor
        case QuantizedPo2() | QuantizedReluPo2():
            return q.qnoise_factor
        case _:
            return 1.0


def _mixture(q: Quantizer, x: F32, y: F32, r: Radius) -> Radius:
    """Shares of the input's radius and of the quantized value's."""
    pure, steepest = _pure(q)
    factor = _factor(q)
    quantized = quantize_body(pure, x)
    moved = quantizer_radius(pure, x, quantized, r)
    own = abs(1 - factor) * steepest * r
    rounded = _few_roundings(steepest * r, steepest * abs(x) + abs(quantized) + abs(y))
    total: Radius = own + rounded + (0.0 if moved is None else abs(factor) * moved)
    off = _from_body(q, x, y)
    return total if off is None else total + off


def _pure(q: Quantizer) -> tuple[Quantizer, float]:
    """The quantizer without its input in the mixture, and that input's steepest slope."""
    match q:
        case QuantizedHswish(rounding=rounding):
            return replace(q, rounding=replace(rounding, qnoise_factor=1.0)), _steepest(q)
        case QuantizedRelu() | QuantizedReluPo2():
            return replace(q, qnoise_factor=1.0), max(1.0, abs(q.negative_slope))
        case QuantizedBits() | QuantizedLinear() | QuantizedPo2():
            return replace(q, qnoise_factor=1.0), 1.0
        case _:
            return q, 1.0


def _hswish(q: QuantizedHswish, x: F32, y: F32, r: Radius) -> Radius | None:
    """It falls and rises, so its quantizer is asked about all that the steepest slope reaches."""
    h = hswish(q, x)
    spread = _steepest(q) * r
    spread = spread + _few_roundings(spread, abs(h))
    return quantizer_radius(q.rounding, h, y, spread)


def _steepest(q: QuantizedHswish) -> float:
    ratio = q.relu_shift / q.relu_upper_bound
    return max(1.0, abs(2 - ratio), ratio)
