"""Which integers hold what a quantizer returns."""

from dataclasses import replace

from qconvert.emit import quantizers
from qconvert.ir import Grid, Quantizer, grid_of
from qconvert.ir.quantizers import (
    Binary,
    FrozenScale,
    QuantizedBits,
    QuantizedLinear,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    Ternary,
)


def rounds_to(quantizer: Quantizer) -> Grid | None:
    """The grid that a quantizer rounds to before it multiplies by a power of two."""
    match quantizer:
        case QuantizedBits(alpha=alpha) if quantizers.exponent(alpha) is not None:
            return grid_of(replace(quantizer, alpha=None))
        case _:
            return grid_of(quantizer)


def image(quantizer: Quantizer) -> Grid | None:
    """A byte-sized grid that holds all results of a quantizer that is not rounding alone."""
    match quantizer:
        case QuantizedBits(qnoise_factor=factor) if factor != 1:
            return None
        case QuantizedBits(bits=bits, post_training_scale=FrozenScale(values=(scale,))):
            exp, half = quantizers.exponent(scale), (1 << (bits - 1)) - 1
            if exp is None or bits > 8:
                return None
            return Grid(-half, half, exp + quantizer.integer - bits + quantizer.keep_negative)
        case QuantizedBits(bits=1, alpha=alpha) | Binary(alpha=alpha) | Ternary(alpha=alpha):
            exp = quantizers.exponent(alpha)
            return None if exp is None else Grid(-1, 1, exp)
        case _:
            return None


def stretch(quantizer: Quantizer) -> int:
    """The power of two that a quantizer multiplies the grid with which it `rounds_to`."""
    more = quantizers.exponent(quantizer.alpha) if isinstance(quantizer, QuantizedBits) else 0
    return more or 0


def rising(quantizer: Quantizer) -> Grid | None:
    """The bytes that hold all results of a quantizer that rises with its input throughout."""
    match quantizer:
        case QuantizedRelu(use_sigmoid=False, negative_slope=0.0) | QuantizedLinear():
            pass
        case QuantizedTanh(use_real_tanh=False) | QuantizedSigmoid(use_real_sigmoid=False):
            pass
        case QuantizedBits() | Binary() | Ternary():
            pass
        case _:
            return None
    grid = rounds_to(quantizer)
    if grid is not None:
        grid = replace(grid, exp=grid.exp + stretch(quantizer))
    found = grid or image(quantizer)
    return found if found is not None and bytes_hold(found) else None


def bytes_hold(grid: Grid) -> bool:
    """Whether one byte holds every code."""
    return (grid.lo >= 0 and grid.hi < 256) or (grid.lo >= -128 and grid.hi < 128)
