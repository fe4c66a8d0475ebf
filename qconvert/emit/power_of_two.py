"""The quantizers that round a logarithm: their powers of two come from a table of thresholds.

Where TensorFlow's float32 logarithm changes from one exponent to the next is not quite the
square root of 2 times a power; the thresholds are searched in ``numerics``.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.mixing import SMALLEST_NORMAL, mixed
from qconvert.emit.staircase import staircase
from qconvert.emit.values import Value
from qconvert.ir import F32, Grid
from qconvert.ir.quantizers import QuantizedPo2, QuantizedReluPo2
from qconvert.numerics import quantize_body

#: Magnitudes below it count as 0, which becomes the least power.
_EPSILON = np.float32(1e-7)
#: Neighbours of a threshold's ideal place that are searched, on either side; the logarithm's
#: noise moves thresholds by up to 55 of them.
_NEIGHBOURS = 256
#: A product with it keeps one of 24 bits of the number that is subtracted from it.
ONE_BIT: Final = 2.0**23 + 1
#: With it numbers of one bit change at the square root of 2 times a power.
_FACTOR: Final = float(np.float32(1.5 / math.sqrt(2)))


def apply(b: Builder, value: Value, q: QuantizedPo2 | QuantizedReluPo2) -> Tensor:
    """The quantizer's operations, straight-through expression included, but for the logarithm."""
    x, reach = value.tensor, value.reach
    negative = b.op("Neg", x)
    if isinstance(q, QuantizedPo2):
        power = _power(b, b.op("Abs", x), q, reach)
        y = _where_negative(b, x, b.op("Neg", power), power)
        return mixed(b, x, y, q.qnoise_factor, use_ste=q.use_ste)
    y = _power(b, b.op("Relu", x), q, reach)
    if q.negative_slope:
        part = b.op("Mul", b.op("Relu", negative), b.scalar(q.negative_slope))
        y = _where_negative(b, x, b.op("Neg", _power(b, part, q, None)), y)
    return mixed(b, _unquantized(b, x, q), y, q.qnoise_factor, use_ste=q.use_ste)


def _where_negative(b: Builder, x: Tensor, below: Tensor, above: Tensor) -> Tensor:
    return b.op("Where", b.op("LessOrEqual", x, b.scalar(-SMALLEST_NORMAL)), below, above)


def _unquantized(b: Builder, x: Tensor, q: QuantizedReluPo2) -> Tensor:
    leaky = b.op("Relu", x)
    if q.negative_slope:
        leaky = b.op("LeakyRelu", x, attributes={"alpha": q.negative_slope})
    return leaky if q.max_value is None else b.op("Min", leaky, b.scalar(q.max_value))


def _power(
    b: Builder, magnitude: Tensor, q: QuantizedPo2 | QuantizedReluPo2, reach: Grid | None
) -> Tensor:
    """The power of two for a number that is not negative."""
    # Without the straight-through sum, which far from the input loses the power.
    power = replace(q, qnoise_factor=1.0, use_ste=False)
    thresholds, values = _table(power)
    rounding = None if reach is None else _rounding(power, thresholds, reach)
    if rounding is not None:
        return _rounded(b, magnitude, rounding)
    tiny = b.op("Less", magnitude, b.scalar(float(_EPSILON)))
    least = b.scalar(float(quantize_body(power, np.zeros(1, np.float32))[0]))
    return b.op("Where", tiny, least, staircase(b, magnitude, thresholds, values))


@dataclass(frozen=True, slots=True)
class _Rounding:
    """``clip(x * factor, least, most)``, rounded to one significant bit."""

    least: float
    most: float

    def __call__(self, x: F32) -> F32:
        """As `_rounded` has it."""
        y = np.clip(x * np.float32(_FACTOR), np.float32(self.least), np.float32(self.most))
        far = y * np.float32(ONE_BIT)
        one_bit: F32 = far - (far - y)
        return one_bit


def _rounded(b: Builder, x: Tensor, rounding: _Rounding) -> Tensor:
    """Numbers so far away that one bit is left, and back (Veltkamp, with or without FMA)."""
    least, most = b.scalar(rounding.least), b.scalar(rounding.most)
    y = b.op("Clip", b.op("Mul", x, b.scalar(_FACTOR)), least, most)
    far = b.op("Mul", y, b.scalar(ONE_BIT))
    return b.op("Sub", far, b.op("Sub", far, y))


def _rounding(
    power: QuantizedPo2 | QuantizedReluPo2, thresholds: F32, reach: Grid
) -> _Rounding | None:
    """What returns the power of every multiple of the step of *reach* up to its end, if it can.

    Both rise, so that those next to the thresholds decide.
    """
    end = max(-reach.lo, reach.hi)
    places = np.append(thresholds, _EPSILON).astype(np.float64) / reach.step
    steps = np.concatenate([np.ceil(places) - 1, np.ceil(places), [0, end]])
    x = np.ldexp(np.clip(steps, 0, end), reach.exp)
    # What is no float32 number is none of the sums, which round to its neighbours.
    x = np.concatenate([_below(x), _above(x)])
    expected = quantize_body(power, x)
    rounding = _Rounding(float(expected.min()), float(expected.max()))
    return rounding if np.array_equal(rounding(x), expected) else None


def _table(q: QuantizedPo2 | QuantizedReluPo2) -> tuple[F32, F32]:
    """Where the power changes above epsilon (n,), and the powers (n + 1,)."""
    middles = np.exp2(np.arange(-24.0, 127.0, 0.5)).astype(np.float32)
    offsets = np.arange(-_NEIGHBOURS, _NEIGHBOURS, dtype=np.int32)
    places = (middles.view(np.int32)[:, np.newaxis] + offsets).view(np.float32)
    powers = quantize_body(q, places)
    changes = powers[:, 0] < powers[:, -1]
    places, powers = places[changes], powers[changes]
    at = (powers > powers[:, :1]).argmax(1)
    thresholds = places[np.arange(len(places)), at]
    top = powers[-1:, -1] if len(powers) else quantize_body(q, np.ones(1, np.float32))
    return thresholds, np.concatenate([powers[:, 0], top])


def _below(x: npt.NDArray[np.float64]) -> F32:
    """The nearest float32 numbers that are not above."""
    near = x.astype(np.float32)
    return np.where(near > x, np.nextafter(near, np.float32(-np.inf)), near)


def _above(x: npt.NDArray[np.float64]) -> F32:
    """The nearest float32 numbers that are not below."""
    return -_below(-x)
