"""How far correct float32 programs of an operator of ONNX may lie apart, by running error analysis.

First what the radii of the inputs grow to, then the roundings of the operator itself, twice,
because two programs may err in opposite directions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Radius: TypeAlias = npt.NDArray[np.float64]
Array: TypeAlias = npt.NDArray[Any]
#: An operator on other inputs, with the same attributes.
Run: TypeAlias = Callable[..., list[Array]]
#: From the operator, its inputs, their radii and its result to the result's radius.
Rule: TypeAlias = Callable[[Run, Sequence[Array], Sequence[Radius], Array], Radius]

UNIT: Final = 2.0**-24
#: As in `rounding`, of which this is a part.
_FUNCTION_ULPS: Final = 8
_SIGMOID_FLOOR: Final = 0.25
TINY: Final = 2.0**-126
_TINY_SOFTMAX: Final = 2 * TINY


def _gamma(roundings: float) -> float:
    """As `rounding` takes it: Higham's gamma_n, twice."""
    return 2 * roundings * UNIT / (1 - roundings * UNIT)


def _largest(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    """Of a selection: no more than the largest radius of what it selects from."""
    shape = np.broadcast_shapes(*(x.shape for x in xs if x.dtype.kind == "f" and x.size))
    spread = [np.broadcast_to(r, shape) for r in rs if r.size]
    return np.broadcast_to(np.max(spread, axis=0), y.shape)


def _same(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    """Of an elementwise function whose slope is 1 at most, computed without rounding."""
    return np.broadcast_to(rs[0], y.shape)


def _reduced(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    """Of an extreme: the largest radius of the elements that take part."""
    return run(rs[0], *xs[1:])[0] if rs[0].any() else np.zeros(y.shape)


def _added(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    spread = np.asarray(sum(rs[1:], rs[0]))
    return spread + _gamma(1) * (abs(y) + spread)


def _multiplied(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    (a, b), (ra, rb) = (abs(x) for x in xs), rs
    spread = a * rb + b * ra + ra * rb
    return spread + _gamma(1) * (abs(y) + spread)


def _divided(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    spread = (rs[0] + abs(y) * rs[1]) / (abs(xs[1]) - rs[1])
    return _where_positive(abs(xs[1]) - rs[1], spread + _gamma(1) * (abs(y) + spread))


def _reciprocal(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    one = np.ones(1)
    return _divided(run, (one, xs[0]), (np.zeros(1), rs[0]), y)


def _square_root(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    (x,), (r,) = xs, rs
    spread = np.where(r == 0, 0.0, r / (y + np.sqrt(np.maximum(x - r, 0.0))))
    bound = spread + _gamma(_FUNCTION_ULPS) * (y + spread)
    return np.where(x - r < 0, math.inf, bound)


def _where_positive(condition: Array, radius: Radius) -> Radius:
    return np.where(condition > 0, radius, math.inf)


def _summed(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    """Of a sum or a mean over axes."""
    terms = max(1, xs[0].size // max(1, y.size))
    reach = run(abs(xs[0]) + rs[0], *xs[1:])[0]
    return run(rs[0], *xs[1:])[0] + _gamma(terms + 1) * reach


def _summed_squares(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    terms = max(1, xs[0].size // max(1, y.size))
    reach = run(abs(xs[0]) + rs[0], *xs[1:])[0]
    return reach - y + _gamma(terms + 1) * reach


def _products(terms: Callable[[Array, Array], int]) -> Rule:
    """Of sums of products, and a bias; *terms* tells how many there are from both operands."""

    def rule(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
        sizes = [abs(x) for x in xs]
        reach = run(*(x + r for x, r in zip(sizes, rs, strict=True)))[0]
        return reach - run(*sizes)[0] + _gamma(terms(xs[0], xs[1]) + 1) * reach

    return rule


def _contracted(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    """Of two tensors: the product of their sizes holds each contracted axis twice, others once.

    Axes of a batch come twice as well, and once in the result.
    """
    terms = math.isqrt(math.prod(x.size for x in xs) // max(1, y.size)) + 1
    return _products(lambda *_: terms)(run, xs, rs, y)


def _averaged(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    """Of a mean over windows, which have no more terms than a sample has elements."""
    reach = run(abs(xs[0]) + rs[0])[0]
    return run(rs[0])[0] + _gamma(math.prod(xs[0].shape[2:]) + 1) * reach


def _exponential(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    return y * np.expm1(rs[0]) + _gamma(_FUNCTION_ULPS) * y * np.exp(rs[0]) + TINY


def _function(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    """Of a function whose slope is 1 at most and whose relative error is small."""
    return rs[0] + _gamma(2 * _FUNCTION_ULPS) * (abs(y) + rs[0]) + TINY


def _sigmoid(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    """Relative to no less than `_SIGMOID_FLOOR`."""
    return rs[0] + _gamma(2 * _FUNCTION_ULPS) * (np.maximum(y, _SIGMOID_FLOOR) + rs[0])


def _logarithm(run: Run, xs: Sequence[Array], rs: Sequence[Radius], y: Array) -> Radius:
    (x,), (r,) = xs, rs
    bound = r / (x - r) + _gamma(2 * _FUNCTION_ULPS) * np.maximum(abs(y), 1.0)
    return _where_positive(x - r, bound)


def softmax(axis: int, x: Array, r: Radius, y: Array) -> Radius:
    """Each power may be greater by ``more`` parts of the sum, and the sum by ``total``."""
    below = x - np.max(x, axis=axis, keepdims=True)
    shift = r - 2 * UNIT * below + _gamma(4 * _FUNCTION_ULPS + x.shape[axis] + 1)
    # A number of -1e9, as masks have it, stays far from 0 whatever its radius.
    more = np.exp(below + shift) / np.sum(np.exp(below), axis=axis, keepdims=True) - y
    total = np.sum(more, axis=axis, keepdims=True)
    return _where_positive(1 - total, (more + y * total) / (1 - total)) + _TINY_SOFTMAX


RULES: Final[Mapping[str, Rule]] = {
    "Abs": _same,
    "Add": _added,
    "AveragePool": _averaged,
    "Clip": _same,
    "Conv": _products(lambda _, w: math.prod(w.shape[1:])),
    "ConvTranspose": _products(lambda _, w: w.size // w.shape[1]),
    "Div": _divided,
    "Einsum": _contracted,
    "Erf": _function,
    "Exp": _exponential,
    "Gemm": _products(lambda x, _: max(x.shape)),
    "Log": _logarithm,
    "MatMul": _products(lambda x, _: x.shape[-1]),
    "Max": _largest,
    "MaxPool": _reduced,
    "Min": _largest,
    "Mul": _multiplied,
    "Neg": _same,
    "Reciprocal": _reciprocal,
    "ReduceMax": _reduced,
    "ReduceMean": _summed,
    "ReduceMin": _reduced,
    "ReduceSum": _summed,
    "ReduceSumSquare": _summed_squares,
    "Relu": _same,
    "Sigmoid": _sigmoid,
    "Sqrt": _square_root,
    "Sub": _added,
    "Tanh": _function,
}
