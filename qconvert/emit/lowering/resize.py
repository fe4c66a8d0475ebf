"""``tf.image.resize`` as elements picked along each axis, which is the same in every runtime.

ONNX's ``Resize`` interpolates in another order of operations, and rounds differently.
"""

import math

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.values import Value, move
from qconvert.ir import F32
from qconvert.ir.stock import Resize

HALF = np.float32(0.5)


def resize(op: Resize, x: Value, b: Builder) -> Value:
    """``Gather`` along the width, then the height."""
    for axis in (2, 1):
        length, size = op.old[axis - 1], op.new[axis - 1]
        if op.kind == "nearest":
            x = _picked(b, x, axis, [_nearest(i, length, size) for i in range(size)])
        else:
            x = _interpolated(b, x, axis, length, size)
    return x


def _centre(index: int, old: int, new: int) -> np.float32:
    scale = np.float32(old) / np.float32(new)
    return np.float32((np.float32(index) + HALF) * scale)


def _nearest(index: int, old: int, new: int) -> int:
    return min(math.floor(_centre(index, old, new)), old - 1)


def _picked(b: Builder, x: Value, axis: int, places: list[int]) -> Value:
    def action(tensor: Tensor) -> Tensor:
        return _gather(b, tensor, x.axis(axis), places)

    return move(b, x, x.layout, action)


def _gather(b: Builder, tensor: Tensor, axis: int, places: list[int]) -> Tensor:
    return b.op("Gather", tensor, b.integers(places, "places"), attributes={"axis": axis})


def _interpolated(b: Builder, x: Value, axis: int, old: int, new: int) -> Value:
    centres = [_centre(i, old, new) - HALF for i in range(new)]
    floors = [math.floor(c) for c in centres]
    ceilings = [math.ceil(c) for c in centres]
    lower = _gather(b, x.tensor, x.axis(axis), [max(i, 0) for i in floors])
    upper = _gather(b, x.tensor, x.axis(axis), [min(i, old - 1) for i in ceilings])
    fractions = np.array([c - np.float32(i) for c, i in zip(centres, floors, strict=True)])
    step = b.op("Mul", b.op("Sub", upper, lower), _along(b, fractions, x, axis))
    return Value(b.op("Add", lower, step), x.layout)


def _along(b: Builder, fractions: F32, x: Value, axis: int) -> Tensor:
    behind = x.rank - 1 - x.axis(axis)
    return b.constant(fractions.astype(np.float32).reshape(-1, *(1,) * behind), "fraction")
