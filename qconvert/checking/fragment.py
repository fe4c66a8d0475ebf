"""How far correct float32 programs of an opaque layer may lie apart, from its ONNX form.

The fragment is evaluated in float64, operator by operator, and beside every value goes a radius
by running error analysis, as in `rounding`: first what the radii of the inputs grow to, then the
roundings of the operator itself, twice, because two programs may err in opposite directions. An
operator without a rule, or a decision that rounding could turn, explains nothing at all.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from qconvert.checking.fragment_rules import (
    RULES,
    TINY,
    UNIT,
    Array,
    Radius,
    Run,
    softmax,
)
from qconvert.ir import F32
from qconvert.ir.ops import Opaque


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
        return result, radius + 2 * UNIT * abs(exact) + TINY


def _evaluate(model: onnx.ModelProto, inputs: Mapping[str, F32]) -> Array:
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
        found = _radius(node, run, xs, rs, results)
        radii |= dict(zip(node.output, found, strict=True))
    return radii[model.graph.output[0].name]


def _initial(model: onnx.ModelProto, inputs: Mapping[str, F32]) -> dict[str, Array]:
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    known: dict[str, Array] = {**stored, **inputs}
    return {"": np.zeros(0)} | {name: _wide(x) for name, x in known.items()}


def _wide(x: object) -> Array:
    array = np.asarray(x)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _runner(node: onnx.NodeProto) -> Run:
    def run(*xs: Array) -> list[Array]:
        fed = {name: x for name, x in zip(node.input, xs, strict=True) if name}
        return [_wide(y) for y in ReferenceEvaluator(node).run(None, fed)]

    return run


def _radius(
    node: onnx.NodeProto,
    run: Run,
    xs: Sequence[Array],
    rs: Sequence[Radius],
    ys: Sequence[Array],
) -> list[Radius]:
    kind, floats = node.op_type, [x.dtype.kind == "f" for x in xs]
    if kind in _MOVEMENTS:
        moved = run(*(r if f else x for x, r, f in zip(xs, rs, floats, strict=True)))
        return [abs(_wide(r)) if r.dtype.kind == "f" else np.zeros(r.shape) for r in moved]
    if kind in _DECISIONS:
        _require_clear(xs, rs)
        return [np.zeros(y.shape) for y in ys]
    if kind in _TESTS:
        return [np.zeros(y.shape) for y in ys]
    if all(y.dtype.kind != "f" for y in ys):
        # Of integers; or a float becomes one, which has to be the same for every program.
        if any(r.any() for r in rs):
            raise _NoRule
        return [np.zeros(y.shape) for y in ys]
    if kind == "Cast" or (kind in _EXACT and not any(r.any() for r in rs)):
        return [rs[0] if kind == "Cast" else np.zeros(ys[0].shape)]
    if kind == "Softmax":
        axis = next((a.i for a in node.attribute if a.name == "axis"), -1)
        return [softmax(axis, xs[0], rs[0], ys[0])]
    if kind not in RULES or len(ys) != 1:
        raise _NoRule
    return [RULES[kind](run, xs, rs, ys[0])]


def _require_clear(xs: Sequence[Array], rs: Sequence[Radius]) -> None:
    """`_NoRule` if rounding could turn a comparison."""
    a, b = (np.asarray(x, np.float64) for x in xs)
    distance = rs[0] + rs[1]
    if np.any((distance > 0) & ~(abs(a - b) > distance)):
        raise _NoRule


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
#: Of these, rounding changes no result.
_TESTS: Final = frozenset({"IsInf", "IsNaN", "Shape", "Size"})
#: No result of these is rounded, whatever their rule says of inputs that are.
_EXACT: Final = frozenset(
    {"Abs", "Clip", "ConstantOfShape", "Max", "MaxPool", "Min", "Neg", "ReduceMax", "ReduceMin"}
    | {"Relu", "Compress", "ScatterND", "ThresholdedRelu"}
)
