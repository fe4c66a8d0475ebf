"""How far correct float32 programs may lie apart on one batch: a derived bound, not a tolerance.

Beside every value of the NumPy reference goes a radius: no program that computes the same
operations in float32, in any order of summation, returns a value farther from the reference's.
It is 0 wherever arithmetic is exact or every program rounds once and alike, so a difference
there is always a fault. Running error analysis after Higham, "Accuracy and Stability of
Numerical Algorithms", 2nd ed., sections 3.1 and 3.3, over the numbers that occurred.

Assumed of the programs: IEEE float32, kernels that sum products in some order, and elementary
functions within `FUNCTION_ULPS` (TensorFlow's sigmoid differs by up to 6 ulp from itself
between the body and the tail of a vector).
"""

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Final, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Graph, Layer, Op
from qconvert.ir.ops import (
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Function,
    Merge,
    Pad,
    Pool,
    Quantize,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.reference import apply, evaluate

Radius: TypeAlias = npt.NDArray[np.float64]

#: Relative error of one rounding.
UNIT: Final = 2.0**-24
#: Assumed accuracy of exp, tanh, sigmoid and their kin, and of a reciprocal square root.
FUNCTION_ULPS: Final = 8
#: Below the smallest normal number TensorFlow flushes to 0 and others do not.
TINY: Final = 2.0**-126
#: Of a layer that rounds nothing, or always alike.
INHERITED: Final = "in what it is computed from"


@dataclass(frozen=True, slots=True, eq=False)
class Radii:
    """The radius around the reference's results, by layer and by output; ``None`` is 0."""

    layers: Mapping[str, Radius | None] = field(default_factory=dict)
    outputs: Mapping[str, Radius | None] = field(default_factory=dict)


def radii_of(graph: Graph, inputs: Mapping[str, F32]) -> Radii:
    """Evaluate *graph* on a batch, and bound how far other programs may be from the results."""
    known = value_radii(graph, evaluate(graph, inputs))
    return Radii(
        {layer.name: known[layer.value] for layer in graph.layers},
        {output.name: known[output.value] for output in graph.outputs},
    )


def value_radii(graph: Graph, values: Mapping[str, F32]) -> dict[str, Radius | None]:
    """The radius of every value of *graph* around *values*, the reference's, by name."""
    known: dict[str, Radius | None] = {value.name: None for value in graph.inputs}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        radius = _radius(node.op, inputs, values[node.name], [known[n] for n in node.inputs])
        known[node.name] = radius if radius is not None and radius.any() else None
    return known


def rounding_in(graph: Graph, layer: Layer) -> str:
    """Which operations of *layer* correct programs may round differently, in words."""
    inner = (n for n in graph.nodes if n.name == layer.name or n.name.startswith(f"{layer.name}:"))
    found = dict.fromkeys(cause for node in inner if (cause := _cause(node.op)))
    return ", ".join(found) or INHERITED


def _cause(op: Op) -> str | None:
    match op:
        case Dense() | Conv() | ConvTranspose() | Pool(kind="mean") | Reduce(kind="mean" | "sum"):
            return "sums of more than 24 bits"
        case BatchNormalization():
            return "the constants of the normalization"
        case Softmax() | Elementwise():
            return "exponentials and their kin"
        case _:
            return None


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
        case Quantize() | Pool() | Reduce() | Merge() | Relu() | Concat() | Reshape() | Transpose():
            return _between(op, xs, y, rs)
        case Pad() | Slice() | UpSample():
            return _between(op, xs, y, rs)
        case _:
            assert_never(op)


def _between(op: Op, xs: list[F32], y: F32, rs: list[Radius | None]) -> Radius | None:
    """Of a monotone op that every program computes alike: the values at both ends."""
    if all(r is None for r in rs):
        return None
    lowest = apply(op, *(_moved(x, r, -1) for x, r in zip(xs, rs, strict=True)))
    highest = apply(op, *(_moved(x, r, 1) for x, r in zip(xs, rs, strict=True)))
    exact = y.astype(np.float64)
    return np.maximum(abs(exact - lowest), abs(highest - exact))


def _moved(x: F32, r: Radius | None, sign: int) -> F32:
    """The float32 at or beyond ``x + sign * r``; ``x`` itself where the radius is 0."""
    if r is None:
        return x
    moved = np.nextafter((x + sign * r).astype(np.float32), np.float32(sign * math.inf))
    return np.where(r == 0, x, moved)


def _gamma(roundings: int) -> float:
    """Higham's gamma_n, twice: two programs may err in opposite directions."""
    return 2 * roundings * UNIT / (1 - roundings * UNIT)


def _linear(op: Dense | Conv | ConvTranspose, x: F32, r: Radius | None) -> Radius | None:
    """Sums of products: exact if all partial sums are multiples of a step, under 2**24 of it."""
    products = op.kernel.size // op.kernel.shape[_output_axis(op)]
    magnitude = replace(op, kernel=abs(op.kernel), bias=None if op.bias is None else abs(op.bias))
    reach = apply(magnitude, _moved(abs(x), r, 1)).astype(np.float64)
    rounded = _gamma(products + 1) * reach * (1 + _gamma(products + 1))
    if r is None:
        # Rounding is monotone: a sum that comes out below a power of two never passed it.
        return np.where(reach < 2.0**24 * _steps(op, x), 0.0, rounded)
    spread = apply(replace(magnitude, bias=None), _moved(np.zeros_like(x), r, 1))
    return rounded + spread * (1 + _gamma(products))


def _output_axis(op: Dense | Conv | ConvTranspose) -> int:
    return -2 if isinstance(op, ConvTranspose) else -1


def _steps(op: Dense | Conv | ConvTranspose, x: F32) -> Radius:
    """Per output channel, a number of which every product and the bias are multiples."""
    kernel = np.moveaxis(op.kernel, _output_axis(op), -1).reshape(
        -1, op.kernel.shape[_output_axis(op)]
    )
    step = _step(x.reshape(-1, 1)) * _step(kernel)
    return step if op.bias is None else np.minimum(step, _step(op.bias.reshape(1, -1)))


def _step(x: F32) -> Radius:
    """Per column, the largest power of two that divides every element; infinite for zeros."""
    fraction, exponent = np.frexp(x)
    mantissa = np.ldexp(fraction, 24).astype(np.int64)
    steps = np.ldexp((mantissa & -mantissa).astype(np.float64), exponent - 24)
    smallest: Radius = np.where(x == 0, math.inf, steps).min(axis=0)
    return smallest


def _mean(op: Pool | Reduce, x: F32, r: Radius | None) -> Radius | None:
    """A sum, and for a mean one division: exact sums leave one rounding, alike for all."""
    terms = math.prod(op.window) if isinstance(op, Pool) else math.prod(x.shape[a] for a in op.axes)
    mean = apply(op, _moved(abs(x), r, 1)).astype(np.float64) * (1 + _gamma(terms))
    rounded = _gamma(terms) * mean
    if r is None:
        return np.where(mean * terms < 2.0**24 * _step(x.reshape(-1)), 0.0, rounded)
    return rounded + apply(op, _moved(np.zeros_like(x), r, 1)) * (1 + _gamma(terms))


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
    return _gamma(2 * FUNCTION_ULPS + 6) * reach + spread


def _softmax(op: Softmax, x: F32, y: F32, r: Radius | None) -> Radius:
    """Relative errors: the argument's rounding, exp twice over, the sum and the division."""
    exact = x.astype(np.float64)
    depth = np.max(exact, axis=op.axis, keepdims=True) - exact
    relative = 2 * UNIT * depth + _gamma(4 * FUNCTION_ULPS + x.shape[op.axis] + 1)
    if r is not None:
        relative = relative + np.expm1(2 * (r + np.max(r, axis=op.axis, keepdims=True)))
    of_sum = np.sum(relative * y, axis=op.axis, keepdims=True)
    radius: Radius = y * (relative + of_sum) + TINY
    return radius


#: Upper bounds of the derivatives' magnitude; exp has none.
_LIPSCHITZ: Final[Mapping[Function, float]] = {
    Function.ELU: 1.0,
    Function.GELU: 1.13,
    Function.HARD_SIGMOID: 0.2,
    Function.MISH: 1.09,
    Function.SELU: 1.76,
    Function.SIGMOID: 0.25,
    Function.SOFTPLUS: 1.0,
    Function.SOFTSIGN: 1.0,
    Function.SWISH: 1.1,
    Function.TANH: 1.0,
}
#: Functions whose kernels keep the relative error small even where the result is tiny.
_RELATIVE: Final = (Function.SIGMOID, Function.TANH, Function.EXPONENTIAL)


def _elementwise(op: Elementwise, x: F32, y: F32, r: Radius | None) -> Radius:
    exact = abs(y.astype(np.float64))
    scale = exact if op.function in _RELATIVE else np.maximum(exact, np.maximum(abs(x), 1.0))
    rounded = _gamma(2 * FUNCTION_ULPS) * scale * max(1.0, abs(op.alpha)) + TINY
    if r is None:
        return rounded
    if op.function is Function.EXPONENTIAL:
        return (rounded + exact) * np.exp(r) - exact
    return rounded + _LIPSCHITZ[op.function] * max(1.0, abs(op.alpha)) * r


def _merge(op: Merge, xs: list[F32], rs: list[Radius | None]) -> Radius | None:
    """Every program combines from left to right, so equal operands give equal results."""
    if all(r is None for r in rs):
        return None
    sizes = [abs(x.astype(np.float64)) for x in xs]
    ends = [size if r is None else size + r for size, r in zip(sizes, rs, strict=True)]
    combine = operator.mul if op.kind == "multiply" else operator.add
    size: Radius = reduce(combine, sizes)
    end: Radius = reduce(combine, ends)
    total = end - size + _gamma(len(xs)) * end
    share = len(xs) if op.kind == "average" else 1
    radius: Radius = total / share
    return radius
