"""Sums of products of bytes as the integers that they are, which become floats."""

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import LARGEST_CODE, Integers, WeightCodes, encode
from qconvert.emit.requantization import own_steps, reach
from qconvert.emit.values import Codes, Value
from qconvert.ir import F32, Grid

_BYTE = 8
#: In float32 with all its bits.
_SMALLEST_EXP, _LARGEST_EXP = -126, 127
#: Of steps of which float32 holds 2**24.
_LARGEST_STEP = 103


def steps_of_sums(weights: WeightCodes, x: Codes) -> Integers | None:
    """The exponents of the sums of products of bytes, of all or by channel, which is axis 0.

    ``None`` where they may pass 2**24, beyond which float32 does not hold all of them, or where it
    does not have their steps.
    """
    exps = weights.exps + x.exp
    largest = np.abs(reach(own_steps(weights)[0], x)).max(initial=0)
    in_range = np.all((exps >= _SMALLEST_EXP) & (exps <= _LARGEST_EXP))
    return exps if weights.bits <= _BYTE and largest <= LARGEST_CODE and in_range else None


def are_exact(weight: F32, x: Value) -> bool:
    """Whether float32 holds all partial sums of products of *x* with a *weight*, channels first.

    Then every order of summation returns the same (EXACTNESS.md, theorem 1).
    """
    grid = _grid(x)
    # Encoded last, which takes longer than all else here.
    found = None if grid is None else encode(weight, 0)
    if grid is None or found is None:
        return False
    codes, exps = own_steps(found)
    largest = int(np.abs(codes).reshape(len(codes), -1).sum(axis=1).max(initial=0))
    in_range = np.all((exps + grid.exp >= _SMALLEST_EXP) & (exps + grid.exp <= _LARGEST_STEP))
    return bool(in_range) and largest * max(-grid.lo, grid.hi) <= LARGEST_CODE


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
