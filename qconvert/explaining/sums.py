"""Sums of products, term by term and without rounding."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, product
from math import isfinite

from qconvert.explaining.exact import TINY, agreement, code, dyadic, exponent, farthest, step_of
from qconvert.explaining.operands import Operand
from qconvert.explaining.results import Agreement, Element, Index, Sum, Term, WeightElement
from qconvert.explaining.weights import Source
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Pool, Reduce


@dataclass(frozen=True, slots=True)
class Proof:
    """Why every order of additions returns the same, or why that is not known."""

    proof: str | None = None
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sum is of: numbers, what each is multiplied by, and where the numbers are."""

    x: Sequence[Element]
    indices: Sequence[Index]
    factors: Sequence[WeightElement | Element] = ()
    bias: WeightElement | None = None
    divisor: int = 1


def dense(op: Dense, kernel: Source, bias: Source | None, x: Operand, index: Index) -> Parts:
    """``x @ kernel + bias`` over the last axis."""
    unit = index[-1]
    indices = [(*index[:-1], i) for i in range(op.kernel.shape[0])]
    factors = [kernel.at((i, unit)) for i in range(op.kernel.shape[0])]
    return Parts([x.at(i) for i in indices], indices, factors, _at(bias, unit))


def conv(op: Conv, kernel: Source, bias: Source | None, x: Operand, index: Index) -> Parts:
    """A window of the input, with the zeros around it, times the kernel of one output."""
    *size, inputs, outputs = op.kernel.shape
    channel = index[-1]
    first = channel // (outputs // op.groups) * inputs
    elements, indices, factors = [], [], []
    for tap in product(*map(range, size)):
        geometry = zip(index[1:-1], op.strides, tap, op.dilations, op.padding, strict=True)
        place = [p * s + t * d - before for p, s, t, d, (before, _) in geometry]
        inside = all(0 <= i < n for i, n in zip(place, x.array.shape[1:-1], strict=True))
        for i in range(inputs):
            where = (index[0], *place, first + i)
            elements.append(x.at(where) if inside else x.padding(where))
            factors.append(kernel.at((*tap, i, channel)))
            if inside:
                indices.append(where)
    return Parts(elements, indices, factors, _at(bias, channel))


def conv_transpose(
    op: ConvTranspose, kernel: Source, bias: Source | None, x: Operand, index: Index
) -> Parts:
    """All inputs whose window meets the element, each times what meets it."""
    *size, _, inputs = op.kernel.shape
    indices, factors = [], []
    full = [p + before for p, (before, _) in zip(index[1:-1], op.cropping, strict=True)]
    for tap in product(*map(range, size)):
        rest = [q - t * d for q, t, d in zip(full, tap, op.dilations, strict=True)]
        geometry = list(zip(rest, op.strides, x.array.shape[1:-1], strict=True))
        if any(r % s or not 0 <= r // s < n for r, s, n in geometry):
            continue
        for i in range(inputs):
            indices.append((index[0], *(r // s for r, s, _ in geometry), i))
            factors.append(kernel.at((*tap, index[-1], i)))
    return Parts([x.at(i) for i in indices], indices, factors, _at(bias, index[-1]))


def matrix_product(inputs: Sequence[Operand], index: Index) -> Parts:
    """A row of the first tensor times a column of the second."""
    left, right = inputs
    count = left.array.shape[-1]
    rows = [(*index[:-1], k) for k in range(count)]
    columns = [(*index[:-2], k, index[-1]) for k in range(count)]
    return Parts([left.at(i) for i in rows], rows, [right.at(i) for i in columns])


def window_mean(op: Pool, x: Operand, index: Index) -> Parts:
    """The elements of a window without padding, divided by how many they are."""
    places = window(op, x, index)
    return Parts([x.at(i) for i in places], places, divisor=len(places))


def axes_sum(op: Reduce, x: Operand, index: Index) -> Parts:
    """The elements along some axes; of a mean divided by how many they are."""
    places = reduced(op, x, index)
    return Parts([x.at(i) for i in places], places, divisor=len(places) if op.kind == "mean" else 1)


def reduced(op: Reduce, x: Operand, index: Index) -> list[Index]:
    """The elements along the axes that an element of the result stands for."""
    left = list(index)
    if not op.keepdims:
        for axis in sorted(op.axes):
            left.insert(axis, 0)
    return list(x.along(op.axes, left))


def window(op: Pool, x: Operand, index: Index) -> list[Index]:
    """The elements that are in a window of pooling."""
    found = []
    for tap in product(*map(range, op.window)):
        geometry = zip(index[1:-1], op.strides, tap, op.padding, strict=True)
        place = [p * s + t - before for p, s, t, (before, _) in geometry]
        if all(0 <= i < n for i, n in zip(place, x.array.shape[1:-1], strict=True)):
            found.append((index[0], *place, index[-1]))
    return found


def summed(parts: Parts, x: Operand, result: float, proof: Proof) -> Sum | None:
    """The exact sum in integers; ``None`` if some number is not finite."""
    numbers = [each.number for each in parts.x]
    factors = [_number(each) for each in parts.factors]
    bias = parts.bias.effective if parts.bias else 0.0
    if not all(map(isfinite, (*numbers, *factors, bias))):
        return None
    x_exp, factor_exp = x.exp(parts.indices) or 0, step_of(factors) or 0
    of_products = x_exp + factor_exp
    exp = min(of_products, exponent(bias)) if bias else of_products
    codes = [code(factor, factor_exp) for factor in factors] or [1] * len(numbers)
    pairs = zip(numbers, codes, strict=True)
    products = [code(n, x_exp) * w << of_products - exp for n, w in pairs]
    exact = dyadic(sum(products) + code(bias, exp), exp) / parts.divisor
    agreed = agreement(exact, result)
    others: Sequence[WeightElement | Element | None] = parts.factors or [None] * len(numbers)
    terms = zip(parts.x, others, products, accumulate(products), strict=True)
    return Sum(
        tuple(Term(*term) for term in terms),
        x_exp,
        factor_exp,
        exp,
        parts.bias,
        parts.divisor,
        exact,
        agreed,
        proof.proof,
        proof.doubt,
        _bound(parts, [*products, code(bias, exp)], exp) if agreed is Agreement.DIFFERENT else None,
    )


def _bound(parts: Parts, addends: Sequence[int], exp: int) -> Fraction | None:
    """Each part is a product, then in at most all other additions; a mean is divided.

    Some programs multiply by the divisor's reciprocal instead, which is rounded, too.
    """
    magnitude = dyadic(sum(map(abs, addends)), exp) / parts.divisor
    roundings = len(addends) + (2 if parts.divisor > 1 else 0)
    return farthest(magnitude, roundings, 2 * roundings * TINY)


def _at(bias: Source | None, channel: int) -> WeightElement | None:
    return None if bias is None else bias.at((channel,))


def _number(factor: WeightElement | Element) -> float:
    return factor.effective if isinstance(factor, WeightElement) else factor.number
