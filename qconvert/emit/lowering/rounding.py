"""Kernels that return codes, written: the forms and places in which they are fastest."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import WeightCodes
from qconvert.emit.grids import bytes_hold
from qconvert.emit.lowering.abreast import (
    ended,
    places_abreast,
    side_by_side,
    widened,
    widened_kernel,
)
from qconvert.emit.lowering.groups import Form, form, spread, without_groups
from qconvert.emit.lowering.linear import conv_attributes
from qconvert.emit.packing import stored_codes, type_of_weights
from qconvert.emit.requantization import Phases, Requantized, divides_exactly, summing
from qconvert.emit.values import Codes, Value, channels_first, from_codes, natural, relayout
from qconvert.emit.weights import conv_weight
from qconvert.ir import Grid, Shape
from qconvert.ir.ops import Conv, Pool

#: Behind the last element of every axis.
_END = 1 << 62

#: Weights (outputs, inputs / groups, *window) in the type in which a file has them.
Stored: TypeAlias = npt.NDArray[Any]


def at_places(
    conv: Conv, found: Requantized, shape: Shape, x: Value, b: Builder, *, alone: bool
) -> Value:
    """A result of *shape* in the form of *conv*, and with the places of a row, that are fastest."""
    groups, width = conv.groups, shape[-2]
    whole = form(conv, width, alone=alone) is Form.WHOLE
    count = places_abreast(conv, width) if whole or groups == 1 else 1
    run = widened(without_groups(conv) if whole else conv, count, width)
    x = relayout(b, x, channels_first(x.rank))

    def kernel(codes: Stored, zero: int) -> Tensor:
        rows = ended(codes, zero) if count > 1 else codes
        stored = spread(b, rows, groups, zero) if whole else stored_codes(b, rows, "kernel")
        if count == 1:
            return stored
        outputs, inputs, *window = codes.shape
        sizes = (outputs, inputs * groups, *window)
        return widened_kernel(b, stored, sizes, conv.strides[-1], count)

    codes = convolved(run, found, x, b, kernel, count)
    if count == 1:
        return from_codes(b, codes, x.layout)
    return side_by_side(b, Value("", x.layout, codes), shape, count)


def mean_of_codes(op: Pool, shape: Shape, x: Value, b: Builder) -> Value | None:
    """A mean that needs no rounding as sums of codes, in smaller steps; ``None`` if bytes end."""
    if x.codes is None or not x.integer or not divides_exactly(op):
        return None
    count = math.prod(op.window)
    lo, hi = (end * count for end in x.codes.ends)
    grid = Grid(lo, hi, x.codes.exp - (count.bit_length() - 1))
    if not bytes_hold(grid):
        return None
    ones = summing(op, shape[-1] or 1)
    weights = conv_weight(ones).array.astype(np.int64)
    bias, multipliers = np.zeros(len(weights), np.int64), np.ones(len(weights), np.float32)
    zero = zero_code(grid)
    sums = Requantized(weights, bias, multipliers, grid, (-zero, 255 - zero), 0)
    return at_places(ones, sums, shape, x, b, alone=True)


def in_place(b: Builder, y: Value, placed: Phases) -> Value:
    """The phases, which are channels, where they belong: moved in runs of one pixel's channels."""
    assert y.codes is not None
    rows, columns = placed.block, placed.block
    y = relayout(b, y, natural(y.rank))
    assert y.codes is not None
    tensor = b.op("Reshape", y.codes.tensor, b.integers([0, 0, 0, rows, columns, -1], "shape"))
    tensor = b.op("Transpose", tensor, attributes={"perm": [0, 1, 3, 2, 4, 5]})
    shape = [0, -1, placed.width, placed.channels]
    tensor = b.op("Reshape", tensor, b.integers(shape, "shape"))
    if any(map(any, placed.surplus)):
        starts = b.integers([before for before, _ in placed.surplus], "starts")
        ends = b.integers([-after if after else _END for _, after in placed.surplus], "ends")
        tensor = b.op("Slice", tensor, starts, ends, b.integers([1, 2], "axes"))
    return from_codes(b, replace(y.codes, tensor=tensor), y.layout)


def convolved(
    op: Conv,
    found: Requantized,
    x: Value,
    b: Builder,
    kernel: Callable[[Stored, int], Tensor],
    count: int = 1,
) -> Codes:
    """With the attributes of *op* and the *kernel* of stored weights and the code of 0.

    It has the channels of *found*, *count* times.
    """
    assert x.codes is not None
    grid, dtype, zero = found.grid, "uint8", zero_code(found.grid)
    codes = _shifted(b, x.codes, found.shift)
    weights = WeightCodes(found.weights, np.zeros(1, np.int64), 0)
    kind, origin = type_of_weights(b, weights, codes)
    scales = np.ldexp(found.multipliers, grid.exp - codes.exp).astype(np.float32)
    scales = scales[0] if np.all(scales == scales[0]) else np.tile(scales, count)
    y = b.op(
        "QLinearConv",
        codes.tensor,
        b.scalar(2.0**codes.exp),
        b.constant(np.array(codes.zero, codes.dtype), "zero"),
        kernel((found.weights + origin).astype(kind), origin),
        b.constant(scales, "kernel_scale"),
        b.constant(np.full(scales.shape, origin, kind), "zero"),
        b.scalar(grid.step),
        b.constant(np.array(zero, dtype), "zero"),
        b.constant(np.tile(found.bias.astype(np.int32), count), "bias"),
        attributes=conv_attributes(op),
    )
    ends = tuple(end + zero for end in found.ends)
    if ends != (0, 255):
        lo, hi = (b.constant(np.array(n, dtype), "end") for n in ends)
        y = b.op("Clip", y, lo, hi)
    return Codes(y, dtype, zero, grid.exp, (grid.lo, grid.hi))


def _shifted(b: Builder, codes: Codes, bits: int) -> Codes:
    """The same numbers with more steps between them: parts of a step for the bias."""
    if not bits:
        return codes
    places = b.constant(np.array(bits, codes.dtype), "bits")
    tensor = b.op("BitShift", codes.tensor, places, attributes={"direction": "LEFT"})
    lo, hi = codes.ends
    return replace(codes, tensor=tensor, exp=codes.exp - bits, ends=(lo << bits, hi << bits))


def zero_code(grid: Grid) -> int:
    """The code of 0."""
    return 128 if grid.lo < 0 else 0
