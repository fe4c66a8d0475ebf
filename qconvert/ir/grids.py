"""Which numbers a quantizer can return, in integers.

`emit` and ``exactness`` read grids; ``reference`` and ``numerics`` never do, so that a wrong
grid shows as a difference between ONNX Runtime and the NumPy reference.
"""

import math
from dataclasses import dataclass

from qconvert.ir.quantizers import (
    QuantizedBits,
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


def grid_of(quantizer: Quantizer) -> Grid | None:
    """The uniform grid of a quantizer that returns ``clip(rint(f(x) / step)) * step``.

    ``f`` is the identity for ``quantized_bits`` and ``quantized_relu``, a clip for the hard
    tanh, ``x/2 + 1/2`` for the hard sigmoid. Returns ``None`` where the outputs are no such
    grid: scales other than 1, powers of two, leaky, bounded off the grid, one-bit signed.
    """
    match quantizer:
        case QuantizedBits(bits=bits, keep_negative=True, alpha=None | 1.0) if bits > 1:
            half = 1 << (bits - 1)
            lowest = -half + int(quantizer.symmetric)
            return Grid(lowest, half - 1, quantizer.integer - bits + 1)
        case QuantizedBits(bits=bits, keep_negative=False, alpha=None | 1.0):
            return Grid(0, (1 << bits) - 1, quantizer.integer - bits)
        case QuantizedRelu(bits=bits, use_sigmoid=False, negative_slope=0.0) if _clips_on_grid(
            quantizer
        ):
            return Grid(0, (1 << bits) - 1, quantizer.integer - bits)
        case QuantizedTanh(bits=bits):
            half = 1 << (bits - 1)
            return Grid(-half + int(quantizer.symmetric), half - 1, 1 - bits)
        case QuantizedSigmoid(bits=bits):
            return Grid(int(quantizer.symmetric), (1 << bits) - 1, -bits)
        case _:
            return None


def _clips_on_grid(relu: QuantizedRelu) -> bool:
    """The upper bound acts only without the quantized clip, and 0 counts as no bound."""
    return relu.is_quantized_clip or not relu.relu_upper_bound
