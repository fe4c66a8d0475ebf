"""Sums of products that are exact in every order: theorem 1.

Let all inputs, weights and the bias of an output channel be multiples of steps that are powers of
two. Every intermediate result of every program that computes products of pairs, sums of disjoint
parts and fused multiply-adds of those is a multiple of the product of both steps, between ``-N``
and ``P`` of them: the sums of the negative and of the positive extremes of the terms, 0 included.
Where neither passes 2**24, float32 holds all of them, and each operation returns it.

Odd common divisors of the codes do not help: 3 * k is a float32 no sooner than its own bits fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from qconvert.exactness.certificate import BIAS_LAST, Argument, Certificate, Doubt
from qconvert.exactness.reach import (
    LARGEST_EXACT,
    Ints,
    Reach,
    TooWideError,
    exact_sums,
    hull,
    of_array,
    on_common_step,
    product_fits,
    shifted,
    with_zero,
)
from qconvert.ir import F32
from qconvert.ir.ops import Conv, ConvTranspose, Dense

#: Weights of which sums are computed at once: integers of these take ten times their memory.
_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Of the products alone: interval, largest partial sums in both directions, step."""

    lo: Ints
    hi: Ints
    positive: Ints
    negative: Ints
    exp: Ints


def linear(op: Dense | Conv | ConvTranspose, x: Reach) -> tuple[Reach | None, Certificate | Doubt]:
    """The layer's results, and whether they are exact in every order."""
    return _with_bias(sums(op, x), op.bias)


def sums(op: Dense | Conv | ConvTranspose, x: Reach) -> Sums:
    """Sums over the last axis or over windows; one interval a channel for all positions of these.

    Padding adds zeros; in a transposed convolution at most all products meet in an output.
    """
    match op:
        case Dense():
            return _products(x, op.kernel)
        case Conv():
            padded = any(before or after for before, after in op.padding)
            return _grouped(op.kernel, x, op.groups, padded=padded)
        case ConvTranspose():
            return _grouped(np.moveaxis(op.kernel, -1, -2), x, 1, padded=True)


def _grouped(kernel: F32, x: Reach, groups: int, *, padded: bool) -> Sums:
    """Kernel (*window, inputs / groups, outputs)."""
    spatial = tuple(range(1, x.lo.ndim - 1))
    channels = kernel.shape[-2] * groups
    uniform = hull(x, spatial)
    uniform = with_zero(uniform) if padded else uniform
    shape = (*uniform.lo.shape[:-1], channels)
    every = Reach(*(np.broadcast_to(a, shape) for a in (uniform.lo, uniform.hi, uniform.exp)))
    width = kernel.shape[-2]
    parts = [
        _products(
            Reach(*(a[..., g * width : (g + 1) * width] for a in (every.lo, every.hi, every.exp))),
            columns,
        )
        for g, columns in enumerate(np.split(kernel, groups, axis=-1))
    ]
    return _side_by_side(parts)


def _side_by_side(parts: Sequence[Sums]) -> Sums:
    """Those of several ranges of channels as those of all."""
    fields = ("lo", "hi", "positive", "negative", "exp")
    return Sums(*(np.concatenate([getattr(p, f) for p in parts], axis=-1) for f in fields))


def _products(x: Reach, kernel: F32) -> Sums:
    """Of inputs along the last axis of *x* with a kernel (*window, inputs, outputs)."""
    inputs, outputs = kernel.shape[-2:]
    shape = (*x.lo.shape[:-1], inputs)
    x = on_common_step(Reach(*(np.broadcast_to(a, shape) for a in (x.lo, x.hi, x.exp))), (-1,))
    count = max(1, min(outputs, kernel.size // _AT_ONCE))
    return _side_by_side([_columns(x, part) for part in np.array_split(kernel, count, axis=-1)])


def _columns(x: Reach, kernel: F32) -> Sums:
    """Of some outputs, which do not depend on the others; the inputs have one step."""
    inputs, outputs = kernel.shape[-2:]
    q = on_common_step(of_array(kernel.reshape(-1, outputs)), (0,))
    codes = q.lo.reshape(-1, inputs, outputs)
    product_fits(x.magnitude, q.magnitude, len(codes) * inputs)
    up, down = np.maximum(codes, 0).sum(axis=0), np.maximum(-codes, 0).sum(axis=0)
    above, below = np.maximum(x.hi, 0), np.maximum(-x.lo, 0)
    return Sums(
        lo=x.lo @ up - x.hi @ down,
        hi=x.hi @ up - x.lo @ down,
        positive=above @ up + below @ down,
        negative=below @ up + above @ down,
        exp=x.exp[..., :1] + q.exp.reshape(-1, outputs)[:1].reshape(outputs),
    )


def with_bias(sums: Sums, bias: F32) -> Sums | None:
    """The sums with the bias, in steps that divide both; ``None`` if these are too many."""
    try:
        return _plus(sums, of_array(bias))
    except TooWideError:
        return None


def _with_bias(sums: Sums, bias: F32 | None) -> tuple[Reach | None, Certificate | Doubt]:
    products = np.maximum(sums.positive, sums.negative)
    if not np.all(exact_sums(products, sums.exp)):
        return None, Doubt(_excess(products, sums.exp))
    if bias is None:
        return Reach(sums.lo, sums.hi, sums.exp), _certificate(products, sums.exp)
    whole = with_bias(sums, bias)
    if whole is not None:
        largest = np.maximum(whole.positive, whole.negative)
        if np.all(exact_sums(largest, whole.exp)):
            return Reach(whole.lo, whole.hi, whole.exp), _certificate(largest, whole.exp)
    # The products are exact, and the bias rounds once.
    return None, replace(_certificate(products, sums.exp), assumptions=(BIAS_LAST,))


def _plus(sums: Sums, bias: Reach) -> Sums:
    """The sums with the bias, in steps that divide it too."""
    zero = bias.lo == 0
    exp = np.where(zero, sums.exp, np.minimum(sums.exp, bias.exp))
    finer = sums.exp - exp
    codes = shifted(bias.lo, np.where(zero, 0, bias.exp - exp))
    return Sums(
        shifted(sums.lo, finer) + codes,
        shifted(sums.hi, finer) + codes,
        shifted(sums.positive, finer) + np.maximum(codes, 0),
        shifted(sums.negative, finer) + np.maximum(-codes, 0),
        exp,
    )


def _certificate(largest: Ints, exp: Ints) -> Certificate:
    worst = np.unravel_index(int(np.argmax(largest)), largest.shape)
    step = np.broadcast_to(exp, largest.shape)[worst]
    return Certificate(Argument.EXACT, int(largest[worst]), int(step))


def _excess(largest: Ints, exp: Ints) -> str:
    most = int(largest.max(initial=0))
    if most > LARGEST_EXACT:
        return f"partial sums of up to {most} steps, {most.bit_length()} bits of 24"
    return f"steps of 2**{int(exp.min(initial=0))}, where float32 has denormal numbers"
