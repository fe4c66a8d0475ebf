"""Sums, products, means and comparisons of values: exact while float32 holds the result."""

import math
from typing import Literal, TypeAlias

import numpy as np

from qconvert.exactness.certificate import ROUNDED_ONCE, Argument, Certificate, Doubt
from qconvert.exactness.movement import without
from qconvert.exactness.reach import (
    Ints,
    Reach,
    aligned,
    exact_sums,
    hull,
    of_array,
    product_fits,
)
from qconvert.ir import F32, Shape
from qconvert.ir.ops import Affine, Merge, Pool, Reduce, Relu

#: What an op's result can be, and whether it is the same everywhere.
Known: TypeAlias = tuple[Reach | None, Certificate | Doubt]

_TWO_ROUNDINGS = Doubt("a product and a sum, which a program may round once or twice")
_LONG_SUM = Doubt("a sum of several numbers that float32 does not hold")


def total(reaches: tuple[Reach, ...]) -> Known:
    """The sum of the values, in any order."""
    same, exp = aligned(*reaches)
    product_fits(max(reach.magnitude for reach in same), len(same))
    lo, hi = sum_of([r.lo for r in same]), sum_of([r.hi for r in same])
    parts = sum_of([np.maximum(-r.lo, r.hi) for r in same])
    return exactly(Reach(lo, hi, exp), parts)


def sum_of(codes: list[Ints]) -> Ints:
    """Element for element, with broadcasting."""
    result = codes[0]
    for more in codes[1:]:
        result = result + more
    return result


def product(a: Reach, b: Reach) -> Known:
    """The product of two values."""
    product_fits(a.magnitude, b.magnitude)
    ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    lo, hi = np.minimum.reduce(np.broadcast_arrays(*ends)), np.maximum.reduce(ends)
    return exactly(Reach(lo, hi, a.exp + b.exp), np.maximum(-lo, hi))


def exactly(reach: Reach, largest: Ints) -> Known:
    """*reach*, if float32 holds up to *largest* steps of it; one rounding otherwise."""
    exp = np.broadcast_to(reach.exp, np.broadcast_shapes(reach.exp.shape, largest.shape))
    if not np.all(exact_sums(np.broadcast_to(largest, exp.shape), exp)):
        return None, ROUNDED_ONCE
    worst = np.unravel_index(int(np.argmax(largest)), largest.shape)
    step = int(np.broadcast_to(exp, largest.shape)[worst]) if exp.shape == largest.shape else None
    return reach, Certificate(Argument.EXACT, int(largest[worst]), step)


def merge(op: Merge, reaches: tuple[Reach | None, ...]) -> Known:
    """Two or more values elementwise, from left to right."""
    known = tuple(reach for reach in reaches if reach is not None)
    if len(known) < len(reaches):
        return None, _unknown(op, len(reaches))
    match op.kind:
        case "maximum" | "minimum":
            return _extreme(op.kind, known), Certificate(Argument.MOVED)
        case "multiply":
            return _chain(known)
        case "subtract":
            return _several(total((known[0], *map(_negated, known[1:]))), len(known))
        case "add":
            return _several(total(known), len(known))
        case "average":
            return _average(total(known), len(known))


def _unknown(op: Merge, count: int) -> Certificate | Doubt:
    if op.kind in ("maximum", "minimum"):
        return Certificate(Argument.MOVED)
    if op.kind == "average":
        return _LONG_SUM
    return ROUNDED_ONCE if count == 2 else _LONG_SUM


def _several(known: Known, count: int) -> Known:
    """More than one rounding depends on the order."""
    return known if known[0] is not None or count == 2 else (None, _LONG_SUM)


def _chain(reaches: tuple[Reach, ...]) -> Known:
    first, *others = reaches
    known: Known = first, ROUNDED_ONCE
    for other in others:
        if known[0] is None:
            return None, Doubt("several products that float32 does not hold")
        known = product(known[0], other)
    return known


def _negated(x: Reach) -> Reach:
    return Reach(-x.hi, -x.lo, x.exp)


def _extreme(kind: Literal["maximum", "minimum"], reaches: tuple[Reach, ...]) -> Reach:
    same, exp = aligned(*reaches)
    choose = np.maximum if kind == "maximum" else np.minimum
    lo, hi = ([getattr(reach, end) for reach in same] for end in ("lo", "hi"))
    return Reach(
        choose.reduce(np.broadcast_arrays(*lo)), choose.reduce(np.broadcast_arrays(*hi)), exp
    )


def _average(known: Known, count: int) -> Known:
    """A sum and one division."""
    reach, certificate = known
    if reach is None:
        return None, _LONG_SUM
    if count & (count - 1):
        return None, ROUNDED_ONCE
    return Reach(reach.lo, reach.hi, reach.exp - (count.bit_length() - 1)), certificate


def pool_mean(op: Pool, x: Reach | None) -> Known:
    """A window's mean; at borders there are fewer elements than in a window."""
    if x is None:
        return None, _LONG_SUM
    inside = hull(x, tuple(range(1, 1 + len(op.window))))
    count = math.prod(op.window)
    padded = any(any(ends) for ends in op.padding)
    return _average(_repeated(inside, count), 3 if padded and count > 1 else count)


def reduce_sum(op: Reduce, x: Reach | None, shape: Shape) -> Known:
    """The sum or mean along axes."""
    lengths = [shape[axis] for axis in op.axes]
    if x is None or any(n is None for n in lengths):
        return None, _LONG_SUM
    count = math.prod(n or 1 for n in lengths)
    flat = hull(x, op.axes)
    inside = without(flat, () if op.keepdims else op.axes)
    known = _repeated(inside, count)
    return _several(known, count) if op.kind == "sum" else _average(known, count)


def _repeated(x: Reach, count: int) -> Known:
    """The sum of so many elements of one interval."""
    product_fits(x.magnitude, count)
    largest = np.maximum(-x.lo, x.hi) * count
    reach, certificate = exactly(Reach(x.lo * count, x.hi * count, x.exp), largest)
    return (reach, certificate) if reach is not None else (None, _LONG_SUM)


def scaled(x: Reach | None, factor: F32) -> Known:
    """The product with a constant that broadcasts."""
    return (None, ROUNDED_ONCE) if x is None else product(x, of_array(factor))


def offset(x: Reach | None, addend: F32) -> Known:
    """The sum with a constant that broadcasts."""
    return (None, ROUNDED_ONCE) if x is None else total((x, of_array(addend)))


def difference(x: Reach | None, constant: F32, *, first: bool) -> Known:
    """``x - constant``, or ``constant - x`` if *first*."""
    if x is None:
        return None, ROUNDED_ONCE
    other = of_array(constant)
    return total((other, _negated(x)) if first else (x, _negated(other)))


def bounded(kind: Literal["maximum", "minimum"], x: Reach | None, constant: F32) -> Reach | None:
    """The larger or the smaller one of a value and a constant."""
    return None if x is None else _extreme(kind, (x, of_array(constant)))


def affine(op: Affine, x: Reach | None) -> Known:
    """A product and a sum along the last axis."""
    known: Known = x, Certificate(Argument.MOVED)
    if op.factor is not None:
        known = scaled(x, op.factor)
        if known[0] is None and op.offset is not None:
            return None, _TWO_ROUNDINGS
    return known if op.offset is None else offset(known[0], op.offset)


def relu(op: Relu, x: Reach | None) -> Known:
    """Numbers above the threshold, the others times a slope."""
    if op.slope and (op.threshold or op.max_value is not None):
        return None, Doubt("a leaky rectifier with a threshold or a maximum")
    if op.slope:
        return _leaky(x, op.slope)
    if x is None:
        return None, Certificate(Argument.MOVED)
    zero = np.zeros_like(x.lo)
    positive = Reach(
        np.maximum(x.lo, zero), np.maximum(x.hi, zero), np.broadcast_to(x.exp, x.lo.shape)
    )
    if op.threshold > 0:
        positive = Reach(zero, positive.hi, positive.exp)
    if op.threshold < 0:
        return None, Doubt("a rectifier with a threshold below 0")
    if op.max_value is None:
        return positive, Certificate(Argument.MOVED)
    top = of_array(np.full((1,) * x.lo.ndim, op.max_value, np.float32))
    return _extreme("minimum", (positive, top)), Certificate(Argument.MOVED)


def _leaky(x: Reach | None, slope: float) -> Known:
    number = np.full((1,), slope, np.float32)
    if x is None:
        return None, ROUNDED_ONCE
    reach, certificate = scaled(x, number)
    if reach is None:
        return None, certificate
    (plain, leaky), exp = aligned(x, reach)
    lo = np.minimum(np.maximum(plain.lo, 0), leaky.lo)
    hi = np.maximum(np.maximum(plain.hi, 0), leaky.hi)
    return Reach(np.minimum(lo, leaky.hi), hi, exp), certificate


def matmul(a: Reach | None, b: Reach | None, depth: int | None) -> Known:
    """Sums of *depth* products over the last axis of *a* and the last but one of *b*."""
    if a is None or b is None or depth is None:
        return None, _LONG_SUM
    left, right = hull(a, tuple(range(a.lo.ndim))), hull(b, tuple(range(b.lo.ndim)))
    known = product(left, right)
    return _repeated(known[0], depth) if known[0] is not None else (None, _LONG_SUM)


def division(x: Reach | None, divisor: F32) -> Known:
    """By powers of two exact, otherwise rounded once."""
    codes = of_array(divisor)
    if x is None or np.any(abs(codes.lo) != 1):
        return None, ROUNDED_ONCE
    inverse = Reach(codes.lo, codes.hi, -codes.exp)
    return product(x, inverse)
