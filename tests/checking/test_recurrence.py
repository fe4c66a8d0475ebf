"""What a check knows of the body of a loop: radii, causes, quantizers, and faults in it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.checking.domain import domain_of
from qconvert.checking.radius import Radius
from qconvert.checking.rounding import evaluate_bounded, misfits, rounding_in
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, infer_shape, validate
from qconvert.ir.bits import activation_quantizer
from qconvert.ir.ops import Dense, Elementwise, Function, Merge, Quantize, Recurrence, Slice
from qconvert.ir.quantizers import QuantizedBits, QuantizedTanh
from qconvert.reference import apply
from qconvert.runners.traces import Trace

FEATURES, UNITS, STEPS = 24, 6, 8
RNG = np.random.default_rng(3)
KERNEL = RNG.standard_normal((FEATURES, UNITS), dtype=np.float32)
SQUARE = RNG.standard_normal((UNITS, UNITS), dtype=np.float32) / np.float32(4)
BITS = QuantizedBits(6, 0, alpha=1.0)


def body(kernel: F32, recurrent: F32, activation: Op, state: QuantizedBits | None = None) -> Graph:
    """``h' = activation(x @ kernel + state(h) @ recurrent)``."""
    units = kernel.shape[1]
    sources = (Input("x", (None, len(kernel))), Input("h", (None, units)))
    old: list[tuple[str, Op, tuple[str, ...]]] = [("hq", Quantize(state), ("h",))] if state else []
    steps: list[tuple[str, Op, tuple[str, ...]]] = [
        *old,
        ("new", Dense(kernel, None), ("x",)),
        ("old", Dense(recurrent, None), ("hq" if state else "h",)),
        ("sum", Merge("add"), ("new", "old")),
        ("y", activation, ("sum",)),
    ]
    nodes = tuple(Node(name, op, read, (None, units)) for name, op, read in steps)
    return Graph("step", sources, nodes, (Output("h", "y"),), ())


def looped(step: Graph, *, states: bool = False, reverse: bool = False) -> Graph:
    """A model of one layer, the last step of *step* over a sequence."""
    features, units = step.inputs[0].shape[1], step.inputs[1].shape[1]
    assert features is not None and units is not None
    sources = [Input("x", (None, STEPS, features))] + [Input("h0", (None, units))] * states
    loop, last = Recurrence(step, reverse), Slice((-1, None), (None, None), (1, 1), squeeze=(1,))
    read = tuple(source.name for source in sources)
    shape = infer_shape(loop, *(source.shape for source in sources))
    nodes = (Node("rnn:loop", loop, read, shape), Node("rnn", last, ("rnn:loop",), (None, units)))
    graph = Graph("m", tuple(sources), nodes, (Output("rnn", "rnn"),), (Layer("rnn", "R", "rnn"),))
    validate(graph)
    return graph


def bounded(graph: Graph, /, **inputs: F32) -> tuple[F32, Radius]:
    y, radius = evaluate_bounded(graph.nodes, "rnn:loop", inputs)
    return y, np.broadcast_to(radius, y.shape)


def other_order(x: F32, kernel: F32, recurrent: F32, reverse: bool) -> F32:
    """Another program: it sums from left to right."""
    h, states = np.zeros((len(x), kernel.shape[1]), np.float32), []
    for time in range(STEPS)[:: -1 if reverse else 1]:
        total = np.zeros_like(h)
        for k in range(kernel.shape[0]):
            total = total + x[:, time, k : k + 1] * kernel[k]
        h = np.tanh(total + sum(h[:, k : k + 1] * recurrent[k] for k in range(len(recurrent))))
        states.append(h)
    return np.stack(states, axis=1)


@pytest.mark.parametrize("reverse", [False, True])
def test_another_program_stays_within_radii_that_stay_small(reverse: bool) -> None:
    x = RNG.standard_normal((32, STEPS, FEATURES), dtype=np.float32)
    tanh = Elementwise(Function.TANH)
    graph = looped(body(KERNEL, SQUARE, tanh), reverse=reverse)
    y, radius = bounded(graph, x=x)
    found = other_order(x, KERNEL, SQUARE, reverse)
    assert np.any(found != y)
    assert np.all(abs(found - y.astype(np.float64)) <= radius)
    assert radius.max() < 1e-3


def quarters(x: F32) -> F32:
    whole: F32 = np.rint(x * np.float32(4))
    return whole / np.float32(4)


def grid_case() -> tuple[Graph, F32]:
    """Every sum is exact."""
    kernel, recurrent = quarters(KERNEL), quarters(SQUARE)
    step = body(kernel, recurrent, Quantize(QuantizedTanh(5)), BITS)
    x = quarters(RNG.standard_normal((16, STEPS, FEATURES), dtype=np.float32)) / np.float32(4)
    return looped(step), x


def test_exact_sums_leave_no_radius_at_any_step() -> None:
    graph, x = grid_case()
    y, radius = bounded(graph, x=x)
    assert len(np.unique(y)) > 10
    assert not radius.any()


def test_a_flipped_code_goes_into_the_steps_behind_it() -> None:
    """The first sum is a tie that another order of summation may resolve otherwise."""
    kernel = np.array([[1], [2.0**-24], [-(2.0**-24)]], np.float32)
    step = body(kernel, np.ones((1, 1), np.float32), Quantize(BITS), BITS)
    x = np.zeros((1, STEPS, 3), np.float32)
    x[:, 2] = (np.float32(2.5 / 32), 1, 1)
    _, radius = bounded(looped(step), x=x)
    assert not radius[:, :2].any()
    assert radius[0, 2, 0] >= 1 / 32 and np.all(radius[0, 3:, 0] >= 1 / 32)


@pytest.mark.parametrize("uncertain", ["x", "h0"])
def test_radii_of_the_sequence_and_of_first_states_count(uncertain: str) -> None:
    small = KERNEL / np.float32(8)
    graph = looped(body(small, SQUARE, Elementwise(Function.TANH)), states=True)
    shapes = {"x": (4, STEPS, FEATURES), "h0": (4, UNITS)}
    given = {name: RNG.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    before = Node(uncertain, Elementwise(Function.TANH), ("raw",), (None, *shapes[uncertain][1:]))
    known = {name: x for name, x in given.items() if name != uncertain} | {"raw": given[uncertain]}
    _, wide = evaluate_bounded((before, *graph.nodes), "rnn:loop", known)
    exact = {**known, uncertain: apply(before.op, given[uncertain])}
    _, narrow = evaluate_bounded(graph.nodes, "rnn:loop", exact)
    assert np.all(wide[:, 0] >= narrow[:, 0])
    assert wide[:, 0].sum() > 1.1 * narrow[:, 0].sum()


def test_the_causes_in_the_body_are_named() -> None:
    found = rounding_in(looped(body(KERNEL, SQUARE, Elementwise(Function.TANH))), LAYER)
    assert found == "sums of more than 24 bits, exponentials and their kin"


LAYER = Layer("rnn", "R", "rnn")


def test_the_quantizer_of_a_loop_of_one_state_is_that_of_its_output() -> None:
    graph, _ = grid_case()
    assert activation_quantizer(graph, LAYER) == QuantizedTanh(5)
    assert (
        activation_quantizer(looped(body(KERNEL, SQUARE, Elementwise(Function.TANH))), LAYER)
        is None
    )


def test_a_first_state_is_tried_around_the_grid_of_its_quantizer() -> None:
    graph = looped(body(KERNEL, SQUARE, Quantize(QuantizedTanh(5)), BITS), states=True)
    sequence, state = (domain_of(graph, source) for source in graph.inputs)
    assert not sequence.quantized
    assert state.quantized and state.step == 1 / 32


@pytest.mark.parametrize("fault", ["kernel", "direction", "state"])
def test_a_fault_in_a_loop_is_found(fault: str) -> None:
    graph, x = grid_case()
    loop = graph.nodes[0].op
    assert isinstance(loop, Recurrence)
    dense = loop.body.nodes[1].op
    assert isinstance(dense, Dense)
    wrong = loop
    if fault == "kernel":
        kernel = dense.kernel.copy()
        kernel[3, 2] += np.float32(0.25)
        wrong = replace(loop, body=changed(loop.body, 1, Dense(kernel, None)))
    if fault == "direction":
        wrong = replace(loop, reverse=True)
    if fault == "state":
        wrong = replace(loop, body=changed(loop.body, 0, Quantize(QuantizedBits(3, 0, alpha=1.0))))
    y, found = apply(loop, x)[:, -1], apply(wrong, x)[:, -1]
    assert np.any(found != y)
    traces = [Trace({"rnn": z}, {"rnn": z}) for z in (found, y)]
    mask = misfits(graph, {"x": x}, traces[0], traces[1]).layers["rnn"]
    assert mask is not None
    assert_array_equal(mask, found != y)


def changed(graph: Graph, position: int, op: Op) -> Graph:
    nodes = list(graph.nodes)
    nodes[position] = replace(nodes[position], op=op)
    return replace(graph, nodes=tuple(nodes))
