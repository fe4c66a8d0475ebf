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
#: Float32 numbers on each side of a step that are tried, fewer if there are many steps.
_NEIGHBOURHOOD: Final = 4096
_EVALUATIONS: Final = 1 << 24
_CHUNK: Final = 64
_SIGN: Final = 0x80000000
_I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Staircase:
    """``values[k]`` for ``thresholds[k - 1] <= x < thresholds[k]``.

    thresholds (n,) and values (n + 1,), both increasing. It holds from ``-reach`` to ``reach``:
    beyond, ``x + (-x + value)`` no longer returns the value, or a product overflows.
    ``exceptions`` are the inputs at which the quantizer returns something else, all of them
    close to a threshold: TensorFlow's tanh and sigmoid are not monotone to the last bit.
    """

    thresholds: F32
    values: F32
    exceptions: F32
    reach: float


def thresholds(quantizer: Quantizer) -> Staircase:
    """The steps of an elementwise quantizer; `ValueError` if it is not monotone or too fine.

    The inputs stand in the vector part of a tensor: at its end TensorFlow's logarithm and
    sigmoid differ by a few ulp, and so may the thresholds of the quantizers that use them.
    """
    if is_data_dependent(quantizer) or isinstance(getattr(quantizer, "alpha", None), tuple):
        raise ValueError("the steps are not the same for every element")
    reach = _reach(quantizer)
    ends = _order(np.array([-reach, reach], np.float32))
    steps = _steps(quantizer, ends)
    values = np.concatenate([_at(quantizer, ends[:1]), _at(quantizer, steps)])
    _require(bool((values[:-1] < values[1:]).all()), "the quantizer is not monotone")
    stairs = _Stairs(quantizer, _float(steps), values, reach)
    return Staircase(stairs.thresholds, values, _exceptions(stairs), reach)


@dataclass(frozen=True, slots=True, eq=False)
class _Stairs:
    quantizer: Quantizer
    thresholds: F32
    values: F32
    reach: float

    def wrong(self, positions: _I64) -> npt.NDArray[np.bool_]:
        """Where the quantizer does not return what the stairs say."""
        x = _float(positions)
        expected = self.values[np.searchsorted(self.thresholds, x, side="right")]
        differs: npt.NDArray[np.bool_] = _evaluate(self.quantizer, x) != expected
        return differs & (np.abs(x) <= self.reach)


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


def _exceptions(stairs: _Stairs) -> F32:
    """Compare around every step, and at powers of two and 0 with their neighbours."""
    powers = np.exp2(np.arange(-126, np.log2(stairs.reach), dtype=np.float32))
    marks = _order(np.concatenate([powers, -powers, powers[:1] * 0]))
    gross = stairs.wrong((marks[:, np.newaxis] + np.arange(-1, 2)).ravel()).any()
    _require(not gross, "the quantizer is not monotone")
    centres = _order(stairs.thresholds)
    radius = min(max(_EVALUATIONS // max(centres.size, 1), _CHUNK), _NEIGHBOURHOOD)
    found = [np.empty(0, np.int64)]
    for offset in range(-radius, radius, _CHUNK):
        positions = (centres[:, np.newaxis] + np.arange(offset, offset + _CHUNK)).ravel()
        found.append(positions[stairs.wrong(positions)])
    exceptions = np.unique(np.concatenate(found))
    close = _distance(exceptions, centres) < radius // 2
    _require(bool(close.all()), "the quantizer is not monotone")
    return _float(exceptions)


def _distance(positions: _I64, centres: _I64) -> _I64:
    """From each position to the nearest of the sorted centres."""
    above = np.searchsorted(centres, positions).clip(1, max(centres.size - 1, 1))
    around = centres[np.stack([above - 1, above.clip(max=centres.size - 1)])]
    nearest: _I64 = np.abs(around - positions).min(axis=0)
    return nearest


def _reach(quantizer: Quantizer) -> float:
    """The power of two up to which outputs stay as they are, or rise by an exact sum."""
    reach = 2.0
    near = _evaluate(quantizer, np.array([-reach, reach], np.float32))
    while reach < 2.0**126:
        x = np.array([-2 * reach, 2 * reach], np.float32)
        far = _evaluate(quantizer, x)
        rises = np.isfinite(far) & (far * np.sign(x) >= near * np.sign(x))
        exact = (far == near) | (straight_through(x, near) == near) & rises
        if not exact.all():
            return reach
        reach, near = 2 * reach, far
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
