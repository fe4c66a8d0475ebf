"""How far two correct float32 programs may lie apart: what all rules are made of."""

import math
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Op
from qconvert.reference import apply

Radius: TypeAlias = npt.NDArray[np.float64]
#: Relative error of one rounding.
UNIT: Final = 2.0**-24
#: Assumed accuracy of exp, tanh, sigmoid and their kin, and of a reciprocal square root.
FUNCTION_ULPS: Final = 8
#: Below the smallest normal number TensorFlow flushes to 0 and others do not.
TINY: Final = 2.0**-126
#: oneDNN's softmax has half of an exponential on the way, so that it flushes twice as much.
TINY_SOFTMAX: Final = 2 * TINY


def between(op: Op, xs: list[F32], y: F32, rs: list[Radius | None]) -> Radius | None:
    """Of a monotone op that every program computes alike: the values at both ends."""
    if all(r is None for r in rs):
        return None
    lowest = apply(op, *(moved(x, r, -1) for x, r in zip(xs, rs, strict=True)))
    highest = apply(op, *(moved(x, r, 1) for x, r in zip(xs, rs, strict=True)))
    exact = y.astype(np.float64)
    return np.maximum(abs(exact - lowest), abs(highest - exact))


def moved(x: F32, r: Radius | None, sign: int) -> F32:
    """The float32 at or beyond ``x + sign * r``; ``x`` itself where the radius is 0."""
    if r is None:
        return x
    beyond = np.nextafter((x + sign * r).astype(np.float32), np.float32(sign * math.inf))
    return np.where(r == 0, x, beyond)


def gamma(roundings: int) -> float:
    """Higham's gamma_n, twice: two programs may err in opposite directions."""
    return 2 * roundings * UNIT / (1 - roundings * UNIT)


def step(x: F32) -> Radius:
    """Per column, the largest power of two that divides every element; infinite for zeros."""
    fraction, exponent = np.frexp(x)
    mantissa = np.ldexp(fraction, 24).astype(np.int64)
    steps = np.ldexp((mantissa & -mantissa).astype(np.float64), exponent - 24)
    smallest: Radius = np.where(x == 0, math.inf, steps).min(axis=0)
    return smallest
