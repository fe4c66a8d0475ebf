"""Any function with finitely many values, exactly: comparisons with its thresholds.

Few thresholds are each compared with all elements: of ``Gather`` ONNX Runtime takes fifty times as
long for one. More are searched.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.ir import F32

_INT32 = {"to": onnx.TensorProto.INT32}
#: Thresholds that are compared one by one.
MOST_COMPARED: Final = 64


def staircase(b: Builder, x: Tensor, thresholds: F32, values: F32) -> Tensor:
    """``values[number of thresholds <= x]``, element by element; one more value than thresholds."""
    turning = by_digit(thresholds, values)
    levels = _levels(np.unique(values))
    if turning is None or levels is None:
        return _searched(b, x, thresholds, values)
    y = b.scalar(levels.first)
    for place, digit in zip(_places(turning), _digits(b, x, turning), strict=True):
        amount = b.op("Where", digit, b.scalar(levels.amount(place)), b.scalar(levels.nothing))
        y = b.op(levels.kind, y, amount)
    return y


def by_digit(thresholds: F32, values: F32) -> list[F32] | None:
    """The thresholds that turn over each digit of the number of a value, the highest digit first.

    In Gray's code, where neighbours differ by one digit. ``None`` if a search is to find values:
    where thresholds are many, or values no even levels that begin with the lowest.
    """
    distinct, numbers = np.unique(values, return_inverse=True)
    few = 0 < len(thresholds) <= MOST_COMPARED
    if not few or numbers[0] or _levels(distinct) is None:
        return None
    gray = numbers ^ (numbers >> 1)
    turned = gray[1:] ^ gray[:-1]
    digits = reversed(range(int(numbers.max()).bit_length()))
    return [thresholds[(turned >> digit & 1).astype(np.bool_)] for digit in digits]


@dataclass(frozen=True, slots=True)
class _Levels:
    """``first + i * step``, or ``first * step**i``, which float32 holds on all ways to them."""

    kind: str
    first: float
    step: float

    @property
    def nothing(self) -> float:
        """What changes no number."""
        return 0.0 if self.kind == "Add" else 1.0

    def amount(self, bit: int) -> float:
        """What takes ``2**bit`` levels up."""
        return self.step * 2**bit if self.kind == "Add" else math.pow(self.step, 2**bit)


def _levels(values: F32) -> _Levels | None:
    """All of *values*, which rise, if they are a power of two apart, or one times another."""
    exact, i = values.astype(np.float64), np.arange(len(values))
    if len(values) < 2:
        return None
    first, step = float(exact[0]), float(exact[1] - exact[0])
    if np.frexp(step)[0] == 0.5 and np.array_equal(exact, first + i * step):
        return _Levels("Add", first, step)
    ratio = exact[1] / first if first > 0 else 0.0
    if np.frexp(ratio)[0] == 0.5 and np.array_equal(exact, first * ratio**i):
        return _Levels("Mul", first, float(ratio))
    return None


def _places(turning: Sequence[F32]) -> range:
    """Of the digits, the highest first."""
    return range(len(turning) - 1, -1, -1)


def _digits(b: Builder, x: Tensor, turning: Sequence[F32]) -> list[Tensor]:
    """The binary digits of the number of the value of *x*.

    Each is 1 where it and those above it are turned over an odd number of times.
    """
    digits: list[Tensor] = []
    for some in turning:
        passed = [b.op("GreaterOrEqual", x, b.constant(t, "threshold")) for t in some]
        digits.append(reduce(lambda one, other: b.op("Xor", one, other), [*digits[-1:], *passed]))
    return digits


def _searched(b: Builder, x: Tensor, thresholds: F32, values: F32) -> Tensor:
    """A binary search."""
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
