"""For every op: what its result can be, and why all correct programs return the same."""

from typing import TypeAlias, assert_never

import numpy as np

from qconvert.exactness import arithmetic, movement
from qconvert.exactness.certificate import MOVED, ROUNDED_ONCE, Certificate, Doubt
from qconvert.exactness.linear import linear
from qconvert.exactness.quantizers import quantize
from qconvert.exactness.reach import (
    Divided,
    Free,
    Reach,
    TooWideError,
    Values,
    hull,
    of_array,
    of_grid,
)
from qconvert.ir import Grid, Op, Shape
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Merge,
    Opaque,
    Pad,
    Pool,
    Quantize,
    Recurrence,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
    JointSoftmax,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    StepMask,
    StockOp,
    UnfoldTime,
    UnitNormalize,
    Where,
    WithConstant,
)

#: What an op's result can be, and whether it is the same everywhere.
Known: TypeAlias = tuple[Values, Certificate | Doubt]

_NO_RANGE = Doubt("the range of its input is not known")
_NO_DOMAIN = Doubt("the model's input has no declared domain")
_DIVIDED = Doubt("the numbers of its input, a quotient, are rounded, and so are their sums")
_FUNCTION = Doubt("an elementary function, which every library rounds in its own way")
_STATISTICS = Doubt("constants and a normalization that programs round in different ways")
_TOO_WIDE = Doubt("numbers that take more than 62 bits in one step")


def examine(op: Op, inputs: tuple[Values, ...], shapes: tuple[Shape, ...]) -> Known:
    """One op on *inputs* of *shapes*; a `Recurrence` is `analysis`'s."""
    try:
        return _examine(op, inputs, shapes)
    except TooWideError:
        return None, _TOO_WIDE


def _examine(op: Op, inputs: tuple[Values, ...], shapes: tuple[Shape, ...]) -> Known:
    x, shape = inputs[0], shapes[0]
    match op:
        case Quantize(quantizer=quantizer):
            return quantize(quantizer, x, len(shape))
        case Dense() | Conv() | ConvTranspose():
            return _sums(op, x)
        case Transpose() | Reshape() | Pad() | Slice() | UpSample() | Concat() | FoldTime():
            return _moved(op, inputs, shapes), MOVED
        case UnfoldTime() | Resize(kind="nearest"):
            return _moved(op, inputs, shapes), MOVED
        case Pool(kind="max") | Reduce(kind="max" | "min"):
            return _moved(op, inputs, shapes), MOVED
        case Pool():
            return arithmetic.pool_mean(op, _reach(x))
        case Reduce():
            return arithmetic.reduce_sum(op, _reach(x), shape)
        case Scale(factor=factor):
            return arithmetic.scaled(_reach(x), np.full((1,), factor, np.float32))
        case Affine():
            return arithmetic.affine(op, _reach(x))
        case Relu():
            return arithmetic.relu(op, _reach(x))
        case Merge():
            return arithmetic.merge(op, tuple(map(_reach, inputs)))
        case Softmax() | Elementwise():
            return None, _FUNCTION
        case BatchNormalization():
            return None, _STATISTICS
        case Opaque(converter=converter):
            return None, Doubt(f"an opaque layer, converted by {converter}")
        case Recurrence():
            raise ValueError("a recurrence is examined step by step")
        case _:
            return _stock(op, inputs, shapes)


def _stock(op: StockOp, inputs: tuple[Values, ...], shapes: tuple[Shape, ...]) -> Known:
    x = _reach(inputs[0])
    match op:
        case WithConstant():
            return _with_constant(op, x)
        case MatMul():
            return arithmetic.matmul(x, _reach(inputs[1]), shapes[0][-1])
        case Embedding(table=table):
            rows = hull(of_array(table), (0,))
            more = (1,) * len(shapes[0])
            return Reach(*(a.reshape(*more, -1) for a in (rows.lo, rows.hi, rows.exp))), MOVED
        case Divide() | PRelu():
            return None, ROUNDED_ONCE
        case StepMask():
            return of_grid(Grid(0, 1, 0), len(shapes[0])), MOVED
        case Where():
            return _chosen(inputs[1:], len(shapes[0])), MOVED
        case Resize():
            return None, Doubt("an interpolation")
        case Power() | JointSoftmax():
            return None, _FUNCTION
        case LayerNormalization() | UnitNormalize():
            return None, _STATISTICS
        case FoldTime() | UnfoldTime():
            raise ValueError(f"{op} moves elements")
        case _:
            assert_never(op)


def _chosen(parts: tuple[Values, ...], rank: int) -> Values:
    """What one or the other is; without another one, 0."""
    zero = of_grid(Grid(0, 0, 0), rank)
    reaches = [x for x in (*parts, zero)[:2] if isinstance(x, Reach)]
    return movement.joined(*reaches) if len(reaches) == 2 else None


def _sums(op: Dense | Conv | ConvTranspose, x: Values) -> Known:
    match x:
        case None:
            return None, _NO_RANGE
        case Free():
            return None, _NO_DOMAIN
        case Divided():
            return None, _DIVIDED
        case Reach():
            return linear(op, x)


def _moved(op: Op, inputs: tuple[Values, ...], shapes: tuple[Shape, ...]) -> Values:
    if len(inputs) == 1 and isinstance(inputs[0], Divided):
        codes = _moved(op, (inputs[0].codes,), shapes)
        return Divided(codes, inputs[0].divisor) if isinstance(codes, Reach) else None
    reaches = tuple(x for x in inputs if isinstance(x, Reach))
    if len(reaches) < len(inputs):
        # What is moved among other things is free if all of it is.
        return Free() if all(isinstance(x, Free) for x in inputs) else None
    x = reaches[0]
    match op:
        case Reshape():
            return movement.reshape(op, x, shapes[0])
        case Transpose():
            return movement.transpose(op, x)
        case Pad():
            return movement.pad(op, x)
        case Slice():
            return movement.take_slice(op, x)
        case UpSample():
            return movement.upsample(op, x)
        case Resize():
            return hull(x, (1, 2))
        case Concat():
            return movement.concat(op, reaches, shapes)
        case Pool():
            return movement.largest_in_window(op, x)
        case Reduce():
            return movement.reduced(op, x)
        case FoldTime():
            return movement.fold_time(x)
        case UnfoldTime():
            return movement.unfold_time(x)
        case _:
            raise AssertionError(op)


def _with_constant(op: WithConstant, x: Reach | None) -> Known:
    constant = op.constant[np.newaxis]
    match op.kind:
        case "add":
            return arithmetic.offset(x, constant)
        case "subtract":
            return arithmetic.difference(x, constant, first=op.first)
        case "multiply":
            return arithmetic.scaled(x, constant)
        case "divide":
            return (None, ROUNDED_ONCE) if op.first else arithmetic.division(x, constant)
        case "maximum" | "minimum":
            return arithmetic.bounded(op.kind, x, constant), MOVED
        case _:
            assert_never(op.kind)


def _reach(x: Values) -> Reach | None:
    return x if isinstance(x, Reach) else None
