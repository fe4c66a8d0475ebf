"""The straight-through estimator's arithmetic, which QKeras evaluates at inference too."""

import numpy as np

from qconvert.ir.types import F32


def straight_through(x: F32, quantized: F32) -> F32:
    """``x + (-x + quantized)``: three float32 operations that do not always return *quantized*."""
    return x + (-x + quantized)


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
