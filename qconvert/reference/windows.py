"""Sliding windows: the elements that one position of a window sees, as strided views."""

from collections.abc import Iterator

import numpy as np

from qconvert.ir.ops import Padding
from qconvert.ir.types import F32


def pad(x: F32, padding: Padding, value: float = 0.0) -> F32:
    """*x* with *value* around its spatial axes (all but the first and the last)."""
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=np.float32(value))


def taps(
    x: F32, window: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], F32]]:
    """For every position in the window: its index, and its element of *x* for each output.

    *x* is padded already and channels-last; the views have the shape of the output.
    """
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilations, strict=True)]
    lengths = [(n - r) // s + 1 for n, r, s in zip(x.shape[1:-1], reach, strides, strict=True)]
    for index in np.ndindex(*window):
        spatial = (
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, n, s in zip(index, dilations, lengths, strides, strict=True)
        )
        yield index, x[(slice(None), *spatial)]
