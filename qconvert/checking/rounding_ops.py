"""How far correct float32 programs of one operation may lie apart, operation by operation.

Running error analysis after Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed.,
sections 3.1 and 3.3, over the numbers that occurred. Assumed of the programs: IEEE float32,
kernels that sum products in some order, and elementary functions within `FUNCTION_ULPS`
(TensorFlow's sigmoid differs by up to 6 ulp from itself between the body and the tail of a vector).
"""

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final, TypeAlias

import numpy as np

from qconvert.checking.fragment import evaluate_fragment
from qconvert.checking.quantizer_rounding import quantizer_radius
from qconvert.checking.radius import (
    FUNCTION_ULPS,
    SIGMOID_FLOOR,
    TINY,
    TINY_SOFTMAX,
    UNIT,
    Radius,
    between,
    gamma,
    moved,
    step,
)
from qconvert.checking.rounding_stock import stock_radius
from qconvert.ir import F32, Node, Op
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Function,
    Merge,
    Opaque,
    Pad,
    Pool,
    Quantize,
    Recurrence,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.reference import apply, first_states

Radii: TypeAlias = Mapping[str, Radius | None]

#: Where layers between two known results are not seen (the deployed file shows quantized ones
#: alone), their bounds add up; beyond this part of the largest result they tell nothing.
LEAST_INFORMATIVE: Final = 2.0**-10


def propagated(
    nodes: Sequence[Node], known: Mapping[str, F32], around: Radii, *, capped: bool = False
) -> tuple[dict[str, F32], dict[str, Radius | None]]:
    """All values and their radii from *known* values and the radii *around* them.

    *capped* is as in `evaluate_bounded`.
    """
    values, radii = dict(known), dict(around)
    for node in nodes:
        inputs = [values[name] for name in node.inputs]
        if isinstance(node.op, Opaque):
            known_radii = [radii[name] for name in node.inputs]
            values[node.name], radii[node.name] = evaluate_fragment(node.op, inputs, known_radii)
            continue
        result = apply(node.op, *inputs)
        with np.errstate(over="ignore", invalid="ignore"):
            # A radius that overflows is not finite and explains nothing.
            radius = _radius(node.op, inputs, result, [radii[name] for name in node.inputs])
        if capped and radius is not None and not isinstance(node.op, Quantize):
            # The mean of no steps at all is NaN, which must not hide the others.
            largest = np.fmax.reduce(abs(result), axis=None, initial=0)
            radius = np.minimum(radius, LEAST_INFORMATIVE * largest)
        values[node.name] = result
        radii[node.name] = radius if radius is not None and radius.any() else None
    return values, radii


def with_body(op: Op) -> Iterator[Op]:
    """The operation, and those of the loop that it may be."""
    yield op
    if isinstance(op, Recurrence):
        yield from (inner for node in op.body.nodes for inner in with_body(node.op))


def _radius(op: Op, xs: list[F32], y: F32, rs: list[Radius | None]) -> Radius | None:
    x, r = xs[0], rs[0]
    match op:
        case Dense() | Conv() | ConvTranspose():
            return _linear(op, x, r)
        case Pool(kind="mean") | Reduce(kind="mean" | "sum"):
            return _mean(op, x, r)
        case BatchNormalization():
            return _batch_normalization(op, x, r)
        case Softmax():
            return _softmax(op, x, y, r)
        case Elementwise():
            return _elementwise(op, x, y, r)
        case Merge(kind="add" | "subtract" | "multiply" | "average"):
            return _merge(op, xs, rs)
        case Scale():
            return None if r is None else abs(op.factor) * (r + 2 * UNIT * (abs(x) + r))
        case Recurrence():
            return _recurrence(op, xs, rs)
        case Affine():
            return None if r is None else _affine(op, x, r)
        case Quantize(quantizer=quantizer):
            return quantizer_radius(quantizer, x, y, r)
        case Pool() | Reduce() | Merge() | Relu() | Concat() | Reshape() | Transpose():
            return between(op, xs, y, rs)
        case Pad() | Slice() | UpSample():
            return between(op, xs, y, rs)
        case Opaque():
            raise ValueError("the radius of an opaque layer comes with its value")
        case _:
            return stock_radius(op, xs, y, rs)


def _linear(op: Dense | Conv | ConvTranspose, x: F32, r: Radius | None) -> Radius | None:
    """Sums of products: exact if all partial sums are multiples of a step, under 2**24 of it."""
    products = op.kernel.size // op.kernel.shape[_output_axis(op)]
    magnitude = replace(op, kernel=abs(op.kernel), bias=None if op.bias is None else abs(op.bias))
    reach = apply(magnitude, moved(abs(x), r, 1)).astype(np.float64)
    rounded = gamma(products + 1) * reach * (1 + gamma(products + 1))
    # Rounding is monotone: a sum that comes out below a power of two never passed it.
    exact = reach < 2.0**24 * _steps(op, x)
    if r is None:
        return np.where(exact, 0.0, rounded)
    spread = apply(replace(magnitude, bias=None), moved(np.zeros_like(x), r, 1))
    return np.where(exact & (spread == 0), 0.0, rounded + spread * (1 + gamma(products)))


def _output_axis(op: Dense | Conv | ConvTranspose) -> int:
    return -2 if isinstance(op, ConvTranspose) else -1


def _steps(op: Dense | Conv | ConvTranspose, x: F32) -> Radius:
    """Per output channel, a number of which every product and the bias are multiples."""
    kernel = np.moveaxis(op.kernel, _output_axis(op), -1).reshape(
        -1, op.kernel.shape[_output_axis(op)]
    )
    products = step(x.reshape(-1, 1)) * step(kernel)
    return products if op.bias is None else np.minimum(products, step(op.bias.reshape(1, -1)))


def _mean(op: Pool | Reduce, x: F32, r: Radius | None) -> Radius | None:
    """A sum, and for a mean one division: exact sums leave one rounding, alike for all."""
    terms = math.prod(op.window) if isinstance(op, Pool) else math.prod(x.shape[a] for a in op.axes)
    mean = apply(op, moved(abs(x), r, 1)).astype(np.float64) * (1 + gamma(terms))
    rounded = gamma(terms) * mean
    if r is None:
        return np.where(mean * terms < 2.0**24 * step(x.reshape(-1)), 0.0, rounded)
    return rounded + apply(op, moved(np.zeros_like(x), r, 1)) * (1 + gamma(terms))


def _batch_normalization(op: BatchNormalization, x: F32, r: Radius | None) -> Radius:
    """``x * inv + (beta - mean * inv)`` and ``(x - mean) * inv + beta`` are both correct programs.

    Roundings on any path: epsilon, the reciprocal root, gamma, the mean, two products, two sums.
    """
    inverse: Radius = 1 / np.sqrt(op.variance.astype(np.float64) + op.epsilon)
    if op.gamma is not None:
        inverse = inverse * abs(op.gamma)
    spread = inverse * (np.zeros(1) if r is None else r)
    reach = inverse * (abs(x) + abs(op.mean)) + spread
    if op.beta is not None:
        reach = reach + abs(op.beta)
    return gamma(2 * FUNCTION_ULPS + 6) * reach + spread


def _affine(op: Affine, x: F32, r: Radius) -> Radius:
    """A product and a sum, rounded each."""
    factor, offset = _magnitude(op.factor, 1.0), _magnitude(op.offset, 0.0)
    radius: Radius = factor * r + gamma(2) * (factor * (abs(x) + r) + offset)
    return radius


def _magnitude(array: F32 | None, absent: float) -> Radius:
    magnitude: Radius = np.full(1, absent) if array is None else abs(array.astype(np.float64))
    return magnitude


def _softmax(op: Softmax, x: F32, y: F32, r: Radius | None) -> Radius:
    """Relative errors: the argument's rounding, exp twice over, the sum and the division."""
    exact = x.astype(np.float64)
    depth = np.max(exact, axis=op.axis, keepdims=True) - exact
    relative = 2 * UNIT * depth + gamma(4 * FUNCTION_ULPS + x.shape[op.axis] + 1)
    if r is not None:
        relative = relative + np.expm1(2 * (r + np.max(r, axis=op.axis, keepdims=True)))
    of_sum = np.sum(relative * y, axis=op.axis, keepdims=True)
    radius: Radius = y * (relative + of_sum) + TINY_SOFTMAX
    return radius


#: Upper bounds of the derivatives' magnitude; exp has none.
_LIPSCHITZ: Final[Mapping[Function, float]] = {
    Function.ELU: 1.0,
    Function.GELU: 1.13,
    Function.HARD_SIGMOID: 0.2,
    Function.HARD_SIGMOID_3: 0.2,
    Function.MISH: 1.09,
    Function.SELU: 1.76,
    Function.SIGMOID: 0.25,
    Function.SOFTPLUS: 1.0,
    Function.SOFTSIGN: 1.0,
    Function.SWISH: 1.1,
    Function.TANH: 1.0,
}
#: Functions whose kernels keep the error small relative to the result, or to this number.
_FLOORS: Final = {
    Function.SIGMOID: SIGMOID_FLOOR,
    Function.TANH: 0.0,
    Function.EXPONENTIAL: 0.0,
}


def _elementwise(op: Elementwise, x: F32, y: F32, r: Radius | None) -> Radius:
    exact = abs(y.astype(np.float64))
    scale = np.maximum(exact, _FLOORS.get(op.function, np.maximum(abs(x), 1.0)))
    rounded = gamma(2 * FUNCTION_ULPS) * scale * max(1.0, abs(op.alpha)) + TINY
    if r is None:
        return rounded
    if op.function is Function.EXPONENTIAL:
        return (rounded + exact) * np.exp(r) - exact
    spread = _LIPSCHITZ[op.function] * max(1.0, abs(op.alpha)) * r
    if op.function not in _FLOORS:
        return rounded + spread
    # Where these are flat, both ends of the interval are nearer than the steepest slope says.
    ends = between(op, [x], y, [r])
    assert ends is not None
    return rounded + np.minimum(spread, ends * (1 + gamma(2 * FUNCTION_ULPS)) + 2 * rounded)


def _merge(op: Merge, xs: list[F32], rs: list[Radius | None]) -> Radius | None:
    """Every program combines from left to right, so equal operands give equal results."""
    if all(r is None for r in rs):
        return None
    sizes = [abs(x.astype(np.float64)) for x in xs]
    ends = [size if r is None else size + r for size, r in zip(sizes, rs, strict=True)]
    combine = operator.mul if op.kind == "multiply" else operator.add
    size: Radius = reduce(combine, sizes)
    end: Radius = reduce(combine, ends)
    total = end - size + gamma(len(xs)) * end
    share = len(xs) if op.kind == "average" else 1
    radius: Radius = total / share
    return radius


def _recurrence(op: Recurrence, xs: list[F32], rs: list[Radius | None]) -> Radius:
    """The body's radii step by step, around the states that the step before returned.

    They grow from step to step, as those of unseen layers do; a flipped code may do so, too.
    """
    names, at = [source.name for source in op.body.inputs], op.sequences
    sequences = [(x, None if r is None else _full(r, x)) for x, r in zip(xs[:at], rs, strict=False)]
    states = first_states(op, xs[at:], len(xs[0]))
    around = [*rs[at:], *[None] * (len(states) - len(rs[at:]))]
    smooth = not any(isinstance(inner, Quantize) for inner in with_body(op))
    after: list[Radius] = []
    for time in range(xs[0].shape[1])[:: -1 if op.reverse else 1]:
        features = [x[:, time] for x, _ in sequences]
        radii = [None if r is None else r[:, time] for _, r in sequences]
        known = dict(zip(names, [*features, *states], strict=True))
        beside = dict(zip(names, [*radii, *around], strict=True))
        values, found = propagated(op.body.nodes, known, beside, capped=smooth)
        states = [values[output.value] for output in op.body.outputs]
        around = [found[output.value] for output in op.body.outputs]
        both = zip(around, states, strict=True)
        after.append(np.concatenate([_full(r, state) for r, state in both], axis=-1))
    return np.stack(after, axis=1)


def _full(r: Radius | None, x: F32) -> Radius:
    """A radius for every element of *x*."""
    return np.broadcast_to(np.zeros(1) if r is None else r, x.shape)
