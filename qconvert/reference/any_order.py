"""Sums of products in an order that is fast, for layers of which every order returns the same."""

import math
from collections.abc import Iterator
from functools import reduce
from typing import TypeGuard

import numpy as np

from qconvert.ir.ops import Conv, Op
from qconvert.ir.types import F32
from qconvert.reference.linear import add_bias
from qconvert.reference.windows import pad, taps


def is_faster(op: Op) -> TypeGuard[Conv]:
    """Whether another order is: that of dense layers is a matrix product's, here as elsewhere."""
    return isinstance(op, Conv) and op.groups == 1 and math.prod(op.kernel.shape[:-2]) > 1


def conv(op: Conv, x: F32) -> F32:
    """A matrix product for each place along the window's first axis, summed up; then the bias.

    The taps along the other axes lie side by side, so that each element is copied as often as
    the window is wide and not as often as it has places.
    """
    first, *others = op.kernel.shape[:-2]
    ones = (1,) * len(others)
    rows = taps(pad(x, op.padding), (1, *others), (1, *op.strides[1:]), op.dilations)
    lines = np.concatenate(rows, axis=-1)
    seen = taps(lines, (first, *ones), (op.strides[0], *ones), op.dilations)
    kernels = op.kernel.reshape(first, lines.shape[-1], op.kernel.shape[-1])
    total = reduce(_added, _products(seen, kernels))
    return add_bias(total.reshape(*seen[0].shape[:-1], op.kernel.shape[-1]), op.bias)


def _products(seen: list[F32], kernels: F32) -> Iterator[F32]:
    """One for each sample (samples, places, outputs), whose rows lie together in memory."""
    for x, kernel in zip(seen, kernels, strict=True):
        product: F32 = np.matmul(x.reshape(len(x), -1, x.shape[-1]), kernel)
        yield product


def _added(total: F32, product: F32) -> F32:
    return np.add(total, product, out=total)
