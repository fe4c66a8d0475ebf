import copy
from typing import Any

import pytest

from qconvert.errors import BadFileError, UnsupportedError
from qconvert.frontend import build_graph
from qconvert.ir import Graph

RELU = {"activation": "relu"}


def wiring(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {node.name: node.inputs for node in graph.nodes}


def test_layers_are_sorted_whatever_their_order_in_the_file(sketch: Any) -> None:
    layers = [
        sketch.entry("Add", "sum", ("b", "a")),
        sketch.entry("Activation", "b", "a", **RELU),
        sketch.entry("Activation", "a", "x", **RELU),
        sketch.source("x", 3),
    ]
    graph = build_graph(sketch.file(sketch.functional(layers, ["x"], ["sum"])))
    assert [node.name for node in graph.nodes] == ["a", "b", "sum"]
    assert wiring(graph)["sum"] == ("b", "a")


def test_inputs_and_outputs_carry_keras_names(sketch: Any) -> None:
    layers = [
        sketch.source("left", 3),
        sketch.source("right", 3),
        sketch.entry("Subtract", "difference", ("left", "right")),
        sketch.entry("Activation", "shared", "difference", "right", **RELU),
    ]
    outputs = ["difference", "shared", ["shared", 1, 0]]
    graph = build_graph(sketch.file(sketch.functional(layers, ["right", "left"], outputs)))
    assert [value.name for value in graph.inputs] == ["right", "left"]
    assert [out.name for out in graph.outputs] == ["difference", "shared", "shared_1"]
    assert [out.value for out in graph.outputs] == ["difference", "shared", "shared@1"]


def test_a_shared_layer_lists_its_weights_once(sketch: Any) -> None:
    layers = [sketch.source("x", 2), sketch.dense("d", "x", [["d", 0, 0, {}]])]
    config = sketch.functional(layers, ["x"], [["d", 1, 0]])
    graph = build_graph(sketch.file(config, {"d": [sketch.ramp(2, 2), sketch.ramp(2)]}))
    assert [(layer.name, list(layer.weights)) for layer in graph.layers] == [
        ("d", ["kernel", "bias"]),
        ("d@1", []),
    ]
    assert wiring(graph)["d@1"] == ("d",)


def nested(sketch: Any) -> Any:
    inner = sketch.functional(
        [sketch.source("in", 2), sketch.dense("conv1", "in")], ["in"], ["conv1"]
    )
    first, second = [["x", 0, 0, {}]], [["encoder", 1, 0, {}]]
    layers = [sketch.source("x", 2), sketch.nested(inner, "encoder", first, second)]
    return sketch.functional(layers, ["x"], [["encoder", 2, 0]])


def test_a_nested_model_is_inlined_and_its_first_call_is_number_1_in_the_file(sketch: Any) -> None:
    file = sketch.file(nested(sketch), {"encoder/conv1": [sketch.ramp(2, 2), sketch.ramp(2)]})
    graph = build_graph(file)
    assert wiring(graph) == {"encoder/conv1": ("x",), "encoder@1/conv1": ("encoder/conv1",)}
    assert [len(layer.weights) for layer in graph.layers] == [2, 0]
    assert graph.outputs[0].name == "encoder"


def test_identity_layers_add_no_node(sketch: Any) -> None:
    layers = [
        sketch.source("x", 3),
        sketch.entry("Dropout", "drop", "x", rate=0.5, noise_shape=None, seed=None),
    ]
    graph = build_graph(sketch.file(sketch.functional(layers, ["x"], ["drop"])))
    assert graph.nodes == ()
    assert [(layer.name, layer.value) for layer in graph.layers] == [("drop", "x")]
    assert graph.outputs[0].value == "x"


def test_a_sequential_without_an_input_layer_takes_the_shape_of_its_first_layer(
    sketch: Any,
) -> None:
    first = sketch.entry("Activation", "a", batch_input_shape=[None, 5], **RELU)
    graph = build_graph(sketch.file(sketch.sequential(first)))
    assert (graph.inputs[0].name, graph.inputs[0].shape) == ("a_input", (None, 5))


def test_a_sequential_can_be_built_by_its_input_shape(sketch: Any) -> None:
    config = sketch.sequential(sketch.entry("Activation", "a", **RELU))
    config["config"]["build_input_shape"] = [None, 4]
    assert build_graph(sketch.file(config)).inputs[0].shape == (None, 4)


def test_a_nested_model_that_its_first_call_built_takes_other_lengths(sketch: Any) -> None:
    """Of one that declares its input, the shape has to be that of every call."""
    relu = sketch.entry("Activation", "r", **RELU)
    config = {"name": "m", "layers": [relu], "build_input_shape": [None, 3]}
    inner = {"class_name": "Sequential", "name": "m", "config": config}
    layers = [sketch.source("x", 2), inner | {"inbound_nodes": [[["x", 0, 0, {}]]]}]
    assert build_graph(sketch.file(sketch.functional(layers, ["x"], ["m"]))).layers
    relu["config"]["batch_input_shape"] = [None, 3]
    with pytest.raises(BadFileError, match=r"'m/r_input': its shape is \(None, 3\)") as caught:
        build_graph(sketch.file(sketch.functional(layers, ["x"], [["m", 1, 0]])))
    assert caught.value.code == "QC315"


def sequential(sketch: Any, **changed: Any) -> Any:
    """Three layers in a chain, of which some say what they are called on."""
    layers = [
        sketch.source("x", 2),
        sketch.entry("Activation", "a", **RELU),
        sketch.entry("Activation", "b", **RELU),
    ]
    for layer in layers:
        layer["inbound_nodes"] = changed.get(layer["name"], [])
    return {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}


def test_calls_that_are_the_chain_of_a_sequential_say_nothing_new(sketch: Any) -> None:
    keras3 = {
        "args": [
            {
                "class_name": "__keras_tensor__",
                "config": {"shape": [None, 2], "dtype": "float32", "keras_history": ["a", 0, 0]},
            }
        ],
        "kwargs": {},
    }
    for b in (None, [], [[["a", 0, 0, {}]]], [keras3]):
        model = sequential(sketch, a=[[["x", 0, 0]]], b=b)
        model["config"]["output_layers"] = [["b", 0, 0]]
        assert wiring(build_graph(sketch.file(model))) == {"a": ("x",), "b": ("a",)}


@pytest.mark.parametrize(
    "changed",
    [
        {"b": [[["x", 0, 0, {}]]]},
        {"b": [[["b", 0, 0, {}]]]},
        {"b": [[["nope", 0, 0, {}]]]},
        {"b": [[["a", 0, 0, {}], ["x", 0, 0, {}]]]},
        {"b": [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]},
        {"b": [[["a", 0, 0, {"training": True}]]]},
        {"b": [[]]},
        {"b": 7},
        {"b": "a"},
        {"a": [[["b", 0, 0, {}]]]},
        {"x": [[["b", 0, 0, {}]]]},
    ],
)
def test_calls_that_contradict_the_chain_of_a_sequential_are_refused(
    sketch: Any, changed: Any
) -> None:
    """Keras 2 and 3 call each layer on the one before, whatever is said of it."""
    (name,) = changed
    with pytest.raises(BadFileError, match=f"{name!r} (is called on|has )") as caught:
        build_graph(sketch.file(sequential(sketch, **changed)))
    assert caught.value.code == ("QC311" if name == "x" else "QC314")


def test_outputs_of_a_sequential_are_its_last_layer(sketch: Any) -> None:
    model = sequential(sketch)
    model["config"]["output_layers"] = [["a", 0, 0]]
    with pytest.raises(BadFileError, match="outputs of the Sequential model 's' other than"):
        build_graph(sketch.file(model))


def test_a_model_without_any_input_shape_is_unsupported(sketch: Any) -> None:
    config = sketch.sequential(sketch.entry("Activation", "a", **RELU))
    with pytest.raises(UnsupportedError, match="which shape its input has"):
        build_graph(sketch.file(config))


def test_keras_3_references_are_read(sketch: Any) -> None:
    tensor = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 3], "dtype": "float32", "keras_history": ["x", 0, 0]},
    }
    layer = sketch.entry("Activation", "a", **RELU)
    layer["inbound_nodes"] = [{"args": [tensor], "kwargs": {}}]
    config = sketch.functional([sketch.source("x", 3), layer], ["x"], ["a"])
    config["config"]["input_layers"] = ["x", 0, 0]
    assert wiring(build_graph(sketch.file(config))) == {"a": ("x",)}


def chain(sketch: Any) -> Any:
    layers = [
        sketch.source("x", 3),
        sketch.entry("Activation", "a", "x", **RELU),
        sketch.entry("Activation", "b", "a", **RELU),
    ]
    return sketch.functional(layers, ["x"], ["b"])


@pytest.mark.parametrize(
    ("layer", "node", "message"),
    [
        ("a", [["b", 0, 0, {}]], "depend on themselves: .*a.*b"),
        ("a", [["nope", 0, 0, {}]], "'nope'"),
        ("a", [["x", 1, 0, {}]], "a call of 'x' that does not exist"),
        ("b", [["a", 0, 5, {}]], "result 5 of 'a'"),
        ("b", [["a", 0, -1, {}]], "result -1 of 'a'"),
        ("b", [["a", "0", 0, {}]], "unknown way"),
        ("b", [], "called on nothing"),
        ("b", "a", "unknown way"),
    ],
)
def test_broken_wiring_is_named(sketch: Any, layer: str, node: Any, message: str) -> None:
    config = chain(sketch)
    for entry in config["config"]["layers"]:
        if entry["name"] == layer:
            entry["inbound_nodes"] = [node]
    with pytest.raises(BadFileError, match=message):
        build_graph(sketch.file(config))


def test_two_layers_of_one_name_are_named(sketch: Any) -> None:
    config = chain(sketch)
    config["config"]["layers"].append(copy.deepcopy(config["config"]["layers"][1]))
    with pytest.raises(BadFileError, match="more than one layer is called 'a'"):
        build_graph(sketch.file(config))


def test_a_layer_with_two_names_is_refused(sketch: Any) -> None:
    config = chain(sketch)
    config["config"]["layers"][1]["config"]["name"] = "other"
    with pytest.raises(BadFileError, match="'a' is called 'other'"):
        build_graph(sketch.file(config))


def test_an_unconnected_layer_is_named(sketch: Any) -> None:
    config = chain(sketch)
    config["config"]["layers"].append(sketch.entry("Activation", "lost", **RELU))
    with pytest.raises(BadFileError, match="'lost' is not connected"):
        build_graph(sketch.file(config))


def test_a_model_without_outputs_is_refused(sketch: Any) -> None:
    config = chain(sketch)
    config["config"]["output_layers"] = []
    with pytest.raises(BadFileError, match="no outputs"):
        build_graph(sketch.file(config))


def test_weights_of_no_layer_are_refused(sketch: Any) -> None:
    with pytest.raises(BadFileError, match="unknown layers: ghost"):
        build_graph(sketch.file(chain(sketch), {"ghost": [sketch.ramp(2)]}))


def test_weights_of_a_layer_without_weights_are_refused(sketch: Any) -> None:
    with pytest.raises(BadFileError, match="'a': expected the weights none"):
        build_graph(sketch.file(chain(sketch), {"a": [sketch.ramp(2)]}))


def test_calls_in_training_mode_are_unsupported(sketch: Any) -> None:
    config = chain(sketch)
    config["config"]["layers"][2]["inbound_nodes"] = [[["a", 0, 0, {"training": True}]]]
    with pytest.raises(UnsupportedError, match="b: called with training=True"):
        build_graph(sketch.file(config))
