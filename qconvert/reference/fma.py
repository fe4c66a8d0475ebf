"""The fused multiply-add of float32, which NumPy lacks."""

import numpy as np

from qconvert.ir.types import F32


def multiply_add(a: F32, b: F32, c: F32) -> F32:
    """``a * b + c`` with one rounding.

    The product is exact in float64. The sum is rounded there to odd, which keeps enough of what
    is lost that rounding again, to float32, cannot err (Boldo and Melquiond, 2008).
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    addend = c.astype(np.float64)
    total = product + addend
    error = _rounding_error(product, addend, total)
    inexact = (error < 0) | (error > 0)
    even = total.view(np.int64) % 2 == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    odd = np.where(inexact & even, np.nextafter(total, towards), total)
    return odd.astype(np.float32)


def _rounding_error(
    a: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    b: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    total: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What ``a + b`` lost when it was rounded to *total* (Knuth's TwoSum; exact)."""
    part = total - a
    return (a - (total - part)) + (b - part)
