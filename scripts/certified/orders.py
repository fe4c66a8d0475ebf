"""The same sum of products in many orders, all of them float32."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from qconvert.ir import F32, Op
from qconvert.reference import any_order, apply, is_faster
from qconvert.reference.fma import multiply_add
from scripts.certified.terms import Terms, terms_of

#: How a sum was computed, and the results.
Evaluation: TypeAlias = tuple[str, F32]

_LANES = 4


def evaluations(
    random: np.random.Generator, op: Op, xs: Sequence[F32], *, bias_last: bool
) -> Iterator[Evaluation]:
    """Results of *op* by several programs; *bias_last* keeps the bias out of other sums."""
    yield "reference", apply(op, *xs)
    if is_faster(op):
        with np.errstate(all="ignore"):
            yield "reference, fast", any_order.conv(op, xs[0])
    terms = terms_of(op, xs)
    if terms is not None:
        with np.errstate(over="ignore"):
            for order, sums in _sums(random, terms, bias_last=bias_last):
                yield order, _finished(terms, sums, bias_last=bias_last)


def _finished(terms: Terms, sums: F32, *, bias_last: bool) -> F32:
    y = sums + terms.bias if terms.bias is not None and bias_last else sums
    y = y if terms.divisor is None else y / terms.divisor
    return y.reshape(terms.shape)


def _sums(random: np.random.Generator, terms: Terms, *, bias_last: bool) -> Iterator[Evaluation]:
    inside = None if bias_last else terms.bias
    addends = _addends(terms, inside)
    shuffled = addends[..., random.permutation(addends.shape[-1])]
    upwards = np.sort(addends, axis=-1)
    smallest = np.take_along_axis(addends, np.argsort(np.abs(addends), axis=-1), axis=-1)
    yield "in order", _sequential(addends)
    yield "in reverse", _sequential(addends[..., ::-1])
    yield "shuffled", _sequential(shuffled)
    yield "negative terms first", _sequential(upwards)
    yield "positive terms first", _sequential(upwards[..., ::-1])
    yield "smallest first", _sequential(smallest)
    yield "pairwise", _pairwise(addends)
    yield "pairwise, shuffled", _pairwise(shuffled)
    yield "in lanes", _in_lanes(addends)
    yield "fused", _fused(terms, inside, random.permutation(terms.left.shape[-1]).tolist())


def _addends(terms: Terms, bias: F32 | None) -> F32:
    """All terms (samples, outputs, terms), products rounded, the bias among them."""
    products = terms.left * terms.right
    if bias is None:
        return products
    column = np.broadcast_to(bias[:, np.newaxis], (*products.shape[:2], 1))
    return np.concatenate([products, column], axis=-1)


def _sequential(addends: F32) -> F32:
    """One after the other: what a cumulative sum is, other than a sum of NumPy's."""
    result: F32 = np.cumsum(addends, axis=-1, dtype=np.float32)[..., -1]
    return result


def _pairwise(addends: F32) -> F32:
    """Neighbours are added until one number is left."""
    while addends.shape[-1] > 1:
        even = addends.shape[-1] // 2 * 2
        pairs = addends[..., 0:even:2] + addends[..., 1:even:2]
        addends = np.concatenate([pairs, addends[..., even:]], axis=-1)
    result: F32 = addends[..., 0]
    return result


def _in_lanes(addends: F32) -> F32:
    """Sums of every fourth number, as vector units make them, then the sum of those."""
    lanes = [_sequential(addends[..., i::_LANES]) for i in range(min(_LANES, addends.shape[-1]))]
    return _pairwise(np.stack(lanes, axis=-1))


def _fused(terms: Terms, bias: F32 | None, order: Sequence[int]) -> F32:
    """Products and sums at once, from the bias on."""
    shape = np.broadcast_shapes(terms.left.shape, terms.right.shape)[:-1]
    start = np.float32(0) if bias is None else bias
    y = np.array(np.broadcast_to(start, shape), np.float32)
    for i in order:
        y = multiply_add(terms.left[..., i], terms.right[..., i], y)
    return y
