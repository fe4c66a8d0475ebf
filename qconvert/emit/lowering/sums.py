"""Sums of products of bytes as the integers that they are, which become floats."""

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import LARGEST_CODE, Integers, WeightCodes, encode
from qconvert.emit.requantization import own_steps
from qconvert.emit.values import Codes, Value
from qconvert.ir import F32, Grid

_BYTE = 8
#: Steps that float32 has, and of which it holds 2**24.
_SMALLEST_EXP, _LARGEST_EXP = -126, 103


def steps_of_sums(weights: WeightCodes, x: Codes) -> Integers | None:
    """The exponents of the sums of products of bytes, of all or by channel, which is axis 0.

    ``None`` where float32 does not hold all sums, or their steps, which are factors of their own.
    """
    exps = weights.exps + x.exp
    if weights.bits > _BYTE or np.any(exps < _SMALLEST_EXP):
        return None
    return exps if _hold(weights, Grid(*x.ends, x.exp)) else None


def are_exact(weight: F32, x: Value) -> bool:
    """Whether float32 holds all partial sums of products of *x* with a *weight*, channels first.

    Then every order of summation returns the same.
    """
    grid = _grid(x)
    # Encoded last, which takes longer than all else here.
    found = None if grid is None else encode(weight, 0)
    return grid is not None and found is not None and _hold(found, grid)


def _hold(weights: WeightCodes, grid: Grid) -> bool:
    """Whether float32 has the partial sums of numbers on *grid* (EXACTNESS.md, theorem 1)."""
    codes, exps = own_steps(weights)
    steps, flat = exps + grid.exp, codes.reshape(len(codes), -1)
    if np.any((steps < _SMALLEST_EXP) | (steps > _LARGEST_EXP)):
        return False
    lo, hi = min(grid.lo, 0), max(grid.hi, 0)
    # As Python's integers, for those of numpy end.
    ups, downs = (flat.sum(axis=1, where=of_sign).tolist() for of_sign in (flat > 0, flat < 0))
    ends = (end for up, down in zip(ups, downs, strict=True) for end in _ends(up, down, lo, hi))
    return max(ends, default=0) <= LARGEST_CODE


def _ends(up: int, down: int, lo: int, hi: int) -> tuple[int, int]:
    """How far partial sums are from 0 on both sides, of weights > 0 and of those < 0."""
    return up * hi + down * lo, -up * lo - down * hi


def _grid(x: Value) -> Grid | None:
    """What all numbers of *x* are on."""
    if x.codes is not None:
        return Grid(*x.codes.ends, x.codes.exp)
    if x.reach is None:
        return None
    # Of numbers beyond 2**24 steps a quantizer may return twice its last one (theorem 4).
    return Grid(2 * x.reach.lo, 2 * x.reach.hi, x.reach.exp)


def as_float(b: Builder, sums: Tensor) -> Tensor:
    """int32 sums as float32."""
    return b.op("Cast", sums, attributes={"to": onnx.TensorProto.FLOAT})


def powers(exps: npt.ArrayLike) -> F32:
    """Of two, as float32."""
    found: F32 = np.ldexp(np.float32(1), np.asarray(exps, np.int32)).astype(np.float32)
    return found
