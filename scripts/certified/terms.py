"""Ops that are sums of products, as arrays of their terms, and what these sum up to in integers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Op
from qconvert.ir.ops import Affine, Conv, ConvTranspose, Dense, Merge, Pool, Reduce, Scale
from qconvert.ir.stock import MatMul, WithConstant
from qconvert.reference import apply

Ints: TypeAlias = npt.NDArray[np.int64]
F64: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

_F = np.float32


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """``sum(left * right, axis=-1) + bias``, then divided.

    ``left`` and ``right`` (samples or 1, outputs, terms), ``bias`` and ``divisor`` (outputs,);
    the result has ``shape`` (samples, ...).
    """

    left: F32
    right: F32
    shape: tuple[int, ...]
    bias: F32 | None = None
    divisor: F32 | None = None


def terms_of(op: Op, xs: Sequence[F32]) -> Terms | None:
    """The terms of *op*'s results for *xs*; None if it is no sum of products."""
    x = xs[0]
    match op:
        case Dense() | Conv() | ConvTranspose():
            plain = _weighted(replace(op, bias=None), x)
            bias = None if op.bias is None else np.resize(op.bias, plain.left.shape[1])
            return replace(plain, bias=bias)
        case Reduce(kind="sum"):
            return _weighted(op, x)
        case Pool(kind="mean") | Reduce(kind="mean"):
            means = _weighted(op, x)
            used = (means.right != 0).astype(_F)
            return replace(means, right=used, divisor=used[0].sum(axis=-1))
        case Merge(kind="add" | "subtract" | "average"):
            sign = -1 if op.kind == "subtract" else 1
            count = _F(len(xs)) if op.kind == "average" else None
            return _side_by_side(xs, [1, *[sign] * (len(xs) - 1)], count)
        case WithConstant(kind="add"):
            return _side_by_side((x, op.constant[np.newaxis]), (1, 1))
        case WithConstant(kind="subtract"):
            signs = (-1, 1) if op.first else (1, -1)
            return _side_by_side((x, op.constant[np.newaxis]), signs)
        case WithConstant(kind="multiply"):
            return _elementwise(x, op.constant)
        case Scale():
            return _elementwise(x, _F(op.factor))
        case Affine():
            factor = _F(1) if op.factor is None else op.factor
            return _elementwise(x, factor, op.offset)
        case MatMul():
            return _matrices(*xs)
        case _:
            return None


def matrix(op: Op, shape: tuple[int, ...]) -> F32:
    """What every element of an input of *shape* is multiplied with: (outputs, inputs).

    One element at a time meets each output at most once, so that nothing rounds.
    """
    size = int(np.prod(shape))
    return apply(op, np.eye(size, dtype=_F).reshape(size, *shape)).reshape(size, -1).T


def total(terms: Terms) -> tuple[Ints, int]:
    """The exact sums, the bias included, as integers, and the exponent of their step."""
    products = terms.left.astype(np.float64) * terms.right.astype(np.float64)
    addends = np.broadcast_to(products, (terms.shape[0], *products.shape[1:]))
    if terms.bias is not None:
        bias = np.broadcast_to(terms.bias[np.newaxis, :, np.newaxis], (*addends.shape[:2], 1))
        addends = np.concatenate([addends, bias], axis=-1)
    codes, exp = integers(addends)
    return codes.sum(axis=-1).reshape(terms.shape), exp


def integers(values: F64) -> tuple[Ints, int]:
    """*values*, each a multiple of a power of two, in the largest common step of that kind."""
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    exps = np.where(whole == 0, np.iinfo(np.int64).max, exponent - 53 + lowest)
    exp = int(exps.min()) if np.any(whole) else 0
    codes = np.ldexp(values, -exp)
    if np.abs(codes).sum(axis=-1).max(initial=0) >= 2**62:
        raise OverflowError("sums of more than 62 bits")
    return codes.astype(np.int64), exp


def rounded(codes: Ints, exp: int) -> tuple[F32, Bools]:
    """``codes * 2**exp`` rounded to float32 once, and where that changed nothing."""
    nearest = codes.astype(np.float32)
    return np.ldexp(nearest, exp), nearest.astype(np.float64).astype(np.int64) == codes


def _weighted(op: Op, x: F32) -> Terms:
    """A linear *op*, with the terms alone of which the weight is not 0 somewhere."""
    weights = matrix(op, x.shape[1:])
    count = max(1, int((weights != 0).sum(axis=1).max()))
    used = np.argsort(weights == 0, axis=1, kind="stable")[:, :count]
    right = np.take_along_axis(weights, used, axis=1)
    left = x.reshape(len(x), -1)[:, used]
    return Terms(left, right[np.newaxis], (len(x), *apply(op, x[:1]).shape[1:]))


def _side_by_side(
    xs: Sequence[F32], signs: Sequence[int], count: np.float32 | None = None
) -> Terms:
    left = np.stack(np.broadcast_arrays(*xs), axis=-1)
    shape = left.shape[:-1]
    left = left.reshape(len(left), -1, len(xs))
    divisor = None if count is None else np.full(left.shape[1], count)
    return Terms(left, np.array([[signs]], _F), shape, divisor=divisor)


def _elementwise(x: F32, factor: F32 | np.float32, offset: F32 | None = None) -> Terms:
    each = x[0].shape
    right = np.broadcast_to(factor, each).reshape(1, -1, 1)
    bias = None if offset is None else np.broadcast_to(offset, each).ravel()
    return Terms(x.reshape(len(x), -1, 1), right, x.shape, bias)


def _matrices(a: F32, b: F32) -> Terms:
    """(batch, rows, depth) and (batch, depth, columns)."""
    shape = (len(a), a.shape[1], b.shape[2])
    full = (*shape, a.shape[2])
    left = np.broadcast_to(a[:, :, np.newaxis], full)
    right = np.broadcast_to(np.swapaxes(b, 1, 2)[:, np.newaxis], full)
    flat = (len(a), -1, a.shape[2])
    return Terms(left.reshape(flat), right.reshape(flat), shape)
