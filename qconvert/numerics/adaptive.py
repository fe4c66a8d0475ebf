"""``QAdaptiveActivation``: the integer bits for a range that was observed in training."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.ir.types import F32
from qconvert.numerics import eigen

_F = np.float32
_LN_2: Final = np.float32(math.log(2.0))


def adaptive_integer(
    low: F32, high: F32, *, bits: int, symmetric: bool, keep_negative: bool, po2_rounding: bool
) -> npt.NDArray[np.int32]:
    """``_get_integer_bits``: for moving extremes (channels,) or (1,), as many integers."""
    if not keep_negative:
        low, high = np.maximum(low, _F(0)), np.maximum(high, _F(0))
    unsigned = bits - keep_negative
    of_low, of_high = _bits_of(low), _bits_of(high)
    if po2_rounding:
        of_low, of_high = np.rint(of_low), np.rint(of_high)
    else:
        of_low, of_high = np.ceil(of_low), np.ceil(of_high)
        of_high = np.where(high <= _top(of_high, unsigned), of_high, of_high + _F(1))
        if symmetric:
            of_low = np.where(-_top(of_low, unsigned) <= low, of_low, of_low + _F(1))
    return np.minimum(unsigned, np.maximum(of_low, of_high).astype(np.int32))


def _bits_of(extreme: F32) -> F32:
    """``log2`` of the magnitude, 0 for what is smaller than 1."""
    with np.errstate(all="ignore"):
        logarithm = eigen.log(np.abs(extreme)) / _LN_2
        return np.where(logarithm > 0, logarithm, _F(0))


def _top(integer: F32, unsigned: int) -> F32:
    """The largest number with so many integer bits, of *unsigned* bits in all."""
    top: F32 = np.exp2(integer) - np.exp2(np.minimum(integer - _F(unsigned), _F(0)))
    return top
