"""Sums of products of bytes as the integers that they are, which become floats."""

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import LARGEST_CODE, Integers, WeightCodes
from qconvert.emit.requantization import own_steps
from qconvert.emit.values import Codes, Value
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Grid

_BYTE = 8
#: Of the smallest number with all its bits, and of the first that float32 has no more.
_SMALLEST_EXP, _INFINITE = -126, 128


def steps_of_sums(weights: WeightCodes, x: Codes) -> Integers | None:
    """The exponents of the sums of products of bytes, of all or by channel, which is axis 0.

    ``None`` where float32 does not hold all sums, or their steps, which are factors of their own.
    """
    exps = weights.exps + x.exp
    if weights.bits > _BYTE or np.any(exps < _SMALLEST_EXP):
        return None
    return exps if _hold(weights, Grid(*x.ends, x.exp)) else None


def are_exact(weight: Weight, x: Value) -> bool:
    """Whether float32 holds all partial sums of products of *x* with a *weight*, channels first.

    Then every order of summation returns the same.
    """
    grid = x.grid
    # Encoded last, which takes longer than all else here.
    found = None if grid is None else weight.codes
    return grid is not None and found is not None and _hold(found, grid)


def _hold(weights: WeightCodes, grid: Grid) -> bool:
    """Whether float32 has the partial sums of numbers on *grid* (EXACTNESS.md, theorem 1)."""
    codes, exps = own_steps(weights)
    flat, lo, hi = codes.reshape(len(codes), -1), min(grid.lo, 0), max(grid.hi, 0)
    # As Python's integers, for those of numpy end.
    ups, downs = (flat.sum(1, np.int64, where=sign).tolist() for sign in (flat > 0, flat < 0))
    return all(
        _has(max(up * hi + down * lo, -up * lo - down * hi), exp + grid.exp)
        for up, down, exp in zip(ups, downs, exps.tolist(), strict=True)
    )


def _has(number: int, exp: int) -> bool:
    """Whether float32 has all integers up to *number* in steps of ``2**exp`` (lemma 0)."""
    return number <= LARGEST_CODE and _SMALLEST_EXP <= exp <= _INFINITE - number.bit_length()


def as_float(b: Builder, sums: Tensor) -> Tensor:
    """int32 sums as float32."""
    return b.op("Cast", sums, attributes={"to": onnx.TensorProto.FLOAT})


def powers(exps: npt.ArrayLike) -> F32:
    """Of two, as float32."""
    found: F32 = np.ldexp(np.float32(1), np.asarray(exps, np.int32)).astype(np.float32)
    return found
