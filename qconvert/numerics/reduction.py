"""``tf.reduce_mean`` on a CPU."""

import numpy as np

from qconvert.ir.types import F32


def mean(x: F32, axes: tuple[int, ...]) -> F32:
    """The mean over *axes*, which stay with length 1; the identity for no axes."""
    if not axes:
        return x
    return np.mean(x, axis=axes, keepdims=True, dtype=np.float32)
