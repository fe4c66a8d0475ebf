"""Ops that move elements and compute nothing; they act on the codes."""

import math
from dataclasses import replace

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.lowering.linear import pads
from qconvert.emit.lowering.reduction import by_integers
from qconvert.emit.values import (
    Codes,
    Value,
    agree,
    from_codes,
    move,
    natural,
    relayout,
    without_axes,
)
from qconvert.ir import Shape
from qconvert.ir.ops import Concat, Pad, Slice, Transpose, UpSample

_NEAREST = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}
_END = 1 << 62
#: Of fewer bytes side by side ``Gather`` is no faster.
_FEWEST_CHANNELS = 8
#: The axes of an image.
_IMAGE = 4


def reshape(x: Value, shape: Shape, b: Builder) -> Value:
    """``Reshape`` in Keras's order; the batch stays, one further axis may be unknown."""
    x = relayout(b, x, natural(x.rank))
    sizes = b.integers([0, *(-1 if n is None else n for n in shape[1:])], "shape")
    return move(b, x, natural(len(shape)), lambda t: b.op("Reshape", t, sizes))


def transpose(op: Transpose, x: Value) -> Value:
    """Nothing but other names for the axes; who needs an order asks for it."""
    return Value(x.tensor, tuple(op.perm.index(axis) for axis in x.layout), x.codes)


def concat(op: Concat, inputs: tuple[Value, ...], b: Builder) -> Value:
    """``Concat``, of the codes if all have one meaning."""
    values = agree(b, inputs)
    attributes = {"axis": values[0].axis(op.axis)}
    layout = values[0].layout
    codes = _shared(values)
    if codes is None:
        return Value(b.op("Concat", *(x.tensor for x in values), attributes=attributes), layout)
    joined = b.op("Concat", *(each.tensor for each in codes), attributes=attributes)
    lowest, highest = zip(*(each.ends for each in codes), strict=True)
    ends = min(lowest), max(highest)
    return from_codes(b, replace(codes[0], tensor=joined, ends=ends), layout)


def _shared(values: tuple[Value, ...]) -> list[Codes] | None:
    codes = [x.codes for x in values if x.codes is not None]
    one = len(codes) == len(values) and len({each.meaning for each in codes}) == 1
    return codes if one else None


def pad(op: Pad, x: Value, b: Builder) -> Value:
    """``Pad`` with zeros; the zero point is the code of 0."""
    around = tuple(((0, 0), *op.padding)[axis] for axis in x.layout)
    sizes = b.integers(pads(around), "padding")
    zero = "" if x.codes is None else b.constant(np.array(x.codes.zero, x.codes.dtype), "zero")

    def action(tensor: Tensor) -> Tensor:
        return b.op("Pad", tensor, sizes, *([zero] if zero and x.integer else []))

    return move(b, x, x.layout, action, wide=False)


def take(op: Slice, x: Value, b: Builder) -> Value:
    """``Slice`` on the axes that lose elements, then ``Squeeze``."""
    layout = without_axes(x.layout, op.squeeze)
    return move(b, x, layout, lambda t: _squeezed(b, op, x, _sliced(b, op, x, t)))


def _sliced(b: Builder, op: Slice, x: Value, tensor: Tensor) -> Tensor:
    cuts = list(zip(op.begin, op.end, op.step, strict=True))
    cut_axes = [i for i, cut in enumerate(cuts, 1) if cut not in ((None, None, 1), (0, None, 1))]
    if not cut_axes:
        return tensor
    chosen = [_bounds(*cuts[axis - 1]) for axis in cut_axes]
    begins, ends, steps = (list(column) for column in zip(*chosen, strict=True))
    return b.op(
        "Slice",
        tensor,
        b.integers(begins, "begin"),
        b.integers(ends, "end"),
        b.integers([x.axis(axis) for axis in cut_axes], "axes"),
        b.integers(steps, "step"),
    )


def _bounds(begin: int | None, end: int | None, step: int) -> tuple[int, int, int]:
    first = begin if begin is not None else (0 if step > 0 else _END)
    return first, end if end is not None else int(math.copysign(_END, step)), step


def _squeezed(b: Builder, op: Slice, x: Value, tensor: Tensor) -> Tensor:
    if not op.squeeze:
        return tensor
    axes = b.integers(sorted(x.axis(axis) for axis in op.squeeze), "squeezed")
    return b.op("Squeeze", tensor, axes)


def up_sample(op: UpSample, x: Value, shape: Shape, b: Builder) -> Value:
    """``Resize`` to the nearest element at or before; of bytes of images ``Gather``."""
    if _are_gathered(x, shape, b):
        return _gathered(op, relayout(b, x, natural(x.rank)), shape, b)
    factors = np.array(x.stored((1, *op.factors, 1)), np.float32)
    scales = b.constant(factors, "factors")
    action = lambda t: b.op("Resize", t, "", scales, attributes=_NEAREST)  # noqa: E731
    return move(b, x, x.layout, action, wide=False)


def _are_gathered(x: Value, shape: Shape, b: Builder) -> bool:
    """Whether these are bytes that have their channels last, or do so in integer kernels.

    ONNX Runtime resizes such one by one: it takes 1.1 to 15 times as long as to gather rows.
    """
    if x.rank != _IMAGE or x.codes is None or not x.integer or None in shape[1:]:
        return False
    if (shape[-1] or 0) < _FEWEST_CHANNELS:
        return False
    return x.layout == natural(x.rank) or by_integers(b, x.codes.tensor)


def _gathered(op: UpSample, x: Value, shape: Shape, b: Builder) -> Value:
    """Every column, then every row, as often as it is wanted."""
    for axis in (2, 1):
        factor = op.factors[axis - 1]
        if factor == 1:
            continue
        places = np.arange(shape[axis] or 0, dtype=np.int32) // factor
        x = _picked(x, axis, b.constant(places, "places"), b)
    return x


def _picked(x: Value, axis: int, places: Tensor, b: Builder) -> Value:
    return move(b, x, x.layout, lambda t: b.op("Gather", t, places, attributes={"axis": axis}))
