"""How the numbers of a weight are spread over the codes of its quantizer."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Grid, Quantizer, Weight, grid_of
from qconvert.ir.bits import bits_of
from qconvert.ir.quantizers import Binary, QuantizedBits, Ternary
from qconvert.numerics.automatic_scale import codes_and_scale
from qconvert.numerics.quantize import quantize
from qconvert.numerics.straight_through import flushed

#: The width of what is not quantized.
FLOAT_BITS: Final = 32
#: Codes within so many of one another are counted in a table, which needs no sorting.
_TABLE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Scales:
    """The numbers that codes are multiplied with: how many different ones, least and greatest."""

    count: int
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """A weight of ``elements`` numbers, ``bits`` wide each, of which ``zeros`` are 0.

    ``distinct`` counts its codes, or its numbers where these have no codes; ``codes`` is how many
    codes the quantizer has, from ``lo`` to ``hi``. Of a quantizer that clips, ``outside`` counts
    the numbers in front of it that lie beyond this range, and ``at_ends`` those for which it
    returns the first or last code.
    """

    elements: int
    bits: int
    zeros: int
    distinct: int
    codes: int | None = None
    lo: int | None = None
    hi: int | None = None
    scales: Scales | None = None
    outside: int | None = None
    at_ends: int | None = None

    @property
    def total_bits(self) -> int:
        """What all elements take at this width."""
        return self.elements * self.bits


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """Numbers as ``codes * scale``; ``steps`` are those in front of a quantizer that clips."""

    codes: npt.NDArray[Any]
    scale: F32
    count: int
    lo: int
    hi: int
    steps: npt.NDArray[Any] | None = None


def weigh(weight: Weight) -> Weighed:
    """Count what lies where, in all elements."""
    found = None if weight.quantizer is None else _coded(weight, weight.quantizer)
    numbers = weight.effective if found is None else found.codes
    zeros = weight.effective.size - int(np.count_nonzero(weight.effective))
    plain = Weighed(weight.effective.size, width_of(weight), zeros, distinct_in(numbers))
    if found is None:
        return plain
    scale = np.unique(np.nan_to_num(found.scale))
    scales = Scales(scale.size, float(scale[0]), float(scale[-1]))
    lo, hi = found.lo, found.hi
    coded = replace(plain, codes=found.count, lo=lo, hi=hi, scales=scales)
    if found.steps is None:
        return coded
    return replace(
        coded,
        outside=int(np.count_nonzero((found.steps < lo) | (found.steps > hi))),
        at_ends=int(np.count_nonzero((found.codes == lo) | (found.codes == hi))),
    )


def codes_and_scales(weight: Weight) -> tuple[npt.NDArray[Any], F32] | None:
    """Codes, and the scales that they are multiplied with; QKeras may round products further.

    ``None`` where there are none, or a code is not the nearest to its weight.
    """
    match weight.quantizer:
        case None | Binary(elements_per_scale=int() | tuple()) | Binary(scale_axis=int() | tuple()):
            # Of groups of signs the scales are not known.
            return None
        case quantizer:
            found = _coded(weight, quantizer)
    if found is None:
        return None
    with np.errstate(all="ignore"):
        nearest = np.nan_to_num(np.rint(weight.effective / found.scale))
    return (found.codes, found.scale) if np.array_equal(nearest, found.codes) else None


def width_of(weight: Weight) -> int:
    """The bits of a number of *weight*."""
    return (bits_of(weight.quantizer) if weight.quantizer else None) or FLOAT_BITS


def distinct_in(numbers: npt.NDArray[Any]) -> int:
    """How many different numbers there are; -0 is 0."""
    if not numbers.size:
        return 0
    lo, hi = float(numbers.min()), float(numbers.max())
    if hi - lo < _TABLE and np.array_equal(numbers, np.rint(numbers)):
        return int(np.count_nonzero(np.bincount(numbers.astype(np.int64).ravel() - int(lo))))
    return len(np.unique(numbers))


def _coded(weight: Weight, quantizer: Quantizer) -> _Coded | None:
    """The codes, where the quantizer returns codes times a scale."""
    source, grid = _source(weight), grid_of(quantizer)
    if grid is not None:
        return _on_grid(grid, weight.effective, source, np.ones((), np.float32))
    match quantizer:
        case Binary():
            return _signs(weight.effective, 0 if quantizer.use_01 else -1, 2)
        case QuantizedBits(bits=1, keep_negative=True):
            return _signs(weight.effective, -1, 2)
        case Ternary():
            return _signs(weight.effective, -1, 3)
        case QuantizedBits(alpha=str(), post_training_scale=None, qnoise_factor=1.0):
            return _with_scales_of(quantizer, source)
        case QuantizedBits(alpha=float() | tuple() as alpha, post_training_scale=None):
            return _scaled(replace(quantizer, alpha=1.0), source, np.asarray(alpha, np.float32))
        case _:
            return None


def _source(weight: Weight) -> F32:
    """What is quantized; folded weights are after the normalization has gone into them."""
    return flushed(weight.folding.values if weight.folding else weight.raw)


def _signs(effective: F32, lo: int, count: int) -> _Coded:
    scale = np.abs(effective).max(axis=tuple(range(effective.ndim - 1)))
    return _Coded(np.sign(effective), scale, count, lo, 1)


def _with_scales_of(q: QuantizedBits, source: F32) -> _Coded:
    """Codes with a scale that was computed from the weights; their range is symmetric."""
    unit = np.float32(2.0**q.integer)
    with np.errstate(all="ignore"):
        # Of nothing but zeros the scale is 0, and codes are none.
        codes, scale = map(np.nan_to_num, codes_and_scale(q, source / unit))
        steps = np.nan_to_num(source / (unit * scale))
    half = (1 << (q.bits - 1)) - 1
    return _Coded(codes, scale * unit, 2 * half + 1, -half, half, steps)


def _scaled(unscaled: QuantizedBits, source: F32, alpha: F32) -> _Coded | None:
    grid = grid_of(unscaled)
    return None if grid is None else _on_grid(grid, quantize(unscaled, source), source, alpha)


def _on_grid(grid: Grid, values: F32, source: F32, alpha: F32) -> _Coded:
    # Far beyond the range numbers may overflow in steps, and are outside all the same.
    with np.errstate(over="ignore"):
        codes, steps = (np.ldexp(array, -grid.exp) for array in (values, source))
        scale = np.asarray(alpha * np.float32(grid.step))
    return _Coded(codes, scale, grid.hi - grid.lo + 1, grid.lo, grid.hi, steps)
