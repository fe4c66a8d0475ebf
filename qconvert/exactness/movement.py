"""Ops that move, repeat or select elements: what a result can be, some input can."""

from collections.abc import Callable

import numpy as np

from qconvert.exactness.reach import Ints, Reach, aligned, hull, spread, with_zero
from qconvert.ir import Shape
from qconvert.ir.ops import Concat, Pad, Pool, Reduce, Reshape, Slice, Transpose, UpSample


def reshape(op: Reshape, x: Reach, shape: Shape) -> Reach:
    """Elements in another shape; where a length is not known, one interval for all."""
    if not any(n > 1 for n in x.lo.shape):
        return _each(x, lambda a: a.reshape((1,) * (1 + len(op.shape))))
    if any(n is None for n in shape[1:]):
        flat = hull(x, tuple(range(x.lo.ndim)))
        return _each(flat, lambda a: a.reshape((1,) * (1 + len(op.shape))))
    full = spread(x, shape)
    return _each(full, lambda a: a.reshape(1, *op.shape))


def transpose(op: Transpose, x: Reach) -> Reach:
    """The axes in another order."""
    return _each(x, lambda a: np.transpose(a, op.perm))


def pad(op: Pad, x: Reach) -> Reach:
    """Zeros beside the elements of the padded axes."""
    padded = tuple(axis for axis, ends in enumerate(op.padding, 1) if any(ends))
    return with_zero(hull(x, padded)) if padded else x


def take_slice(op: Slice, x: Reach) -> Reach:
    """Some of the elements."""
    whole = slice(None)
    cuts = [
        slice(*ends) if n > 1 else whole
        for n, *ends in zip(x.lo.shape[1:], op.begin, op.end, op.step, strict=True)
    ]
    return _each(x, lambda a: np.squeeze(a[(whole, *cuts)], axis=op.squeeze))


def concat(op: Concat, reaches: tuple[Reach, ...], shapes: tuple[Shape, ...]) -> Reach:
    """One behind the other along an axis."""
    if any(shape[op.axis] is None for shape in shapes):
        return joined(*(hull(reach, (op.axis,)) for reach in reaches))
    others = tuple(i for i in range(len(shapes[0])) if i != op.axis)
    parts = []
    for reach, shape in zip(reaches, shapes, strict=True):
        flat = hull(reach, others)
        lengths = tuple(shape[i] or 1 if i == op.axis else 1 for i in range(len(shape)))
        parts.append(_each(flat, lambda a, lengths=lengths: np.broadcast_to(a, lengths)))  # type: ignore[misc]
    fields = ("lo", "hi", "exp")
    return Reach(*(np.concatenate([getattr(p, f) for p in parts], op.axis) for f in fields))


def joined(*reaches: Reach) -> Reach:
    """What any of *reaches* can be, element for element."""
    same, exp = aligned(*reaches)
    lo, hi = same[0].lo, same[0].hi
    for reach in same[1:]:
        lo, hi = np.minimum(lo, reach.lo), np.maximum(hi, reach.hi)
    return Reach(lo, hi, exp)


def upsample(op: UpSample, x: Reach) -> Reach:
    """Every element several times."""
    return hull(x, tuple(range(1, 1 + len(op.factors))))


def largest_in_window(op: Pool, x: Reach) -> Reach:
    """One of the elements of a window."""
    return hull(x, tuple(range(1, 1 + len(op.window))))


def reduced(op: Reduce, x: Reach) -> Reach:
    """One of the elements along the axes."""
    return without(hull(x, op.axes), () if op.keepdims else op.axes)


def without(x: Reach, axes: tuple[int, ...]) -> Reach:
    """Without *axes*, which have length 1."""
    return _each(x, lambda a: np.squeeze(a, axis=axes))


def fold_time(x: Reach) -> Reach:
    """Every step a sample: one interval for all of them."""
    return without(hull(x, (1,)), (1,))


def unfold_time(x: Reach) -> Reach:
    """Samples become steps."""
    return _each(x, lambda a: np.expand_dims(a, 1))


def _each(x: Reach, action: Callable[[Ints], Ints]) -> Reach:
    return Reach(*(action(np.broadcast_to(a, _shape(x))) for a in (x.lo, x.hi, x.exp)))


def _shape(x: Reach) -> tuple[int, ...]:
    return np.broadcast_shapes(x.lo.shape, x.hi.shape, x.exp.shape)
