"""Sums on a grid, or an affine function of them, that a quantizer rounds: no search is needed.

A search keeps away from ties; these have them where the quantizer has them, and round them alike.
"""

import math
from typing import Final

import numpy as np

from qconvert.emit.codes import lowest_bits
from qconvert.emit.grids import stretch
from qconvert.emit.requantization.epilogue import Epilogue, Stairs
from qconvert.emit.requantization.search import Requantization, is_right
from qconvert.ir import Grid

#: What the accumulators of a kernel stay below.
_TOO_LARGE: Final = 1 << 31


def exact(epilogue: Epilogue, kernels: list[Stairs], grid: Grid) -> list[Requantization | None]:
    """By kernel the numbers with the least factor that make an integer of the bias.

    ``None`` where that takes more than 32 bits, or more is behind the sums than a product, a sum
    and that rounding.
    """
    exps = epilogue.exps
    bias = np.zeros(epilogue.channels, np.float32) if epilogue.bias is None else epilogue.bias
    factors, addends = epilogue.affine
    with np.errstate(all="ignore"):
        shifted = (bias + addends / factors).astype(np.float32)
    # What is no number is none of a kernel with numbers: it is tried as any other one.
    biases = np.resize(np.where(np.isfinite(shifted), shifted, np.float32(0)), len(exps))
    steps = np.minimum(exps, lowest_bits(biases))
    # It rounds to it before it multiplies by a power of two.
    rounded = grid.exp - stretch(epilogue.quantizer)
    gains = np.resize(factors, len(exps)).tolist()
    found: list[Requantization | None] = []
    columns = kernels, biases, gains, exps.tolist(), steps.tolist()
    for one, number, gain, exp, step in zip(*columns, strict=True):
        whole = int(math.ldexp(float(number), -step))
        least = Requantization(1 << (exp - step), whole, math.ldexp(gain, step - rounded))
        right = gain > 0 and _fits(one, least) and is_right(one, grid, least)
        found.append(least if right else None)
    return found


def scaled(stairs: Stairs, number: Requantization, least: int) -> Requantization | None:
    """The same codes with a factor of at least *least*, a power of two, if these sums fit."""
    times = max(1, least // number.factor)
    multiplier = number.multiplier / times
    larger = Requantization(number.factor * times, number.bias * times, multiplier)
    return larger if _fits(stairs, larger) else None


def _fits(stairs: Stairs, number: Requantization) -> bool:
    largest = max(abs(stairs.lo), abs(stairs.hi))
    return largest * number.factor + abs(number.bias) < _TOO_LARGE
