"""Which codes correct programs of a quantizer may return, each piece of it rising or falling.

Where all of them return one code at both ends of an interval in which the quantizer rises or
falls, they return it throughout: theorem 6 with the number itself as the state.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.checking.radius import FUNCTION_ULPS, SIGMOID_FLOOR, TINY, gamma
from qconvert.ir import F32, Grid, Quantizer, grid_of
from qconvert.ir.quantizers import (
    QuantizedHswish,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
)
from qconvert.numerics import quantize_body

_F64 = npt.NDArray[np.float64]
#: Lowest and highest codes; programs of single operations that rise or fall have none to fear.
Codes = tuple[_F64, _F64]

_FUNCTION: Final = gamma(2 * FUNCTION_ULPS)
_FEW_ROUNDINGS: Final = gamma(8)
#: Below it powers of two come from a constant.
_EPSILON: Final = float(np.float32(1e-7))
_WIDEST: Final = 16
#: Steps of a straight-through residue that is 0: theorem 4.
_EXACT_STEPS: Final = 1 << 24


def is_decidable(q: Quantizer) -> bool:
    """Whether thresholds tell all of it: it returns codes, and `codes_at` or order bounds them."""
    match q:
        case QuantizedRelu(qnoise_factor=factor, bits=bits, negative_slope=slope):
            # Of other slopes the levels lie on no grid, so that the residue is not 0.
            return factor == 1 and bits <= _WIDEST and (slope == 0 or math.frexp(slope)[0] == 0.5)
        case QuantizedTanh(bits=bits) | QuantizedSigmoid(bits=bits) | QuantizedUlaw(bits=bits):
            return bits <= _WIDEST
        case QuantizedPo2(qnoise_factor=factor, bits=bits):
            return factor == 1 and bits <= _WIDEST
        case QuantizedReluPo2(qnoise_factor=factor, bits=bits):
            return factor == 1 and bits <= _WIDEST
        case QuantizedHswish(rounding=rounding):
            return grid_of(rounding) is not None and rounding.bits <= _WIDEST
        case _:
            return False


def limit_of(q: Quantizer) -> float:
    """Up to which magnitude x + (q(x) - x) is the quantized value; infinite where it always is."""
    match q:
        case QuantizedRelu(is_quantized_clip=True, negative_slope=0.0):
            return math.inf
        case QuantizedRelu(bits=bits, integer=integer, negative_slope=slope):
            step = math.ldexp(1.0, integer - bits + bool(slope))
            return _EXACT_STEPS * step * min(1.0, slope or 1.0)
        case QuantizedHswish(rounding=rounding):
            grid = grid_of(rounding)
            return math.inf if grid is None else _EXACT_STEPS / 2 * grid.step
        case QuantizedPo2() | QuantizedReluPo2():
            # Each power is exact up to 2**24 times itself; the largest ends at its own.
            return _EXACT_STEPS * _largest_power(q)
        case _:
            return math.inf


def pieces(q: Quantizer) -> list[float]:
    """Where it changes from rising to falling, or its formula."""
    match q:
        case QuantizedHswish(relu_shift=shift, relu_upper_bound=bound):
            return [-shift, -shift / 2, 0.0, bound - shift]
        case QuantizedPo2() | QuantizedReluPo2():
            return [-_EPSILON, 0.0, _EPSILON]
        case _:
            return [0.0]


def scales(q: Quantizer) -> F32:
    """Where a number is looked for in a table, x may be that times one of these."""
    slope = q.negative_slope if isinstance(q, QuantizedReluPo2) else 0.0
    both = [1.0, -1.0, *([-1 / slope] if slope else [])]
    return np.array(both, np.float32)


def codes_at(q: Quantizer, x: _F64) -> Codes | None:
    """What programs may return for *x*; ``None`` if all are made of operations that rise or fall.

    Such a program returns what it does at both ends, if that is the same, throughout.
    """
    match q:
        case QuantizedTanh(use_real_tanh=True):
            return _rounded(np.tanh(x), _FUNCTION, 0.0, _known_grid(q))
        case QuantizedSigmoid(use_real_sigmoid=True):
            with np.errstate(over="ignore"):
                return _rounded(1 / (1 + np.exp(-x)), _FUNCTION, SIGMOID_FLOOR, _known_grid(q))
        case QuantizedHswish(rounding=rounding, relu_shift=shift, relu_upper_bound=bound):
            h = x * (np.clip(x + shift, 0, bound) / bound)
            grid = grid_of(rounding)
            assert grid is not None
            return _rounded(h, _FEW_ROUNDINGS, TINY, grid)
        case QuantizedPo2():
            return _powers(q, np.abs(x))
        case QuantizedReluPo2(negative_slope=slope):
            return _powers(q, np.where(x > 0, x, -slope * x))
        case _:
            return None


def _rounded(y: _F64, relative: float, floor: float, grid: Grid) -> Codes:
    error = relative * np.maximum(np.abs(y), floor) + TINY
    lo, hi = (np.rint((y + sign * error) / grid.step) for sign in (-1, 1))
    return np.clip(lo, grid.lo, grid.hi), np.clip(hi, grid.lo, grid.hi)


def _powers(q: QuantizedPo2 | QuantizedReluPo2, magnitude: _F64) -> Codes:
    """Exponents, but for their ends: rounded logarithms, of square roots if it says so."""
    factor = 0.5 if q.quadratic_approximation else 1.0
    most = math.inf if q.max_value is None else float(np.float32(q.max_value))
    logarithm = factor * np.log2(np.maximum(magnitude, _EPSILON))
    # The logarithm, the division by ln 2, the root and the residue of rounding.
    error = (_FUNCTION + _FEW_ROUNDINGS) * np.maximum(np.abs(logarithm), 1.0)
    to_whole = np.floor if q.log2_rounding == "floor" else np.rint
    # No exponent is beyond these ends; some are nearer.
    end = 2.0**q.bits
    lo, hi = (np.clip(to_whole(logarithm + sign * error), -end, end) for sign in (-1, 1))
    # Here every program computes from one number, whatever x is.
    for constant, mark in ((magnitude < _EPSILON, -math.inf), (magnitude >= most, math.inf)):
        lo, hi = (np.where(constant, mark, codes) for codes in (lo, hi))
    return lo, hi


def _largest_power(q: QuantizedPo2 | QuantizedReluPo2) -> float:
    power = replace(q, use_ste=False)
    return float(quantize_body(power, np.array([np.finfo(np.float32).max]))[0])


def _known_grid(q: Quantizer) -> Grid:
    grid = grid_of(q)
    assert grid is not None
    return grid
