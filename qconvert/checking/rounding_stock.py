"""Radii of the ops of stock Keras layers; `rounding` holds the others, and what they mean."""

import math
from typing import assert_never

import numpy as np

from qconvert.checking.radius import FUNCTION_ULPS, TINY, UNIT, Radius, between, gamma, moved, step
from qconvert.ir import F32
from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    StepMask,
    StockOp,
    UnfoldTime,
    UnitNormalize,
    Where,
    WithConstant,
)
from qconvert.reference import apply


def stock_radius(op: StockOp, xs: list[F32], y: F32, rs: list[Radius | None]) -> Radius | None:
    """How far other programs may be from *y*; ``None`` is not at all."""
    x, r = xs[0], rs[0]
    match op:
        case WithConstant():
            return None if r is None else _with_constant(op, x, y, r)
        case Divide():
            return _divide(xs, y, rs)
        case PRelu(slope=slope):
            return None if r is None else np.maximum(1, abs(slope)) * (r + 2 * UNIT * (abs(x) + r))
        case Power(exponent=exponent):
            return _power(exponent, x, y, r)
        case MatMul():
            return _product(xs, rs)
        case Resize(kind="bilinear"):
            return None if r is None else _interpolated(op, x, r)
        case LayerNormalization():
            return _layer_normalization(op, x, r)
        case UnitNormalize():
            return _unit_normalize(op, x, y, r)
        case Resize() | Embedding() | FoldTime() | UnfoldTime():
            return between(op, xs, y, rs)
        case StepMask(value=value):
            return None if r is None else _step_mask(value, x, r)
        case Where():
            return _where(xs, y, rs)
        case _:
            assert_never(op)


def _step_mask(value: float, x: F32, r: Radius) -> Radius:
    """0 where some number is surely another one, or all are surely this one; else 1."""
    distance = abs(x.astype(np.float64) - np.float32(value))
    other = np.any(~(distance <= r), axis=-1, keepdims=True)
    same = np.all((distance == 0) & (r == 0), axis=-1, keepdims=True)
    return np.where(other | same, 0.0, 1.0)


def _where(xs: list[F32], y: F32, rs: list[Radius | None]) -> Radius | None:
    """That of what is chosen; where the choice is not sure, what is not chosen is as near."""
    if all(r is None for r in rs):
        return None
    condition, *chosen = xs
    radii = [np.zeros(1) if r is None else r for r in rs]
    chosen += [np.zeros_like(y)] * (2 - len(chosen))
    radii += [np.zeros(1)] * (3 - len(radii))
    sure = np.where(condition != 0, radii[0] < abs(condition), radii[0] == 0)
    reach = [abs(y.astype(np.float64) - x) + r for x, r in zip(chosen, radii[1:], strict=True)]
    return np.where(sure, np.where(condition != 0, radii[1], radii[2]), np.maximum(*reach))


def _with_constant(op: WithConstant, x: F32, y: F32, r: Radius) -> Radius:
    """One operation that every program rounds alike, on operands that are *r* apart."""
    size = abs(op.constant.astype(np.float64))
    exact = abs(x.astype(np.float64))
    spread: Radius
    match op.kind:
        case "add" | "subtract":
            spread = r
        case "maximum" | "minimum":
            return r
        case "multiply":
            spread = size * r
        case "divide":
            spread = _reciprocal_spread(size, exact, r) if op.first else r / size
        case _:
            assert_never(op.kind)
    return spread + 2 * UNIT * (abs(y) + spread) + TINY


def _reciprocal_spread(size: Radius, exact: Radius, r: Radius) -> Radius:
    """Of ``size / x`` for ``x`` within *r* of *exact*; infinite if that may be 0."""
    least = exact - r
    with np.errstate(divide="ignore", invalid="ignore"):
        spread: Radius = size * r / (exact * least)
    return np.where(r == 0, 0.0, np.where(least > 0, spread, math.inf))


def _divide(xs: list[F32], y: F32, rs: list[Radius | None]) -> Radius | None:
    if all(r is None for r in rs):
        return None
    above, below = (abs(x.astype(np.float64)) for x in xs)
    first, second = (np.zeros(1) if r is None else r for r in rs)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_first = np.where(first == 0, 0.0, first / (below - second))
    spread = of_first + _reciprocal_spread(above, below, second)
    spread = np.where(below > second, spread, np.where((first == 0) & (second == 0), 0, math.inf))
    radius: Radius = spread + 2 * UNIT * (abs(y) + spread) + TINY
    return radius


def _power(exponent: float, x: F32, y: F32, r: Radius | None) -> Radius:
    """The derivative is greatest at one of the ends."""
    rounded: Radius = gamma(2 * FUNCTION_ULPS) * abs(y.astype(np.float64)) + TINY
    if r is None:
        return rounded
    size = abs(x.astype(np.float64))
    end = size + r if exponent >= 1 else np.maximum(size - r, 0)
    with np.errstate(divide="ignore"):
        steepest: Radius = abs(exponent) * end ** (exponent - 1)
    return rounded * 2 + np.where(r == 0, 0.0, steepest * r)


def _product(xs: list[F32], rs: list[Radius | None]) -> Radius:
    """Sums of products: exact if all partial sums are multiples of a step, under 2**24 of it."""
    sizes = [abs(x.astype(np.float64)) for x in xs]
    ends = [size if r is None else size + r for size, r in zip(sizes, rs, strict=True)]
    terms = xs[0].shape[-1]
    reach: Radius = np.matmul(ends[0], ends[1])
    spread: Radius = reach - np.matmul(sizes[0], sizes[1])
    rounded = gamma(terms) * reach + spread * (1 + gamma(terms))
    if any(r is not None for r in rs):
        return rounded
    steps = step(xs[0].reshape(-1)) * step(xs[1].reshape(-1))
    return np.where(reach < 2.0**24 * steps, 0.0, rounded)


def _interpolated(op: Resize, x: F32, r: Radius) -> Radius:
    """Weights are not negative and sum up to 1; six roundings on the way."""
    reach = apply(op, moved(abs(x), r, 1)).astype(np.float64)
    return apply(op, moved(np.zeros_like(x), r, 1)) + gamma(8) * reach


def _layer_normalization(op: LayerNormalization, x: F32, r: Radius | None) -> Radius:
    """``E[(x - mean)**2]`` and ``E[x**2] - mean**2`` are both correct variances.

    The second one errs by the roundings of ``E[x**2]``, however small the variance is.
    """
    exact, shift = x.astype(np.float64), np.zeros(1) if r is None else r
    terms = math.prod(x.shape[axis] for axis in op.axes)

    def mean(values: Radius) -> Radius:
        result: Radius = np.mean(values, axis=op.axes, keepdims=True)
        return result

    ends = np.broadcast_to(abs(exact) + shift, x.shape)
    centred = exact - mean(exact)
    variance = mean(centred**2)
    moved_by = np.sqrt(mean(np.broadcast_to(shift, x.shape) ** 2))
    of_variance = 4 * gamma(terms + 3) * mean(ends**2)
    of_variance = of_variance + 2 * np.sqrt(variance) * moved_by + moved_by**2
    inverse = 1 / np.sqrt(variance + op.epsilon)
    highest = 1 / np.sqrt(np.maximum(variance - of_variance, 0) + op.epsilon)
    lowest = 1 / np.sqrt(variance + of_variance + op.epsilon)
    of_inverse = np.maximum(highest - inverse, inverse - lowest)
    of_mean = gamma(terms + 2) * mean(ends)
    of_centred = of_mean + shift + mean(np.broadcast_to(shift, x.shape))
    spread = of_centred * highest + abs(centred) * of_inverse
    reach = (ends + mean(ends)) * highest
    if op.gamma is not None:
        spread, reach = spread * abs(op.gamma), reach * abs(op.gamma)
    if op.beta is not None:
        reach = reach + abs(op.beta)
    radius: Radius = spread + gamma(2 * FUNCTION_ULPS + 6) * reach
    return radius


def _unit_normalize(op: UnitNormalize, x: F32, y: F32, r: Radius | None) -> Radius:
    """Relative errors of the sum of squares, of the reciprocal root and of the last product."""
    terms = math.prod(x.shape[axis] for axis in op.axes)
    relative = gamma(terms + 2 * FUNCTION_ULPS + 4)
    rounded: Radius = relative * abs(y.astype(np.float64)) + TINY
    if r is None:
        return rounded
    exact = x.astype(np.float64)
    norm = np.sqrt(np.sum(exact**2, axis=op.axes, keepdims=True))
    shift = np.sqrt(np.sum(np.broadcast_to(r, x.shape) ** 2, axis=op.axes, keepdims=True))
    floor = math.sqrt(op.epsilon)
    least, usual = np.maximum(norm - shift, floor), np.maximum(norm, floor)
    spread = r / least + abs(exact) * shift / (least * usual)
    radius: Radius = rounded + spread * (1 + relative)
    return radius
