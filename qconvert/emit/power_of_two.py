"""The quantizers that round a logarithm: their powers of two come from a table of thresholds.

Where TensorFlow's float32 logarithm changes from one exponent to the next is not quite the
square root of 2 times a power; the thresholds are searched in ``numerics``.
"""

from dataclasses import replace

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.mixing import SMALLEST_NORMAL, mixed
from qconvert.emit.staircase import staircase
from qconvert.ir import F32
from qconvert.ir.quantizers import QuantizedPo2, QuantizedReluPo2
from qconvert.numerics import quantize_body

#: Magnitudes below it count as 0, which becomes the least power.
_EPSILON = np.float32(1e-7)
#: Neighbours of a threshold's ideal place that are searched, on either side; the logarithm's
#: noise moves thresholds by up to 55 of them.
_NEIGHBOURS = 256


def apply(b: Builder, x: Tensor, q: QuantizedPo2 | QuantizedReluPo2) -> Tensor:
    """The quantizer's operations, straight-through expression included, but for the logarithm."""
    negative = b.op("Neg", x)
    if isinstance(q, QuantizedPo2):
        power = _power(b, b.op("Abs", x), q)
        y = _where_negative(b, x, b.op("Neg", power), power)
        return mixed(b, x, y, q.qnoise_factor, use_ste=q.use_ste)
    y = _power(b, b.op("Relu", x), q)
    if q.negative_slope:
        part = b.op("Mul", b.op("Relu", negative), b.scalar(q.negative_slope))
        y = _where_negative(b, x, b.op("Neg", _power(b, part, q)), y)
    return mixed(b, _unquantized(b, x, q), y, q.qnoise_factor, use_ste=q.use_ste)


def _where_negative(b: Builder, x: Tensor, below: Tensor, above: Tensor) -> Tensor:
    return b.op("Where", b.op("LessOrEqual", x, b.scalar(-SMALLEST_NORMAL)), below, above)


def _unquantized(b: Builder, x: Tensor, q: QuantizedReluPo2) -> Tensor:
    leaky = b.op("Relu", x)
    if q.negative_slope:
        leaky = b.op("LeakyRelu", x, attributes={"alpha": q.negative_slope})
    return leaky if q.max_value is None else b.op("Min", leaky, b.scalar(q.max_value))


def _power(b: Builder, magnitude: Tensor, q: QuantizedPo2 | QuantizedReluPo2) -> Tensor:
    """The power of two for a number that is not negative."""
    # Without the straight-through sum, which far from the input loses the power.
    power = replace(q, qnoise_factor=1.0, use_ste=False)
    thresholds, values = _table(power)
    tiny = b.op("Less", magnitude, b.scalar(float(_EPSILON)))
    least = b.scalar(float(quantize_body(power, np.zeros(1, np.float32))[0]))
    return b.op("Where", tiny, least, staircase(b, magnitude, thresholds, values))


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
