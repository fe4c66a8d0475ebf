"""Ops that move elements and compute nothing."""

import numpy as np

from qconvert.ir.ops import Concat, Pad, Padding, Reshape, Slice, Transpose, UpSample
from qconvert.ir.types import F32


def concat(op: Concat, inputs: tuple[F32, ...]) -> F32:
    """The inputs one behind the other along an axis."""
    return np.concatenate(inputs, axis=op.axis)


def reshape(op: Reshape, x: F32) -> F32:
    """The same elements in the same order in another shape."""
    return x.reshape(len(x), *op.shape)


def transpose(op: Transpose, x: F32) -> F32:
    """Axis ``i`` of the result is axis ``perm[i]`` of *x*."""
    return np.transpose(x, op.perm)


def pad_zeros(op: Pad, x: F32) -> F32:
    """Zeros around the axes after the batch axis."""
    return np.pad(x, ((0, 0), *op.padding))


def take_slice(op: Slice, x: F32) -> F32:
    """``x[:, begin:end:step, ...]`` without the axes in ``squeeze``."""
    parts = (slice(*ends) for ends in zip(op.begin, op.end, op.step, strict=True))
    return np.squeeze(x[(slice(None), *parts)], axis=op.squeeze)


def upsample(op: UpSample, x: F32) -> F32:
    """Every element ``factors[i]`` times along spatial axis ``i``."""
    for axis, factor in enumerate(op.factors, start=1):
        x = np.repeat(x, factor, axis=axis)
    return x


def crop(x: F32, cropping: Padding) -> F32:
    """*x* without (before, after) elements of each spatial axis; negative: with zeros added."""
    grown = [(max(-before, 0), max(-after, 0)) for before, after in cropping]
    kept = (
        slice(max(before, 0), n - max(after, 0))
        for n, (before, after) in zip(x.shape[1:-1], cropping, strict=True)
    )
    return np.pad(x[(slice(None), *kept)], ((0, 0), *grown, (0, 0)))
