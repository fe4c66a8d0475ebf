"""A file is held against an export of its model, operator by operator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from qconvert.checking.declared import read_domains
from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.redrawn import drawn_otherwise
from qconvert.checking.repair.moves import THRESHOLD, Move, write_moves
from qconvert.emit import to_onnx
from qconvert.frontend import build_graph
from qconvert.ir import Graph
from qconvert.modelfile import read_model

ROOT = Path(__file__).resolve().parents[1]
MODELS = (
    *(f"data/{name}" for name in ("jet_mlp.h5", "jet_deepsets.h5", "mnist_cnn.keras")),
    "data/pruned_cnn.h5",
    *(
        f"targets/models/{name}.h5"
        for name in ("residual", "depthwise", "groups", "series", "sums", "windows")
    ),
    "targets/models/quantizers.h5",
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"dialect": "float"},
    {"opset": 13},
    {"packed": True},
    {"packed": True, "opset": 25},
    {"vnni": True},
)
Change = Callable[[onnx.ModelProto], None]


def graph_of(file: str) -> Graph:
    return build_graph(read_model(ROOT / file))


def reread(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.load_model_from_string(model.SerializeToString())


@pytest.mark.parametrize("file", MODELS)
def test_what_export_writes_is_drawn_like_an_export(file: str) -> None:
    graph = graph_of(file)
    for options in OPTIONS:
        assert not drawn_otherwise(Conversion(graph, reread(to_onnx(graph, **options)))), options


def test_no_weight_is_decoded_for_operators_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of("targets/models/residual.h5")
    model = reread(to_onnx(graph))
    monkeypatch.setattr("qconvert.checking.deployed.onnx_graph.numpy_helper", None)
    assert not drawn_otherwise(Conversion(graph, model))


@pytest.mark.parametrize("domain", [(), ("uint8/255",), ("uint8/256",)])
def test_integers_at_the_ends_are_drawn_like_an_export(domain: tuple[str, ...]) -> None:
    graph = graph_of("data/mnist_cnn.keras" if domain else "targets/models/residual.h5")
    meanings = read_domains(graph, domain)
    model = to_onnx(graph, quantized_io=True, meanings=meanings)
    assert not drawn_otherwise(Conversion(graph, reread(model)))


def behind(model: onnx.ModelProto, reader: onnx.NodeProto, *nodes: onnx.NodeProto) -> None:
    """Have *nodes* compute what *reader* reads first: from ``old``, as ``new``."""
    old, place = reader.input[0], list(model.graph.node).index(reader)
    for node in nodes:
        node.input[:] = [old if name == "old" else name for name in node.input]
    rest = list(model.graph.node)
    rest[place].input[0] = "new"
    del model.graph.node[:]
    model.graph.node.extend([*rest[:place], *nodes, *rest[place:]])


def constant(model: onnx.ModelProto, name: str, value: Any) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def rare_number(model: onnx.ModelProto) -> None:
    """A number that no sample is becomes another one before the first quantizer."""
    first = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    equal = helper.make_node("Equal", ["old", constant(model, "rare", np.float32(0.1234))], ["is"])
    three = constant(model, "three", np.float32(3))
    behind(model, first, equal, helper.make_node("Where", ["is", three, "old"], ["new"]))


def large_batch(model: onnx.ModelProto) -> None:
    """Of batches that no sample is in, all numbers before the last quantizer are 1 more."""
    last = [node for node in model.graph.node if node.op_type == "QuantizeLinear"][-1]
    behind(
        model,
        last,
        helper.make_node("Shape", ["old"], ["count"], start=0, end=1),
        helper.make_node("Greater", ["count", constant(model, "many", [1000])], ["is"]),
        helper.make_node("Cast", ["is"], ["one"], to=1),
        helper.make_node("Add", ["old", "one"], ["new"]),
    )


def bound(model: onnx.ModelProto) -> None:
    """A code more is let through."""
    clip = next(node for node in model.graph.node if node.op_type == "Clip")
    (old,) = (t for t in model.graph.initializer if t.name == clip.input[2])
    old.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(old) + np.uint8(1), old.name))


def attribute(model: onnx.ModelProto) -> None:
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    del softmax.attribute[:]
    softmax.attribute.append(helper.make_attribute("axis", 0))


@pytest.mark.parametrize(
    ("change", "layers"),
    [
        (rare_number, {"relu1"}),
        (large_batch, {"relu3"}),
        (bound, {"relu1", "relu2", "relu3"}),
        (attribute, {"softmax"}),
    ],
)
def test_the_layer_of_a_changed_operator_is_told(change: Change, layers: set[str]) -> None:
    graph = graph_of("data/jet_mlp.h5")
    model = reread(to_onnx(graph))
    change(model)
    onnx.checker.check_model(model, full_check=True)
    assert drawn_otherwise(Conversion(graph, model)) == layers


def dead(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Neg", [model.graph.node[0].output[0]], ["dead"]))


def function(model: onnx.ModelProto) -> None:
    """What an operator means is said anew."""
    body = [helper.make_node("Identity", ["x"], ["y"])]
    opset = [helper.make_opsetid("", 21)]
    model.functions.append(helper.make_function("", "Softmax", ["x"], ["y"], body, opset))


def overridable(model: onnx.ModelProto) -> None:
    """A weight that whoever runs the file may replace."""
    weight = model.graph.initializer[0]
    model.graph.input.append(
        helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
    )


def without_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


@pytest.mark.parametrize("change", [dead, function, overridable, without_metadata])
def test_what_is_of_no_layer_is_of_all(change: Change) -> None:
    graph = graph_of("data/jet_mlp.h5")
    model = reread(to_onnx(graph))
    change(model)
    assert drawn_otherwise(Conversion(graph, model)) == {layer.name for layer in graph.layers}


def test_of_a_moved_layer_constants_may_be_others_and_operators_not() -> None:
    graph = graph_of("data/jet_mlp.h5")
    model = reread(to_onnx(graph))
    bound(model)
    write_moves(model, [Move(f"relu{i}", 0, THRESHOLD, 0, 1) for i in (1, 2, 3)])
    assert not drawn_otherwise(Conversion(graph, model))
    large_batch(model)
    assert drawn_otherwise(Conversion(graph, model)) == {"relu3"}
