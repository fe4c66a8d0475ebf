from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import qconvert
from qconvert.differing.models import model_changes
from qconvert.differing.results import Change, Kind
from qconvert.ir import Graph, Input, Layer, Node, Op, Output, Weight
from qconvert.ir.ops import Conv, Dense, Quantize, Recurrence
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.ir.stock import WithConstant

DATA = Path(__file__).parents[1] / "data"
Edit = Callable[[Graph], Graph]


@pytest.fixture(scope="module")
def model() -> Graph:
    return qconvert.load(DATA / "jet_mlp.h5")


def changes(first: Graph, second: Graph) -> list[Change]:
    return list(model_changes(first, second))


def told(found: Iterable[Change]) -> list[tuple[str, Kind, str]]:
    return [(change.layer, change.kind, change.what) for change in found]


def with_node(graph: Graph, name: str, op: Op) -> Graph:
    nodes = (replace(node, op=op) if node.name == name else node for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def with_layer(graph: Graph, name: str, **fields: object) -> Graph:
    layers = (replace(x, **fields) if x.name == name else x for x in graph.layers)  # type: ignore[arg-type]
    return replace(graph, layers=tuple(layers))


def renamed(graph: Graph, names: dict[str, str]) -> Graph:
    """With other names of layers, and so of their values."""

    def new(name: str) -> str:
        head, colon, tail = name.partition(":")
        return names.get(head, head) + colon + tail

    return Graph(
        graph.name,
        graph.inputs,
        tuple(Node(new(n.name), n.op, tuple(map(new, n.inputs)), n.shape) for n in graph.nodes),
        tuple(replace(output, value=new(output.value)) for output in graph.outputs),
        tuple(replace(x, name=new(x.name), value=new(x.value)) for x in graph.layers),
    )


def with_weight(graph: Graph, layer: str, role: str, *, raw: float, effective: float) -> Graph:
    (old,) = (x.weights for x in graph.layers if x.name == layer)
    weight = old[role]
    arrays = weight.raw.copy(), weight.effective.copy()
    arrays[0].flat[5] += raw
    arrays[1].flat[5] += effective
    return with_layer(graph, layer, weights={**old, role: Weight(*arrays, weight.quantizer)})


def test_a_model_that_was_read_twice_is_the_same(model: Graph) -> None:
    assert changes(model, qconvert.load(DATA / "jet_mlp.h5")) == []


def test_neither_the_model_s_name_nor_the_order_of_its_branches_counts(model: Graph) -> None:
    layers = tuple(reversed(model.layers))
    assert changes(model, replace(model, name="other", layers=layers)) == []


def test_a_weight_is_told_in_steps_with_its_first_number(model: Graph) -> None:
    other = with_weight(model, "fc1", "kernel", raw=0.07, effective=2 / 32)
    effective, raw = changes(model, other)
    assert told([effective, raw]) == [
        ("fc1", Kind.CHANGED, "kernel"),
        ("fc1", Kind.CHANGED, "kernel in the file"),
    ]
    assert effective.numbers and raw.numbers
    assert (effective.numbers.elements, effective.numbers.differing) == (1024, 1)
    assert (effective.numbers.steps, effective.numbers.first) == (2, (0, 5))
    assert effective.numbers.after - effective.numbers.before == 2 / 32
    assert raw.numbers.steps is None


def test_a_stored_number_that_changes_no_code_is_told_as_such(model: Graph) -> None:
    other = with_weight(model, "fc1", "kernel", raw=1e-4, effective=0)
    assert told(changes(model, other)) == [("fc1", Kind.CHANGED, "kernel in the file")]


def test_a_quantizer_is_told_with_both_forms(model: Graph) -> None:
    (change,) = changes(model, with_node(model, "relu1", Quantize(QuantizedRelu(5))))
    assert (change.layer, change.what) == ("relu1", "quantizer")
    assert (change.before, change.after) == ("QuantizedRelu(bits=6)", "QuantizedRelu(bits=5)")


def test_another_quantizer_of_a_weight_is_told(model: Graph) -> None:
    (old,) = (x.weights for x in model.layers if x.name == "fc1")
    weights = {**old, "bias": replace(old["bias"], quantizer=QuantizedBits(7, alpha=1.0))}
    found = changes(model, with_layer(model, "fc1", weights=weights))
    assert told(found) == [("fc1", Kind.CHANGED, "bias quantizer")]


def test_layers_with_other_names_are_found_by_their_place(model: Graph) -> None:
    """Keras counts layers of one class through a session; nothing else differs."""
    names = {layer.name: f"{layer.name}_7" for layer in model.layers}
    found = changes(model, renamed(model, names))
    assert {change.kind for change in found} == {Kind.RENAMED}
    assert [(change.before, change.after) for change in found] == list(names.items())


def test_a_layer_between_others_is_added_or_removed_and_its_reader_reads_another(
    model: Graph,
) -> None:
    nodes = tuple(
        replace(node, inputs=("fc2",)) if node.name == "fc3" else node
        for node in model.nodes
        if node.name != "relu2"
    )
    layers = tuple(layer for layer in model.layers if layer.name != "relu2")
    shorter = replace(model, nodes=nodes, layers=layers)
    expected = [("relu2", Kind.REMOVED, ""), ("fc3", Kind.CHANGED, "inputs")]
    assert told(changes(model, shorter)) == expected
    expected = [("relu2", Kind.ADDED, ""), ("fc3", Kind.CHANGED, "inputs")]
    assert told(changes(shorter, model)) == expected


def test_another_class_is_told(model: Graph) -> None:
    (change,) = changes(model, with_layer(model, "fc1", class_name="Dense"))
    assert (change.what, change.before, change.after) == ("class", "QDense", "Dense")


def test_other_ends_are_told(model: Graph) -> None:
    wider = replace(model, inputs=(Input("input_1", (None, 17)),))
    assert told(changes(model, wider)) == [("", Kind.CHANGED, "input 0")]
    elsewhere = replace(model, outputs=(Output("softmax", "output"),))
    assert told(changes(model, elsewhere)) == [("", Kind.CHANGED, "output 0 is the value")]
    more = replace(model, outputs=(*model.outputs, Output("more", "fc1")))
    assert told(changes(model, more)) == [("", Kind.ADDED, "output 1")]


def test_an_input_with_another_name_leaves_what_reads_it_alone(model: Graph) -> None:
    name = {"input_1": "pixels"}
    nodes = tuple(
        replace(node, inputs=tuple(name.get(x, x) for x in node.inputs)) for node in model.nodes
    )
    other = replace(model, inputs=(replace(model.inputs[0], name="pixels"),), nodes=nodes)
    assert told(changes(model, other)) == [("", Kind.CHANGED, "input 0")]


def alone(op: Op, *, calls: int = 1, **weights: Weight) -> Graph:
    """One layer with *op*, called so often."""
    names = ["layer", *(f"layer@{n}" for n in range(1, calls))]
    nodes = (Node(name, op, ("x",), (None, 1)) for name in names)
    layers = (Layer(name, "L", name, {} if n else weights) for n, name in enumerate(names))
    inputs, outputs = (Input("x", (None, 1)),), (Output("y", names[-1]),)
    return Graph("g", inputs, tuple(nodes), outputs, tuple(layers))


def conv(stride: int) -> Conv:
    return Conv(np.ones((1, 1, 1), np.float32), None, (stride,), (1,), ((0, 0),))


def test_options_are_told() -> None:
    (change,) = changes(alone(conv(1)), alone(conv(2)))
    assert (change.what, change.before, change.after) == ("strides", "(1,)", "(2,)")


def test_other_operations_are_told_as_a_whole() -> None:
    dense = Dense(np.ones((1, 1), np.float32), None)
    (change,) = changes(alone(conv(1)), alone(dense))
    assert (change.what, change.before, change.after) == ("operations", "Conv", "Dense")


def test_constants_that_are_no_weights_are_compared_too() -> None:
    one, two = (alone(WithConstant("add", np.array([n], np.float32))) for n in (1, 2))
    (change,) = changes(one, two)
    assert change.what == "constant" and change.numbers and change.numbers.largest == 1


def test_a_weight_of_several_calls_is_told_once() -> None:
    def shared(number: float) -> Graph:
        kernel = np.array([[number]], np.float32)
        return alone(Dense(kernel, None), calls=3, kernel=Weight(kernel, kernel, None))

    found = changes(shared(1), shared(2))
    assert [change.what for change in found] == ["kernel", "kernel in the file"]


def test_what_a_loop_computes_in_a_step_is_compared() -> None:
    def loop(bits: int) -> Graph:
        state = Node("q", Quantize(QuantizedBits(bits, alpha=1.0)), ("s",), (None, 1))
        inputs = (Input("s", (None, 1)), Input("h", (None, 1)))
        return alone(Recurrence(Graph("body", inputs, (state,), (Output("o", "q"),), ())))

    assert changes(loop(4), loop(4)) == []
    (change,) = changes(loop(4), loop(5))
    assert change.what == "quantizer"
