"""Any function with finitely many values, exactly: a binary search among its thresholds."""

import numpy as np
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.ir import F32

_INT32 = {"to": onnx.TensorProto.INT32}


def staircase(b: Builder, x: Tensor, thresholds: F32, values: F32) -> Tensor:
    """``values[number of thresholds <= x]``, element by element; one more value than thresholds."""
    # One step at least, which gives the result the shape of the input.
    depth = max(1, len(thresholds).bit_length())
    table = b.constant(_padded(thresholds, (1 << depth) - 1, np.inf), "thresholds")
    index = b.constant(np.array(0, np.int32), "start")
    for bit in reversed(range(depth)):
        middle = b.op("Add", index, b.constant(np.array((1 << bit) - 1, np.int32), "probe"))
        above = b.op("GreaterOrEqual", x, b.op("Gather", table, middle))
        half = b.constant(np.array(1 << bit, np.int32), "half")
        index = b.op("Add", index, b.op("Mul", b.op("Cast", above, attributes=_INT32), half))
    return b.op("Gather", b.constant(_padded(values, 1 << depth, values[-1]), "values"), index)


def _padded(array: F32, size: int, filler: float) -> F32:
    return np.pad(array.astype(np.float32), (0, size - len(array)), constant_values=filler)
