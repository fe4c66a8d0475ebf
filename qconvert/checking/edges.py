"""The numbers at which a quantizer shows what is wrong with it: codes, ties, and both ends."""

from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Grid, grid_of
from qconvert.ir.quantizers import (
    QuantizedHswish,
    QuantizedPo2,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Quantizer,
)

#: Where inputs of quantizers to powers of two are drawn from.
_POWER_CODES: Final = 1 << 12
_POWER_EXP: Final = -8
#: All codes of a grid are tried up to this many.
ALL_CODES: Final = 256


def grid_around(quantizer: Quantizer) -> Grid | None:
    """Numbers from which to draw inputs: the quantizer's grid, or one of the same fineness."""
    match quantizer:
        case QuantizedHswish(rounding=rounding):
            return grid_of(rounding)
        case QuantizedUlaw(bits=bits, integer=integer):
            half = 1 << max(bits - 2, 0)
            return Grid(-half, half, integer + 2 - bits)
        case QuantizedPo2() | QuantizedReluPo2():
            return Grid(-_POWER_CODES, _POWER_CODES, _POWER_EXP)
        case _:
            return grid_of(quantizer)


def around_grid(quantizer: Quantizer, grid: Grid) -> F32:
    """Codes, ties, the floats next to ties, and what lies beyond both ends."""
    match quantizer:
        case QuantizedPo2() | QuantizedReluPo2():
            # Their ties lie near the roots of 2, and 1e-7 is their 0.
            roots = np.append(np.exp2(np.arange(-32, 33) / 2), 1e-7)
            return np.concatenate([_plain(quantizer, grid), _near(np.append(roots, -roots), 4)])
        case QuantizedTanh(use_real_tanh=True):
            ties = _inner_ties(grid)
            return np.concatenate([_plain(quantizer, grid), _near(np.arctanh(ties), 4)])
        case QuantizedSigmoid(use_real_sigmoid=True):
            ties = _inner_ties(grid)
            return np.concatenate([_plain(quantizer, grid), _near(np.log(ties / (1 - ties)), 4)])
        case QuantizedHswish(relu_shift=shift, relu_upper_bound=bound):
            plain = _plain(quantizer, grid)
            # Where x * (x + shift) / bound is a tie, to the right and to the left of its minimum.
            roots = np.sqrt(np.maximum(shift**2 + 4 * bound * plain.astype(np.float64), 0))
            left = ((-roots - shift) / 2).astype(np.float32)
            return np.concatenate([plain, _near((roots - shift) / 2, 1), left])
        case _:
            return _plain(quantizer, grid)


def _inner_ties(grid: Grid) -> npt.NDArray[np.float64]:
    """Ties between codes, not more than there are places for."""
    count = min(ALL_CODES, grid.hi - grid.lo)
    ties = np.unique(np.rint(np.linspace(grid.lo, grid.hi - 1, count))) + 0.5
    return ties * np.float64(grid.step)


def _near(x: npt.NDArray[np.float64], distance: int) -> F32:
    """The nearest float32 numbers to those that are not 0, *distance* on either side."""
    bits = x[x != 0].astype(np.float32).view(np.int32)[:, np.newaxis]
    neighbours: F32 = (bits + np.arange(-distance, distance + 1, dtype=np.int32)).view(np.float32)
    return neighbours.ravel()


def _plain(quantizer: Quantizer, grid: Grid) -> F32:
    """What makes a rounding of the input itself visible, or of half of it and 1/2."""
    count = min(ALL_CODES, grid.hi - grid.lo + 1)
    codes = np.unique(np.rint(np.linspace(grid.lo, grid.hi, count)))
    ties = np.concatenate([[grid.lo - 0.5], codes + 0.5])
    beyond = np.array([f * c for f in (1, 2, 16) for c in (grid.lo - 1, grid.hi + 1)])
    exact = np.concatenate([codes, ties, beyond]) * grid.step
    if isinstance(quantizer, QuantizedSigmoid):
        # It rounds x/2 + 1/2, so its ties lie there.
        exact, ties = 2 * exact - 1, 2 * ties - 1 / grid.step
    at_ties = (ties * grid.step).astype(np.float32)
    infinity = np.float32(np.inf)
    neighbours = (np.nextafter(at_ties, -infinity), np.nextafter(at_ties, infinity))
    return np.concatenate([exact.astype(np.float32), *neighbours])
