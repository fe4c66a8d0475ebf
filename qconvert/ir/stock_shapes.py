"""Shapes of the results of `StockOp`."""

from typing import assert_never

from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
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
from qconvert.ir.types import F32, Shape


def infer_stock(op: StockOp, shapes: tuple[Shape, ...]) -> Shape:
    """The shape of ``op(*inputs)``; `ValueError` if the inputs do not fit."""
    x = shapes[0]
    match op:
        case WithConstant(constant=array) | PRelu(slope=array):
            _fit(x, array)
            return x
        case Divide():
            return _same_or_one(shapes)
        case MatMul():
            return _product(*shapes)
        case Resize(old=old, new=new):
            if len(x) != 4 or x[1:3] != old:
                raise ValueError(f"images of {old} are resized, not {x}")
            return (x[0], *new, x[3])
        case Embedding(table=table):
            return (*x, table.shape[1])
        case LayerNormalization(gamma=gamma, beta=beta):
            for parameter in (gamma, beta):
                if parameter is not None:
                    _fit(x, parameter)
            return x
        case UnitNormalize() | Power():
            return x
        case FoldTime():
            return (None, *x[2:])
        case UnfoldTime(steps=steps):
            return (x[0], steps, *x[1:])
        case StepMask():
            return (*x[:-1], 1)
        case Where():
            return _chosen(*shapes)
        case _:
            assert_never(op)


def _chosen(condition: Shape, *shapes: Shape) -> Shape:
    first = shapes[0]
    if any(other != first for other in shapes[1:]):
        raise ValueError(f"there is no choice between {' and '.join(map(str, shapes))}")
    if len(condition) != len(first) or any(
        n not in (1, m) for n, m in zip(condition, first, strict=True)
    ):
        raise ValueError(f"{condition} does not choose in {first}")
    return first


def _fit(x: Shape, array: F32) -> None:
    fits = array.ndim == len(x) - 1 and all(
        n in (1, length) for n, length in zip(array.shape, x[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"an array of shape {array.shape} does not broadcast to {x}")


def _same_or_one(shapes: tuple[Shape, ...]) -> Shape:
    first, second = shapes
    if len(first) != len(second):
        raise ValueError(f"{first} and {second} have different numbers of axes")
    if any(a != b and 1 not in (a, b) for a, b in zip(first, second, strict=True)):
        raise ValueError(f"{first} and {second} do not broadcast")
    return tuple(b if a == 1 else a for a, b in zip(first, second, strict=True))


def _product(first: Shape, second: Shape) -> Shape:
    fits = len(first) == len(second) > 2 and first[:-2] == second[:-2] and first[-1] == second[-2]
    if not fits:
        raise ValueError(f"matrices of {first} and {second} do not multiply")
    return (*first[:-1], second[-1])
