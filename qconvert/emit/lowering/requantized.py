"""A convolution, or a mean, and all that stands between it and a quantizer, as one integer kernel.

``QLinearConv`` states the arithmetic that is proven, rounding included. The same numbers as
``DequantizeLinear`` around a ``Conv`` would be right only where a runtime makes that of it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import WeightCodes, on_grid
from qconvert.emit.dialects import Dialect
from qconvert.emit.grids import bytes_hold, rising, rounds_to
from qconvert.emit.lowering.abreast import (
    ended,
    places_abreast,
    side_by_side,
    widened,
    widened_kernel,
)
from qconvert.emit.lowering.groups import Form, form, in_floats, spread, without_groups
from qconvert.emit.lowering.linear import conv_attributes
from qconvert.emit.packing import FEWEST, stored_codes, type_of_weights
from qconvert.emit.requantization import (
    Chain,
    Join,
    Phases,
    Requantized,
    averaged,
    divides_exactly,
    phases,
    requantized,
    summing,
)
from qconvert.emit.values import (
    Codes,
    Value,
    channels_first,
    from_codes,
    natural,
    relayout,
)
from qconvert.emit.weights import Weight, conv_weight, weight_of
from qconvert.ir import Grid, Node, Op, Shape
from qconvert.ir.ops import Conv, ConvTranspose, Pool, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedLinear, QuantizedRelu
from qconvert.numerics import quantize_body

#: Behind the last element of every axis.
_END = 1 << 62

#: Weights (outputs, inputs / groups, *window) in the type in which a file has them.
Stored: TypeAlias = npt.NDArray[Any]
Lower: TypeAlias = Callable[[Op, tuple[Value, ...], Shape, Builder, Dialect], Value]


def lower_chain(
    chain: Chain, weight: Weight | None, x: Value, b: Builder, dialect: Dialect, lower: Lower
) -> Value | None:
    """The value at the chain's end; ``None`` if nothing is gained or some channel has no form.

    *weight* is that of the layer that it begins with, which a mean has not.
    """
    if isinstance(chain.linear.op, Conv) and weight is not None and _is_made(chain, weight, x):
        return None
    y = _kernel(chain, weight, x, b)
    return None if y is None else _moved(chain.moves, y, b, dialect, lower)


def lower_join(
    join: Join, inputs: Sequence[Value], b: Builder, dialect: Dialect, lower: Lower
) -> Value | None:
    """The value at the end of a join.

    ``None`` if some chain of it can be no kernel, or the quantizer rounds what is no chain's.
    """
    values: list[Value] = []
    for branch, x in zip(join.branches, inputs, strict=True):
        if isinstance(branch, str):
            y = x if _is_kept(join.end, x) else None
        else:
            y = _kernel(branch, weight_of(branch.linear.op), x, b)
            y = None if y is None else _moved(branch.moves, y, b, dialect, lower)
        if y is None:
            return None
        values.append(y)
    b.scope = join.concat.name
    joined = lower(join.concat.op, tuple(values), join.concat.shape, b, dialect)
    return _moved(join.moves, joined, b, dialect, lower)


def _is_kept(end: Node, x: Value) -> bool:
    """Whether the codes of *x* are what the quantizer at the *end* makes of them."""
    assert isinstance(end.op, Quantize)
    grid = rising(end.op.quantizer)
    if x.codes is None or not x.integer or grid is None or x.codes.exp != grid.exp:
        return False
    if x.codes.zero != _zero(grid):
        return False
    lo, hi = x.codes.ends
    numbers = (np.arange(lo, hi + 1) * grid.step).astype(np.float32)
    return bool(np.array_equal(quantize_body(end.op.quantizer, numbers), numbers))


def _moved(moves: Sequence[Node], y: Value, b: Builder, dialect: Dialect, lower: Lower) -> Value:
    for node in moves:
        b.scope = node.name
        y = lower(node.op, (y,), node.shape, b, dialect)
    return y


def _is_made(chain: Chain, weight: Weight, x: Value) -> bool:
    """Whether runtimes make the kernel by themselves, and one place at a time is fastest."""
    op = chain.linear.op
    assert isinstance(op, Conv)
    single = op.groups > 1 or places_abreast(op, chain.linear.shape[-2]) == 1
    return single and fuses(chain, weight, x)


def _kernel(chain: Chain, weight: Weight | None, x: Value, b: Builder) -> Value | None:
    op = chain.linear.op
    if not x.integer:
        return None
    if isinstance(op, Conv) and weight is not None:
        if in_floats(chain, weight, x):
            return None
        if chain.mean is not None:
            return _averaged(chain, weight, x, b)
        return _requantized(chain, op, weight, x, b)
    if isinstance(op, ConvTranspose):
        placed = phases(op, chain.linear.shape)
        if placed is None:
            return None
        return _requantized(chain, placed.conv, conv_weight(placed.conv), x, b, placed)
    if isinstance(op, Pool):
        ones = summing(op, chain.linear.shape[-1] or 1)
        return _requantized(chain, ones, conv_weight(ones), x, b)
    return None


def _averaged(chain: Chain, weight: Weight, x: Value, b: Builder) -> Value | None:
    """With the mean inside of the convolution."""
    summed = None if x.codes is None else averaged(chain, weight, x.codes)
    if summed is None or not isinstance(summed.linear.op, Conv):
        return None
    op = summed.linear.op
    return _requantized(summed, op, conv_weight(op), x, b)


def fuses(chain: Chain, weight: Weight, x: Value) -> bool:
    """Whether runtimes make an integer kernel of *chain* by themselves.

    They do of a convolution if its quantizer alone is behind it and rounds sums on a grid to a
    coarser one. They do of some means, too, of which those of ONNX Runtime are the slower ones.
    """
    op, quantize = chain.linear.op, chain.end.op
    if chain.between or x.codes is None or not isinstance(quantize, Quantize):
        return False
    if not isinstance(quantize.quantizer, QuantizedBits | QuantizedLinear | QuantizedRelu):
        return False
    if rounds_to(quantize.quantizer) is None:
        return False
    if not isinstance(op, Conv) or chain.moves:
        return False
    if form(op, chain.linear.shape[-2], alone=True) is Form.WHOLE:
        return False
    found = weight.as_bytes
    if found is None:
        return False
    return op.bias is None or on_grid(op.bias, found.exps + x.codes.exp) is not None


def _requantized(
    chain: Chain,
    conv: Conv,
    weight: Weight,
    x: Value,
    b: Builder,
    placed: Phases | None = None,
) -> Value | None:
    assert x.codes is not None
    packed = b.packed and weight.array.size >= FEWEST
    found = requantized(chain, weight, x.codes, packed=packed, vnni=b.vnni)
    if found is None:
        return None
    b.scope = chain.end.name
    if placed is not None:
        x = relayout(b, x, channels_first(x.rank))
        codes = _convolved(conv, found, x, b, lambda w, _: stored_codes(b, w, "kernel"))
        return _in_place(b, Value("", x.layout, codes), placed)
    return _at_places(conv, found, chain.linear.shape, x, b, alone=not chain.between)


def _at_places(
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

    codes = _convolved(run, found, x, b, kernel, count)
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
    zero = _zero(grid)
    sums = Requantized(weights, bias, multipliers, grid, (-zero, 255 - zero), 0)
    return _at_places(ones, sums, shape, x, b, alone=True)


def _zero(grid: Grid) -> int:
    """The code of 0."""
    return 128 if grid.lo < 0 else 0


def _in_place(b: Builder, y: Value, placed: Phases) -> Value:
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


def _convolved(
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
    grid, dtype, zero = found.grid, "uint8", _zero(found.grid)
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
