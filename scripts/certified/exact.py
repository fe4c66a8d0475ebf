"""What ops compute, in integers and in numbers of 53 bits that hold every result on the way.

Where one IEEE operation rounds, so does this, once; all else is exact.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from qconvert.ir import F32, Grid, Op, Quantizer, grid_of
from qconvert.ir.ops import Merge, Quantize, Relu
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedSigmoid,
    QuantizedTanh,
    Ternary,
)
from qconvert.ir.stock import Divide, PRelu, WithConstant
from qconvert.reference import apply
from scripts.certified.terms import F64, Bools, rounded, terms_of, total


def exact(op: Op, xs: Sequence[F32]) -> tuple[F32, Bools]:
    """The results of *op*, rounded once where float32 does not hold them, and where it does."""
    terms = terms_of(op, xs)
    if terms is None:
        found = _elementwise(op, xs)
        nearest = found.astype(np.float32)
        return nearest, nearest == found
    sums, held = rounded(*total(terms))
    if terms.divisor is None:
        return sums, held
    # The double precision of a quotient is more than twice float32's: rounding again is safe.
    divisor = terms.divisor.astype(np.float64).reshape(sums.shape[1:])
    quotients = (sums.astype(np.float64) / divisor).astype(np.float32)
    return quotients, held & (quotients.astype(np.float64) * divisor == sums)


def _elementwise(op: Op, xs: Sequence[F32]) -> F64:
    wide = [x.astype(np.float64) for x in xs]
    x = wide[0]
    match op:
        case Quantize(quantizer=quantizer):
            return levels(quantizer, xs[0])
        case Merge(kind="multiply"):
            return reduce(np.multiply, wide)
        case Relu(slope=slope, threshold=0.0, max_value=None) if slope:
            return np.where(x > 0, x, x * np.float32(slope))
        case PRelu(slope=slope):
            return np.where(x > 0, x, x * slope)
        case Divide():
            return x / wide[1]
        case WithConstant(kind="divide", constant=constant, first=first):
            return constant / x if first else x / constant
        case _:
            # Elements are moved or selected.
            return apply(op, *xs).astype(np.float64)


def levels(q: Quantizer, x: F32) -> F64:
    """The multiples of a power of two that *q* rounds to; of hard functions, what they return."""
    match q:
        case QuantizedBits(bits=1, keep_negative=True, alpha=alpha):
            return np.where(x < 0, -1.0, 1.0) * _factor(alpha)
        case QuantizedBits(alpha=alpha):
            return _on_grid(x, grid_of(replace(q, alpha=None))) * _factor(alpha)
        case QuantizedTanh():
            # QKeras computes it by way of its hard sigmoid, which rounds.
            return _on_grid(_hard_sigmoid(x) * np.float32(2) - np.float32(1), grid_of(q))
        case QuantizedSigmoid():
            return _on_grid(_hard_sigmoid(x), grid_of(q))
        case Binary(use_01=use_01, alpha=alpha):
            return np.where(x < 0, 0.0 if use_01 else -1.0, 1.0) * _factor(alpha)
        case Ternary(threshold=threshold, alpha=alpha):
            outside = np.abs(x) >= np.asarray(0.33 if threshold is None else threshold, np.float32)
            return np.where(outside, np.sign(x), 0) * _factor(alpha)
        case HardFunction():
            return _hard(q, x)
        case _:
            return _on_grid(x, grid_of(q))


def _hard(function: HardFunction, x: F32) -> F64:
    half = _hard_sigmoid(x).astype(np.float64)
    match function:
        case HardFunction.BINARY_SIGMOID:
            return np.rint(half)
        case HardFunction.BINARY_TANH:
            return 2 * np.rint(half) - 1
        case HardFunction.HARD_TANH:
            return 2 * half - 1
        case HardFunction.HARD_SIGMOID:
            return half
        case _:
            raise ValueError(f"{function} rounds more than once")


def _hard_sigmoid(x: F32) -> F32:
    half: F32 = x * np.float32(0.5) + np.float32(0.5)
    return np.clip(half, np.float32(0), np.float32(1))


def _on_grid(x: F32, grid: Grid | None) -> F64:
    assert grid is not None
    codes: F64 = np.clip(np.rint(np.ldexp(x.astype(np.float64), -grid.exp)), grid.lo, grid.hi)
    return np.ldexp(codes, grid.exp)


def _factor(alpha: object) -> F64:
    return np.asarray(1.0 if alpha is None else alpha, np.float64)
