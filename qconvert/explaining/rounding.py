"""What a quantizer does to one number."""

from fractions import Fraction
from math import isfinite

from qconvert.explaining.exact import dyadic, nearest
from qconvert.explaining.operands import Operand
from qconvert.explaining.results import Index, Rounded
from qconvert.ir import Quantizer, grid_of
from qconvert.ir.quantizers import (
    QuantizedBits,
    QuantizedLinear,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
)


def rounded(quantizer: Quantizer, x: Operand, index: Index, result: float) -> Rounded:
    """Before, code and after; no code where the *result* is none of the quantizer's grid."""
    before, grid = x.at(index), grid_of(quantizer)
    if grid is None or not (isfinite(before.number) and isfinite(result)):
        return Rounded(quantizer, before)
    code = Fraction(result) / dyadic(1, grid.exp)
    whole = int(code) if code.denominator == 1 else None
    position = _position(quantizer, before.number, grid.exp)
    return Rounded(quantizer, before, whole, grid.exp, grid.lo, grid.hi, position)


def _position(quantizer: Quantizer, x: float, exp: int) -> Fraction | None:
    """The number in steps, as it is rounded; ``None`` behind a function that is no fraction."""
    step = dyadic(1, exp)
    match quantizer:
        case QuantizedBits() | QuantizedLinear() | QuantizedRelu():
            return Fraction(x) / step
        case QuantizedTanh(use_real_tanh=False):
            return (2 * _half(x) - 1) / step
        case QuantizedSigmoid(use_real_sigmoid=False):
            return _half(x) / step
        case _:
            return None


def _half(x: float) -> Fraction:
    """``x / 2 + 1 / 2``, a sum that float32 rounds before anything else."""
    return Fraction(nearest(Fraction(x) / 2 + Fraction(1, 2)))
