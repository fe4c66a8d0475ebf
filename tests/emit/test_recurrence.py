"""Loops in ONNX Runtime: in each dialect, with and without codes, of any length."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.testing import assert_array_equal

from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Node, Output, infer_shape
from qconvert.ir.ops import (
    Dense,
    Elementwise,
    Function,
    Merge,
    Op,
    Quantize,
    Recurrence,
    Slice,
)
from qconvert.ir.quantizers import Binary, QuantizedBits, QuantizedTanh
from qconvert.ir.stock import StepMask, Where, WithConstant
from qconvert.reference import evaluate
from qconvert.report.onnx_summary import of_onnx

BITS = Quantize(QuantizedBits(8, 2, alpha=1.0))
WIDE = Quantize(QuantizedBits(16, 3, alpha=1.0))


def step_of(*steps: tuple[str, Op, tuple[str, ...]], states: dict[str, str]) -> Graph:
    """A body of 4 features and states of 3, each of which becomes a value of *steps*."""
    sources = (Input("x", (None, 4)), *(Input(name, (None, 3)) for name in states))
    shapes = {source.name: source.shape for source in sources}
    nodes = []
    for name, op, read in steps:
        shapes[name] = infer_shape(op, *(shapes[each] for each in read))
        nodes.append(Node(name, op, read, shapes[name]))
    outputs = tuple(Output(name, value) for name, value in states.items())
    return Graph("step", sources, tuple(nodes), outputs, ())


def body(codes: Callable[..., F32], quantizer: Quantize) -> Graph:
    """Two states, one of which the other is made of; every sum is exact."""
    return step_of(
        ("hq", quantizer, ("h",)),
        ("new", Dense(codes(-8, 7, -3, 4, 3), codes(-8, 7, -3, 3)), ("x",)),
        ("old", Dense(codes(-8, 7, -3, 3, 3, seed=1), None), ("hq",)),
        ("sum", Merge("add"), ("new", "old")),
        ("out", Quantize(QuantizedTanh(4)), ("sum",)),
        ("carry", Merge("subtract"), ("out", "c")),
        states={"h": "out", "c": "carry"},
    )


@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("quantizer", [BITS, WIDE], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("states", [(), ("h0", "c0")], ids=["zeros", "first states"])
def test_states_after_every_step(
    make: Any,
    run: Any,
    codes: Any,
    opset: int,
    dialect: str,
    quantizer: Quantize,
    reverse: bool,
    states: tuple[str, ...],
) -> None:
    inputs = {"x": (None, 4)} | dict.fromkeys(states, (3,))
    loop = Recurrence(body(codes, quantizer), reverse)
    graph = make(inputs, [("q", BITS, ["x"]), ("loop", loop, ["q", *states])])
    for length in (1, 6):
        feeds = [codes(-300, 300, -5, 2, length, 4, seed=length)]
        feeds += [codes(-300, 300, -5, 2, 3, seed=i) for i, _ in enumerate(states)]
        named = dict(zip(inputs, feeds, strict=True))
        expected = evaluate(graph, named)["loop"]
        assert len(np.unique(expected)) > length
        ran = run(graph, *feeds, dialect=dialect, opset=opset)
        assert_array_equal(ran.plain[0], expected)


def test_the_last_step_and_shapes_that_are_known(make: Any, run: Any, codes: Any) -> None:
    last = Slice((-1, 3), (None, 6), (1, 1), squeeze=(1,))
    steps = [("loop", Recurrence(body(codes, BITS)), ["x"]), ("last", last, ["loop"])]
    graph = make({"x": (5, 4)}, steps, ("loop", "last"))
    x = codes(-30, 30, -3, 7, 5, 4)
    values = evaluate(graph, {"x": x})
    for found, name in zip(run(graph, x).plain, ("loop", "last"), strict=True):
        assert_array_equal(found, values[name])


def test_one_value_can_be_two_states_and_a_state_can_stay(make: Any, run: Any, codes: Any) -> None:
    step = step_of(
        ("sum", Merge("add"), ("a", "c")),
        ("next", WithConstant("add", codes(-8, 7, -3, 3)), ("sum",)),
        states={"a": "next", "b": "next", "c": "c"},
    )
    first = [codes(-8, 7, -3, 2, 3, seed=i) for i in range(3)]
    inputs: dict[str, tuple[int, ...]] = {"x": (4, 4), "a0": (3,), "b0": (3,), "c0": (3,)}
    graph = make(inputs, [("loop", Recurrence(step), list(inputs))])
    feeds = [codes(-8, 7, -3, 2, 4, 4), *first]
    expected = evaluate(graph, dict(zip(inputs, feeds, strict=True)))["loop"]
    assert_array_equal(run(graph, *feeds).plain[0], expected)


def test_two_loops_share_no_name(make: Any, run: Any, codes: Any) -> None:
    loop = Recurrence(body(codes, BITS))
    steps = [("one", loop, ["x"]), ("two", Recurrence(loop.body, reverse=True), ["x"])]
    graph = make({"x": (3, 4)}, [*steps, ("sum", Merge("add"), ["one", "two"])])
    x = codes(-30, 30, -3, 2, 3, 4)
    assert_array_equal(run(graph, x).plain[0], evaluate(graph, {"x": x})["sum"])
    names = [name for inner in graphs(to_onnx(graph).graph) for name in defined(inner)]
    assert len(names) == len(set(names))


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def defined(graph: onnx.GraphProto) -> list[str]:
    made = [name for node in graph.node for name in node.output]
    return [*(v.name for v in graph.input), *(t.name for t in graph.initializer), *made]


def test_the_sequence_enters_as_codes_and_weights_are_bytes(make: Any, codes: Any) -> None:
    steps = [("q", BITS, ["x"]), ("loop", Recurrence(body(codes, BITS)), ["q"])]
    model = to_onnx(make({"x": (3, 4)}, steps))
    (scan,) = (node for node in model.graph.node if node.op_type == "Scan")
    inner = next(attribute.g for attribute in scan.attribute if attribute.name == "body")
    assert inner.input[-1].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    kernels = [t for t in inner.initializer if len(t.dims) == 2]
    assert {t.data_type for t in kernels} == {onnx.TensorProto.INT8}
    summary = of_onnx(model)
    operators = dict(summary.operators)
    assert operators["Gemm"] == 2
    assert {t.name for t in inner.initializer} <= {tensor.name for tensor in summary.tensors}
    assert json.loads(model.metadata_props[0].value)["dialect"] == "qdq"


@pytest.mark.parametrize("multiplied", [False, True])
def test_few_numbers_of_a_step_are_codes_where_a_product_reads_them(
    make: Any, run: Any, codes: Any, multiplied: bool
) -> None:
    steps: list[tuple[str, Op, tuple[str, ...]]] = [
        ("signs", Quantize(Binary(alpha=1.0)), ("h",)),
        ("old", Dense(codes(-8, 7, -3, 3, 3), None), ("signs" if multiplied else "h",)),
        ("new", Dense(codes(-8, 7, -3, 4, 3), None), ("x",)),
        ("sum", Merge("add"), ("new", "old")),
        ("kept", Merge("multiply"), ("sum", "signs")),
        ("out", Quantize(QuantizedTanh(4)), ("kept",)),
    ]
    loop = Recurrence(step_of(*steps, states={"h": "out"}), reverse=False)
    graph = make({"x": (5, 4)}, [("y", loop, ["x"])])
    (scan,) = (node for node in to_onnx(graph).graph.node if node.op_type == "Scan")
    inside = [node.name for node in scan.attribute[0].g.node if node.op_type == "QuantizeLinear"]
    assert any("signs" in name for name in inside) is multiplied
    x = codes(-20, 20, -2, 3, 5, 4)
    (output,) = graph.outputs
    ran = run(graph, x)
    assert_array_equal(ran.plain[0], evaluate(graph, {"x": x})[output.value])
    assert_array_equal(ran.deployed[0], ran.plain[0])


def test_functions_of_libraries(make: Any, run: Any, codes: Any) -> None:
    """Sigmoid and tanh are the runtime's own, within a few ulp in a first step."""
    step = step_of(
        ("new", Dense(codes(-8, 7, -3, 4, 3), None), ("x",)),
        ("f", Elementwise(Function.SIGMOID), ("new",)),
        ("g", Elementwise(Function.TANH), ("f",)),
        states={"h": "g"},
    )
    graph = make({"x": (2, 4)}, [("loop", Recurrence(step), ["x"])])
    x = codes(-30, 30, -3, 2, 2, 4)
    found = run(graph, x).plain[0]
    expected = evaluate(graph, {"x": x})["loop"]
    assert np.all(abs(found - expected) <= 8 * np.spacing(expected))


@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("states", [(), ("h0",), ("h0", "c0")], ids=["none", "one", "all"])
def test_steps_that_a_mask_leaves_out(
    make: Any, run: Any, codes: Any, opset: int, reverse: bool, states: tuple[str, ...]
) -> None:
    """One sequence enters as codes; states that are given do not start at 0."""
    step = Graph(
        "step",
        (
            Input("x", (None, 4)),
            Input("mask", (None, 1)),
            Input("h", (None, 3)),
            Input("c", (None, 3)),
        ),
        (
            Node("new", Dense(codes(-8, 7, -3, 4, 3), None), ("x",), (None, 3)),
            Node("sum", Merge("add"), ("new", "h"), (None, 3)),
            Node("kept", Where(), ("mask", "sum", "h"), (None, 3)),
            Node("zero", Where(), ("mask", "sum"), (None, 3)),
            Node("total", Merge("add"), ("zero", "c"), (None, 3)),
        ),
        (Output("h", "kept"), Output("c", "total")),
        (),
    )
    inputs: dict[str, tuple[int | None, ...]] = {"x": (None, 4), **dict.fromkeys(states, (3,))}
    steps: list[tuple[str, Op, list[str]]] = [
        ("q", BITS, ["x"]),
        ("mask", StepMask(0.5), ["q"]),
        ("loop", Recurrence(step, reverse, 2), ["q", "mask", *states]),
    ]
    graph = make(inputs, steps)
    x = codes(-30, 30, -3, 4, 5, 4)
    x[1, :3] = x[2, 1:] = x[3] = 0.5
    x[3, 2, 1] = 0
    feeds = [x, *(codes(-8, 7, -3, 4, 3, seed=i) for i, _ in enumerate(states))]
    expected = evaluate(graph, dict(zip(inputs, feeds, strict=True)))
    assert 0 < expected["mask"].sum() < expected["mask"].size
    for dialect in ("qdq", "float"):
        ran = run(graph, *feeds, dialect=dialect, opset=opset)
        assert_array_equal(ran.plain[0], expected["loop"])
        assert_array_equal(ran.deployed[0], expected["loop"])
