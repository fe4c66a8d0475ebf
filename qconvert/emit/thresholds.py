"""Where the real tanh and sigmoid of a quantizer change from one code to the next.

TensorFlow's functions are no runtime's, and not monotone in the last bits: around a tie the
codes may change to and fro. All float32 numbers there are tried in ``numerics``.

Measured: on the 407 million float32 numbers of magnitude ``2**-20`` to 20 these tables differ from
``numerics`` nowhere, for 1, 2, 4, 6, 8, 10, 12 and 16 bits; the functions constantly round to one
code below and above. TensorFlow's tanh is wrong by up to 6.2, its sigmoid by up to 8.4 times
``2**-24`` of the result there, so that codes can change within these distances of a tie alone.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Grid, grid_of
from qconvert.ir.quantizers import QuantizedSigmoid, QuantizedTanh
from qconvert.numerics import quantize_body

#: Wider codes would need tables of megabytes.
WIDEST: Final = 16
#: How far around a tie is searched, relative to it: 16 times ``2**-24``.
_REACH: Final = 2.0**-20

#: Tables that are kept: a check writes the operators of each quantizer several times.
_KEPT: Final = 8

#: Runtimes' sigmoids are off by as much where they are smaller.
_LEAST_SIGMOID: Final = 0.25

_F64 = npt.NDArray[np.float64]


@lru_cache(_KEPT)
def thresholds(q: QuantizedTanh | QuantizedSigmoid) -> tuple[F32, F32]:
    """Where the value changes (n,), in ascending order, and the values between (n + 1,)."""
    grid = grid_of(q)
    assert grid is not None
    ties = (np.arange(grid.lo, grid.hi) + 0.5) * np.float64(grid.step)
    first = np.array([grid.lo * grid.step], np.float32)
    if not ties.size:
        return first[:0], first
    ends = np.sort([_inverse(q, ties * (1 - _REACH)), _inverse(q, ties * (1 + _REACH))], axis=0)
    near = _all_between(ends[0], ends[1])
    values = quantize_body(q, near)
    changes = np.flatnonzero(np.diff(values, prepend=first))
    return near[changes], np.concatenate([first, values[changes]])


def is_clear(q: QuantizedTanh | QuantizedSigmoid, reach: Grid) -> bool:
    """Whether the function of no multiple of the step of *reach* is next to a tie between codes.

    All runtimes that are off by less than is searched then round it to one code.
    """
    grid = grid_of(q)
    assert grid is not None
    ties = (np.arange(grid.lo, grid.hi) + 0.5) * np.float64(grid.step)
    least = 0.0 if isinstance(q, QuantizedTanh) else _LEAST_SIGMOID
    off = _REACH * np.maximum(abs(ties), least)
    ends = np.array([_inverse(q, ties - off), _inverse(q, ties + off)]) / reach.step
    return bool(np.all(np.floor(ends[1]) < np.ceil(ends[0])))


def _inverse(q: QuantizedTanh | QuantizedSigmoid, y: _F64) -> _F64:
    if isinstance(q, QuantizedTanh):
        return np.arctanh(y)
    return np.log(y / (1 - y))


def _all_between(lo: _F64, hi: _F64) -> F32:
    """Every float32 number from ``lo[i]`` to ``hi[i]``, which have one sign, for all i in order."""
    ends = np.sort([_position(lo), _position(hi)], axis=0)
    counts = ends[1] - ends[0] + 1
    starts = np.repeat(ends[0] - np.cumsum(counts) + counts, counts)
    return _at(starts + np.arange(counts.sum()))


def _position(x: _F64) -> npt.NDArray[np.int64]:
    """Whole numbers that order float32 numbers as their values do."""
    bits = x.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _at(position: npt.NDArray[np.int64]) -> F32:
    magnitude = np.abs(position).astype(np.int32).view(np.float32)
    return np.where(position < 0, -magnitude, magnitude)
