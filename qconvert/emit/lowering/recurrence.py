"""Loops over time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from qconvert.emit.builder import Attributes, Builder, Tensor
from qconvert.emit.dialects import DIALECTS, Dialect
from qconvert.emit.grids import image
from qconvert.emit.values import Layout, Value, from_codes, natural, relayout
from qconvert.ir import Graph, Input, Node, Op, Shape
from qconvert.ir.ops import Dense, Quantize, Recurrence

_FLOATS: Final = DIALECTS["float"]

Lower: TypeAlias = Callable[[Op, tuple[Value, ...], Shape, Builder, Dialect], Value]


def _time_first(rank: int) -> Layout:
    return (1, 0, *range(2, rank))


def scan(
    op: Recurrence, inputs: tuple[Value, ...], b: Builder, dialect: Dialect, lower: Lower
) -> Value:
    """``Scan`` over the codes of the sequences, if there are some; weights lie in its body."""
    # Time first: Scan's own default, which ONNX's evaluator takes alone.
    xs = [relayout(b, x, _time_first(x.rank)) for x in inputs[: op.sequences]]
    given = [relayout(b, value, natural(value.rank)) for value in inputs[op.sequences :]]
    sources = op.body.inputs[op.sequences :]
    first = [state.tensor for state in given]
    first += [_zeros(b, xs[0], source) for source in sources[len(given) :]]
    inner = b.subgraph(f"{b.scope}/step")
    _emit_body(op.body, inner, xs, dialect, lower)
    attributes: Attributes = {
        "body": inner.graph(f"{b.scope}/step"),
        "num_scan_inputs": len(xs),
        "scan_input_directions": [int(op.reverse)] * len(xs),
    }
    sequences = (x.tensor if x.codes is None else x.codes.tensor for x in xs)
    results = len(sources) + 1
    return Value(b.scan(*first, *sequences, results=results, attributes=attributes), _time_first(3))


def _emit_body(body: Graph, b: Builder, xs: list[Value], dialect: Dialect, lower: Lower) -> None:
    """States, then the step's features; new states, then all of them side by side."""
    values = {source.name: _state(b, source) for source in body.inputs[len(xs) :]}
    for step, x in zip(body.inputs, xs, strict=False):
        values[step.name] = _features(b, step, x)
    outer = b.scope
    for node in body.nodes:
        b.scope = f"{outer}/{node.name}"
        given = tuple(values[name] for name in node.inputs)
        written = _FLOATS if _has_no_use_of_codes(node, body) else dialect
        values[node.name] = lower(node.op, given, node.shape, b, written)
    b.scope = outer
    shapes = body.shapes
    states = [relayout(b, values[output.value], natural(2)).tensor for output in body.outputs]
    joined = b.op("Concat", *states, attributes={"axis": -1})
    for output, state in zip(body.outputs, states, strict=True):
        b.output(state, b.fresh(f"{outer}/{output.name}"), shapes[output.value])
    width = sum(shapes[output.value][-1] or 0 for output in body.outputs)
    b.output(joined, b.fresh(f"{outer}/states"), (None, width))


def _has_no_use_of_codes(node: Node, body: Graph) -> bool:
    """Whether a step computes the few numbers of a quantizer as floats, and multiplies none.

    Codes would only be dequantized again, in each step.
    """
    if not isinstance(node.op, Quantize) or image(node.op.quantizer) is None:
        return False
    return not any(isinstance(each.op, Dense) for each in body.readers[node.name])


def _state(b: Builder, source: Input) -> Value:
    return Value(b.input(b.fresh(f"{b.scope}/{source.name}"), source.shape), natural(2))


def _features(b: Builder, step: Input, x: Value) -> Value:
    name = b.fresh(f"{b.scope}/{step.name}")
    if x.codes is None:
        return Value(b.input(name, step.shape), natural(2))
    tensor = b.input(name, step.shape, x.codes.dtype)
    return from_codes(b, replace(x.codes, tensor=tensor), natural(2))


def _zeros(b: Builder, x: Value, source: Input) -> Tensor:
    """As many zeros as the batch has samples."""
    batch = b.op("Slice", b.op("Shape", x.tensor), b.integers([1], "begin"), b.integers([2], "end"))
    width = b.integers([n or 0 for n in source.shape[1:]], "width")
    shape = b.op("Concat", batch, width, attributes={"axis": 0})
    return b.op("ConstantOfShape", shape)
