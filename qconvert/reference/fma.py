"""The fused multiply-add of float32, which NumPy lacks."""

from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.ir.types import F32

_F64 = npt.NDArray[np.float64]

#: The bits that float32 has no room for, and what is there halfway between two of its numbers.
_LOST: Final = (1 << 29) - 1
_HALF: Final = 1 << 28
#: Up to the smallest normal number float32 has fewer bits.
_TINY: Final = np.float32(2.0**-126)


def multiply_add(a: F32, b: F32, c: F32) -> F32:
    """``a * b + c`` with one rounding.

    The product is exact in float64. Rounding the sum there and then to float32 errs only where
    the first rounding ends halfway between two float32 numbers: rounding is monotone.
    """
    product = np.multiply(a, b, dtype=np.float64)
    total = np.add(product, c, dtype=np.float64)
    result: F32 = total.astype(np.float32)
    halfway = (total.view(np.int64) & _LOST) == _HALF
    halfway |= (abs(result) <= _TINY) & (total != 0)
    if halfway.any():
        addend = np.broadcast_to(c.astype(np.float64), total.shape)
        result[halfway] = _rounded_to_odd(product[halfway], addend[halfway]).astype(np.float32)
    return result


def _rounded_to_odd(a: _F64, b: _F64) -> _F64:
    """``a + b``, which keeps enough of what is lost that rounding it again to float32 cannot err.

    Boldo and Melquiond, 2008.
    """
    total = a + b
    error = _rounding_error(a, b, total)
    inexact = (error < 0) | (error > 0)
    even = total.view(np.int64) % 2 == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    return np.where(inexact & even, np.nextafter(total, towards), total)


def _rounding_error(a: _F64, b: _F64, total: _F64) -> _F64:
    """What ``a + b`` lost when it was rounded to *total* (Knuth's TwoSum; exact)."""
    part = total - a
    return (a - (total - part)) + (b - part)
