"""Any function with finitely many values, exactly: a binary search among its thresholds."""

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.ir import F32
from qconvert.numerics import Staircase


def staircase(b: Builder, x: Tensor, function: Staircase) -> Tensor:
    """``values[number of thresholds <= x]``, element by element."""
    depth = len(function.thresholds).bit_length()
    table = b.constant(_padded(function.thresholds, (1 << depth) - 1, np.inf), "thresholds")
    values = _padded(function.values, 1 << depth, function.values[-1])
    index = b.constant(np.zeros((), np.int32), "start")
    for bit in reversed(range(depth)):
        middle = b.op("Add", index, b.constant(np.array((1 << bit) - 1, np.int32), "probe"))
        above = b.op("GreaterOrEqual", x, b.op("Gather", table, middle))
        half = b.constant(np.array(1 << bit, np.int32), "half")
        index = b.op("Add", index, b.op("Mul", b.op("Cast", above, attributes=_INT32), half))
    return b.op("Gather", b.constant(values, "values"), index)


#: onnx.TensorProto.INT32
_INT32 = {"to": 6}


def _padded(array: F32, size: int, filler: float) -> F32:
    return np.pad(array.astype(np.float32), (0, size - len(array)), constant_values=filler)
