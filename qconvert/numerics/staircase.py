"""Quantizers as step functions: where, in float32 inputs, the output changes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.ir.quantizers import Quantizer, is_data_dependent
from qconvert.ir.types import F32
from qconvert.numerics.quantize import quantize
from qconvert.numerics.straight_through import straight_through

LARGEST: Final = 65_536
_NEIGHBOURHOOD: Final = 4096
_SIGN: Final = 0x80000000
_I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Staircase:
    """``values[k]`` for ``thresholds[k - 1] <= x < thresholds[k]``.

    thresholds (n,) and values (n + 1,), both increasing. Holds from ``-reach`` to ``reach``:
    beyond, ``x + (-x + value)`` no longer returns the value, and QKeras's results are arbitrary.
    """

    thresholds: F32
    values: F32
    reach: float


def thresholds(quantizer: Quantizer) -> Staircase:
    """The steps of an elementwise quantizer; `ValueError` if it is not monotone or too fine.

    The inputs stand in the vector part of a tensor: at its end TensorFlow's logarithm differs
    by a few ulp, and so may the thresholds of the power-of-two quantizers.
    """
    if is_data_dependent(quantizer) or isinstance(getattr(quantizer, "alpha", None), tuple):
        raise ValueError("the steps are not the same for every element")
    reach = _reach(quantizer)
    ends = _order(np.array([-reach, reach], np.float32))
    steps = _steps(quantizer, ends)
    stairs = Staircase(
        _float(steps), np.concatenate([_at(quantizer, ends[:1]), _at(quantizer, steps)]), reach
    )
    _verify(quantizer, stairs)
    return stairs


def _steps(quantizer: Quantizer, ends: _I64) -> _I64:
    """Bisect all intervals at whose ends the outputs differ, at once."""
    lo, hi = ends[:1], ends[1:]
    while lo.size and int((hi - lo).max()) > 1:
        middle = (lo + hi) // 2
        lo, hi = np.concatenate([lo, middle]), np.concatenate([middle, hi])
        low, high = _at(quantizer, lo), _at(quantizer, hi)
        _require(bool((low <= high).all()), "the quantizer is not monotone")
        changes = low != high
        lo, hi = lo[changes], hi[changes]
        _require(lo.size < LARGEST, f"the quantizer has more than {LARGEST} levels")
    return np.sort(hi)


def _verify(quantizer: Quantizer, stairs: Staircase) -> None:
    """Compare around every step, around all powers of two, and around 0."""
    powers = np.exp2(np.arange(-126, np.log2(stairs.reach), dtype=np.float32))
    marks = _order(np.concatenate([stairs.thresholds, powers, -powers, powers[:1] * 0]))
    for offsets in np.split(np.arange(-_NEIGHBOURHOOD, _NEIGHBOURHOOD), 32):
        x = _float((marks[:, np.newaxis] + offsets).ravel())
        x = x[np.abs(x) <= stairs.reach]
        expected = stairs.values[np.searchsorted(stairs.thresholds, x, side="right")]
        same = bool((_evaluate(quantizer, x) == expected).all())
        _require(same, "the quantizer is not monotone")


def _reach(quantizer: Quantizer) -> float:
    """The power of two up to which the straight-through sum returns the outermost values."""
    reach = 2.0
    while reach < 2.0**126:
        x = np.array([-2 * reach, 2 * reach], np.float32)
        values = _evaluate(quantizer, x / np.float32(2))
        if not (straight_through(x, values) == values).all():
            return reach
        reach *= 2
    return reach


def _evaluate(quantizer: Quantizer, x: F32) -> F32:
    """Outputs in the vector part of a tensor (see ``eigen``)."""
    padded = np.concatenate([x, np.zeros(-x.size % 8, np.float32)])
    return quantize(quantizer, padded)[: x.size]


def _at(quantizer: Quantizer, positions: _I64) -> F32:
    return _evaluate(quantizer, _float(positions))


def _order(x: F32) -> _I64:
    """The position of a number among all float32 numbers; both zeros at 0."""
    bits = x.view(np.uint32).astype(np.int64)
    return np.where(bits >= _SIGN, _SIGN - bits, bits)


def _float(positions: _I64) -> F32:
    bits = np.where(positions < 0, _SIGN - positions, positions)
    return bits.astype(np.uint32).view(np.float32)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
