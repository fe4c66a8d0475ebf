"""How far correct float32 programs of an opaque layer may lie apart, from its ONNX form.

The fragment is evaluated in float64, operator by operator, and beside every value goes a radius
by running error analysis, as in `rounding`: first what the radii of the inputs grow to, then the
roundings of the operator itself, twice, because two programs may err in opposite directions. An
operator without a rule, or a decision that rounding could turn, explains nothing at all.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from qconvert.ir import F32
from qconvert.ir.ops import Opaque

Radius: TypeAlias = npt.NDArray[np.float64]
_Array: TypeAlias = npt.NDArray[Any]
#: An operator on other inputs, with the same attributes.
_Run: TypeAlias = Callable[..., list[_Array]]
#: From the operator, its inputs, their radii and its result to the result's radius.
_Rule: TypeAlias = Callable[[_Run, Sequence[_Array], Sequence[Radius], _Array], Radius]

_UNIT: Final = 2.0**-24
#: As in `rounding`, of which this is a part.
_FUNCTION_ULPS: Final = 8
_TINY: Final = 2.0**-126
_TINY_SOFTMAX: Final = 2 * _TINY


class _NoRule(Exception):  # noqa: N818 - an answer, not a failure
    """Nothing is known of a result."""


def evaluate_fragment(
    op: Opaque, xs: Sequence[F32], rs: Sequence[Radius | None]
) -> tuple[F32, Radius]:
    """The fragment's result, and how far other programs may be from it: infinitely, if unknown."""
    model = onnx.load_model_from_string(op.fragment)
    names = [value.name for value in model.graph.input]
    with np.errstate(all="ignore"):
        exact = _evaluate(model, dict(zip(names, xs, strict=True)))
        result: F32 = exact.astype(np.float32)
        given = [np.zeros(x.shape) if r is None else r for x, r in zip(xs, rs, strict=True)]
        try:
            radius = _radii(model, dict(zip(names, xs, strict=True)), names, given)
        except _NoRule:
            return result, np.full(result.shape, math.inf)
        return result, radius + 2 * _UNIT * abs(exact) + _TINY


def _evaluate(model: onnx.ModelProto, inputs: Mapping[str, F32]) -> _Array:
    values = _initial(model, inputs)
    for node in model.graph.node:
        results = _runner(node)(*(values[name] for name in node.input))
        values |= dict(zip(node.output, results, strict=True))
    return values[model.graph.output[0].name]


def _radii(
    model: onnx.ModelProto,
    inputs: Mapping[str, F32],
    names: Sequence[str],
    given: Sequence[Radius],
) -> Radius:
    values = _initial(model, inputs)
    radii: dict[str, Radius] = dict(zip(names, given, strict=True))
    for node in model.graph.node:
        run = _runner(node)
        xs = [values[name] for name in node.input]
        rs = [radii.get(name, np.zeros(x.shape)) for name, x in zip(node.input, xs, strict=True)]
        results = run(*xs)
        values |= dict(zip(node.output, results, strict=True))
        found = _radius(node.op_type, run, xs, rs, results)
        radii |= dict(zip(node.output, found, strict=True))
    return radii[model.graph.output[0].name]


def _initial(model: onnx.ModelProto, inputs: Mapping[str, F32]) -> dict[str, _Array]:
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    known: dict[str, _Array] = {**stored, **inputs}
    return {"": np.zeros(0)} | {name: _wide(x) for name, x in known.items()}


def _wide(x: object) -> _Array:
    array = np.asarray(x)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _runner(node: onnx.NodeProto) -> _Run:
    def run(*xs: _Array) -> list[_Array]:
        fed = {name: x for name, x in zip(node.input, xs, strict=True) if name}
        return [_wide(y) for y in ReferenceEvaluator(node).run(None, fed)]

    return run


def _radius(
    kind: str,
    run: _Run,
    xs: Sequence[_Array],
    rs: Sequence[Radius],
    ys: Sequence[_Array],
) -> list[Radius]:
    floats = [x.dtype.kind == "f" for x in xs]
    if kind in _MOVEMENTS:
        moved = run(*(r if f else x for x, r, f in zip(xs, rs, floats, strict=True)))
        return [abs(_wide(r)) if r.dtype.kind == "f" else np.zeros(r.shape) for r in moved]
    if kind in _DECISIONS:
        _require_clear(xs, rs)
        return [np.zeros(y.shape) for y in ys]
    if all(y.dtype.kind != "f" for y in ys):
        # Of integers; or a float becomes one, which has to be the same for every program.
        if any(r.any() for r in rs):
            raise _NoRule
        return [np.zeros(y.shape) for y in ys]
    if kind == "Cast" or (kind in _EXACT and not any(r.any() for r in rs)):
        return [rs[0] if kind == "Cast" else np.zeros(ys[0].shape)]
    if kind not in _RULES or len(ys) != 1:
        raise _NoRule
    return [_RULES[kind](run, xs, rs, ys[0])]


def _require_clear(xs: Sequence[_Array], rs: Sequence[Radius]) -> None:
    """`_NoRule` if rounding could turn a comparison."""
    a, b = (np.asarray(x, np.float64) for x in xs)
    distance = rs[0] + rs[1]
    if np.any((distance > 0) & ~(abs(a - b) > distance)):
        raise _NoRule


def _gamma(roundings: float) -> float:
    """As `rounding` takes it: Higham's gamma_n, twice."""
    return 2 * roundings * _UNIT / (1 - roundings * _UNIT)


def _largest(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    """Of a selection: no more than the largest radius of what it selects from."""
    shape = np.broadcast_shapes(*(x.shape for x in xs if x.dtype.kind == "f" and x.size))
    spread = [np.broadcast_to(r, shape) for r in rs if r.size]
    return np.broadcast_to(np.max(spread, axis=0), y.shape)


def _same(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    """Of an elementwise function whose slope is 1 at most, computed without rounding."""
    return np.broadcast_to(rs[0], y.shape)


def _reduced(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    """Of an extreme: the largest radius of the elements that take part."""
    return run(rs[0], *xs[1:])[0] if rs[0].any() else np.zeros(y.shape)


def _added(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    spread = np.asarray(sum(rs[1:], rs[0]))
    return spread + _gamma(1) * (abs(y) + spread)


def _multiplied(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    (a, b), (ra, rb) = (abs(x) for x in xs), rs
    spread = a * rb + b * ra + ra * rb
    return spread + _gamma(1) * (abs(y) + spread)


def _divided(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    spread = (rs[0] + abs(y) * rs[1]) / (abs(xs[1]) - rs[1])
    return _where_positive(abs(xs[1]) - rs[1], spread + _gamma(1) * (abs(y) + spread))


def _reciprocal(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    one = np.ones(1)
    return _divided(run, (one, xs[0]), (np.zeros(1), rs[0]), y)


def _square_root(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    (x,), (r,) = xs, rs
    spread = np.where(r == 0, 0.0, r / (y + np.sqrt(np.maximum(x - r, 0.0))))
    bound = spread + _gamma(_FUNCTION_ULPS) * (y + spread)
    return np.where(x - r < 0, math.inf, bound)


def _where_positive(condition: _Array, radius: Radius) -> Radius:
    return np.where(condition > 0, radius, math.inf)


def _summed(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    """Of a sum or a mean over axes."""
    terms = max(1, xs[0].size // max(1, y.size))
    reach = run(abs(xs[0]) + rs[0], *xs[1:])[0]
    return run(rs[0], *xs[1:])[0] + _gamma(terms + 1) * reach


def _summed_squares(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    terms = max(1, xs[0].size // max(1, y.size))
    reach = run(abs(xs[0]) + rs[0], *xs[1:])[0]
    return reach - y + _gamma(terms + 1) * reach


def _products(terms: Callable[[_Array, _Array], int]) -> _Rule:
    """Of sums of products, and a bias; *terms* tells how many there are from both operands."""

    def rule(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
        sizes = [abs(x) for x in xs]
        reach = run(*(x + r for x, r in zip(sizes, rs, strict=True)))[0]
        return reach - run(*sizes)[0] + _gamma(terms(xs[0], xs[1]) + 1) * reach

    return rule


def _averaged(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    """Of a mean over windows, which have no more terms than a sample has elements."""
    reach = run(abs(xs[0]) + rs[0])[0]
    return run(rs[0])[0] + _gamma(math.prod(xs[0].shape[2:]) + 1) * reach


def _exponential(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    return y * np.expm1(rs[0]) + _gamma(_FUNCTION_ULPS) * y * np.exp(rs[0]) + _TINY


def _function(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    """Of a function whose slope is 1 at most and whose relative error is small."""
    return rs[0] + _gamma(2 * _FUNCTION_ULPS) * (abs(y) + rs[0]) + _TINY


def _softmax(run: _Run, xs: Sequence[_Array], rs: Sequence[Radius], y: _Array) -> Radius:
    """As in `rounding`, with the worst of all axes and elements, for the axis is not asked."""
    (x,), (r,) = xs, rs
    depth, terms = float(np.ptp(x)) if x.size else 0.0, max(x.shape)
    relative = 2 * _UNIT * depth + _gamma(4 * _FUNCTION_ULPS + terms + 1)
    relative += math.expm1(min(4 * float(r.max(initial=0)), 100.0))
    return 2 * relative * y + _TINY_SOFTMAX


#: Every result is one of the inputs, or a constant.
_MOVEMENTS: Final = frozenset(
    {
        "Concat",
        "Expand",
        "Gather",
        "Identity",
        "Pad",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    }
)
_DECISIONS: Final = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
#: No result of these is rounded, whatever their rule says of inputs that are.
_EXACT: Final = frozenset(
    {"Abs", "Clip", "ConstantOfShape", "Max", "MaxPool", "Min", "Neg", "ReduceMax", "ReduceMin"}
    | {"Relu", "Compress", "ScatterND", "ThresholdedRelu"}
)
_RULES: Final[Mapping[str, _Rule]] = {
    "Abs": _same,
    "Add": _added,
    "AveragePool": _averaged,
    "Clip": _same,
    "Conv": _products(lambda _, w: math.prod(w.shape[1:])),
    "ConvTranspose": _products(lambda _, w: w.size // w.shape[1]),
    "Div": _divided,
    "Erf": _function,
    "Exp": _exponential,
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
    "Sigmoid": _function,
    "Softmax": _softmax,
    "Sqrt": _square_root,
    "Sub": _added,
    "Tanh": _function,
}
