"""The straight-through estimator's arithmetic, which QKeras evaluates at inference too."""

from typing import Final

import numpy as np

from qconvert.ir.types import F32

_SMALLEST_NORMAL: Final = np.finfo(np.float32).smallest_normal


def straight_through(x: F32, quantized: F32) -> F32:
    """``x + (-x + quantized)``: three float32 operations that do not always return *quantized*."""
    return x + (-x + quantized)


def mixed(x: F32, quantized: F32, factor: float, *, use_ste: bool = True) -> F32:
    """``qnoise_factor`` of the quantized value and the rest of the input; 1 by default."""
    x = flushed(x)
    if use_ste:
        return x + flushed(np.float32(factor) * (-x + quantized))
    # QKeras subtracts in double precision, where the difference is a number of Python's.
    return flushed(np.float32(1 - factor) * x) + flushed(np.float32(factor) * quantized)


def flushed(x: F32) -> F32:
    """Denormal numbers as 0, which TensorFlow makes of them."""
    return np.where(np.abs(x) < _SMALLEST_NORMAL, np.float32(0), x)


def round_through(x: F32) -> F32:
    """Round half to even, straight through; never returns -0."""
    return straight_through(x, np.rint(x))


def clip(x: F32, lowest: np.float32, highest: np.float32) -> F32:
    """``tf.keras.backend.clip``; NaN stays."""
    return np.minimum(np.maximum(x, lowest), highest)


def sign_or_one(x: F32) -> F32:
    """-1 below 0, else 1."""
    sign = np.sign(x)
    return sign + (np.float32(1) - np.abs(sign))
