"""Which numbers a quantizer can return, in integers.

`emit` and ``exactness`` read grids; ``reference`` and ``numerics`` never do, so that a wrong
grid shows as a difference between ONNX Runtime and the NumPy reference.
"""

import math
from dataclasses import dataclass

from qconvert.ir.quantizers import (
    QuantizedBits,
    QuantizedLinear,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    Quantizer,
)


@dataclass(frozen=True, slots=True)
class Grid:
    """The values ``code * 2**exp`` for integer codes from ``lo`` to ``hi``, both included."""

    lo: int
    hi: int
    exp: int

    @property
    def step(self) -> float:
        """Distance of neighbouring values."""
        return math.ldexp(1.0, self.exp)

    def __contains__(self, value: float) -> bool:
        code = math.ldexp(value, -self.exp)
        return code.is_integer() and self.lo <= code <= self.hi


@dataclass(frozen=True, slots=True)
class Quotients:
    """The float32 next to ``code / divisor`` for integer codes from ``lo`` to ``hi``."""

    lo: int
    hi: int
    divisor: int

    @property
    def step(self) -> float:
        """Distance of neighbouring values, but for rounding."""
        return 1 / self.divisor


def grid_of(quantizer: Quantizer) -> Grid | None:
    """The uniform grid of a quantizer that returns ``clip(rint(f(x) / step)) * step``.

    ``f`` is the identity for ``quantized_bits``, ``_linear`` and ``_relu``, a clip for the hard
    tanh, ``x/2 + 1/2`` for the hard sigmoid. Returns ``None`` where the outputs are no such
    grid: mixtures with the input, scales other than 1 (of ``quantized_linear``, other than powers
    of two), leaky, bounded off the grid, one-bit signed.
    """
    match quantizer:
        case QuantizedBits(qnoise_factor=f) | QuantizedLinear(qnoise_factor=f) if f != 1:
            return None
        case QuantizedRelu(qnoise_factor=factor) if factor != 1:
            return None
        case QuantizedBits(bits=bits, keep_negative=True, alpha=None | 1.0) if bits > 1:
            half = 1 << (bits - 1)
            lowest = -half + int(quantizer.symmetric)
            return Grid(lowest, half - 1, quantizer.integer - bits + 1)
        case QuantizedBits(bits=bits, keep_negative=False, alpha=None | 1.0):
            return Grid(0, (1 << bits) - 1, quantizer.integer - bits)
        case QuantizedLinear(bits=bits, keep_negative=signed):
            return None if bits == 1 and signed else _linear_grid(quantizer)
        case QuantizedRelu(bits=bits, use_sigmoid=False, negative_slope=0.0) if _clips_on_grid(
            quantizer
        ):
            return Grid(0, (1 << bits) - 1, quantizer.integer - bits)
        case QuantizedTanh(bits=bits):
            half = 1 << (bits - 1)
            return Grid(-half + int(quantizer.symmetric), half - 1, 1 - bits)
        case QuantizedSigmoid(bits=bits):
            # QKeras's 2**31 is -2**31, so that the lower end of 31 bits lies below 0.
            return Grid(int(quantizer.symmetric and bits < 31), (1 << bits) - 1, -bits)
        case _:
            return None


def _linear_grid(q: QuantizedLinear) -> Grid | None:
    alpha = 1.0 if q.alpha is None else q.alpha
    if not isinstance(alpha, float) or math.frexp(alpha)[0] != 0.5:
        return None
    values = 1 << (q.bits - q.keep_negative)
    exp = q.integer - q.bits + q.keep_negative + math.frexp(alpha)[1] - 1
    return Grid(q.keep_negative * (q.symmetric - values), values - 1, exp)


def _clips_on_grid(relu: QuantizedRelu) -> bool:
    """The upper bound acts only without the quantized clip, and 0 counts as no bound."""
    return relu.is_quantized_clip or not relu.relu_upper_bound
