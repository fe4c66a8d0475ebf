"""Transposed convolutions as plain ones, for which there are integer kernels.

With strides of ``s``, every ``s``-th element of the result along an axis is a sum over the same
part of the kernel: a convolution of the input itself. All of these are computed as further
channels, and then they are put where they belong.
"""

from dataclasses import dataclass

import numpy as np

from qconvert.ir import Shape
from qconvert.ir.ops import Conv, ConvTranspose, Padding


@dataclass(frozen=True, slots=True, eq=False)
class Phases:
    """``conv`` has the channels of all phases, the last axis in the order (row, column, channel).

    Spread over blocks of ``block`` by ``block``, its results are those of the transposed
    convolution, which then are ``width`` wide, with ``surplus`` (before, after) on each spatial
    axis.
    """

    conv: Conv
    block: int
    surplus: Padding
    width: int
    channels: int


def phases(op: ConvTranspose, shape: Shape) -> Phases | None:
    """A transposed convolution to *shape*, or ``None`` for one that has no such form.

    That is one over two axes with equal strides, whose result has a known width.
    """
    block = op.strides[0]
    if set(op.strides) != {block} or len(op.strides) != 2 or set(op.dilations) != {1}:
        return None
    if any(n < 0 for ends in op.cropping for n in ends) or shape[2] is None:
        return None
    rows, columns, outputs, inputs = op.kernel.shape
    taps = [-(-size // block) for size in (rows, columns)]
    kernel = np.zeros((*taps, inputs, block, block, outputs), np.float32)
    for i, j in np.ndindex(rows, columns):
        # The last tap of a window reads the newest input, which meets the first of the kernel.
        at = taps[0] - 1 - i // block, taps[1] - 1 - j // block
        kernel[*at, :, i % block, j % block] = op.kernel[i, j].T
    conv = Conv(
        kernel.reshape(*taps, inputs, -1),
        None,
        (1, 1),
        (1, 1),
        tuple((n - 1, n - 1) for n in taps),
    )
    sizes = zip(taps, (rows, columns), op.cropping, strict=True)
    surplus = tuple((before, n * block - size + after) for n, size, (before, after) in sizes)
    return Phases(conv, block, surplus, shape[2] + sum(surplus[1]), outputs)
