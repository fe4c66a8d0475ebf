"""Sliding windows: the elements that one position of a window sees, as strided views."""

import numpy as np

from qconvert.ir.ops import Padding
from qconvert.ir.types import F32


def pad(x: F32, padding: Padding, value: float = 0.0) -> F32:
    """*x* with *value* around its spatial axes (all but the first and the last)."""
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=np.float32(value))


def taps(
    x: F32, window: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> list[F32]:
    """For every position in the window, in C order: the element of *x* that each output sees.

    *x* is padded already and channels-last; the views have the shape of the output.
    """
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilations, strict=True)]
    lengths = [(n - r) // s + 1 for n, r, s in zip(x.shape[1:-1], reach, strides, strict=True)]
    views = []
    for index in np.ndindex(*window):
        geometry = zip(index, dilations, lengths, strides, strict=True)
        spatial = (slice(i * d, i * d + n * s, s) for i, d, n, s in geometry)
        views.append(x[(slice(None), *spatial)])
    return views
