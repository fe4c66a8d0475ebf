"""Inputs and outputs of files that do not say which of the model's they are."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qconvert.checking.other_files.interface import interface, interface_of
from qconvert.emit import to_onnx
from qconvert.errors import BadFileError, UsageError
from qconvert.ir import Graph, Input, Node, Output, Shape
from qconvert.ir.ops import Relu
from qconvert.runners.foreign import Place

FLOAT, INT64, DOUBLE = TensorProto.FLOAT, TensorProto.INT64, TensorProto.DOUBLE
Value = tuple[str, int, list[int | str] | None]


def model_of(inputs: dict[str, Shape], outputs: dict[str, str]) -> Graph:
    """A model that returns *outputs* by name, each the value of an input."""
    return Graph(
        "m",
        tuple(Input(name, shape) for name, shape in inputs.items()),
        tuple(Node(f"{n}+", Relu(), (n,), shape) for n, shape in inputs.items()),
        tuple(Output(name, f"{value}+") for name, value in outputs.items()),
        (),
    )


def file_of(inputs: list[Value], outputs: list[Value]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [],
        "g",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
    )
    return helper.make_model(graph)


IMAGE: dict[str, Shape] = {"image": (None, 8, 6, 3)}
OUT: Value = ("out", FLOAT, ["N", 8, 6, 3])


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        (["N", 8, 6, 3], (0, 1, 2, 3)),
        (["N", 3, 8, 6], (0, 3, 1, 2)),
        (["N", "C", 8, 6], (0, 3, 1, 2)),
        (["N", "a", "b", "c"], (0, 1, 2, 3)),
        (["N", -1, -1, 3], (0, 1, 2, 3)),
        (None, (0, 1, 2, 3)),
    ],
)
def test_shapes_tell_where_the_channels_are(
    shape: list[int | str] | None, axes: tuple[int, ...]
) -> None:
    known = interface_of(model_of(IMAGE, {"y": "image"}), file_of([("any", FLOAT, shape)], [OUT]))
    assert known.inputs == {"image": Place("any", (None, 8, 6, 3), axes)}
    assert known.batch is None


def tensors(inputs: dict[str, Shape], found: list[str]) -> dict[str, str]:
    taken: list[Value] = [(name, FLOAT, ["N", 2]) for name in found]
    graph = model_of(inputs, {"y": next(iter(inputs))})
    known = interface_of(graph, file_of(taken, [("r", FLOAT, ["N", 2])]))
    return {name: place.tensor for name, place in known.inputs.items()}


def test_names_come_before_positions() -> None:
    pair: dict[str, Shape] = {"a": (None, 2), "rnn/state:h": (None, 2)}
    assert tensors(pair, ["rnn/state:h", "a"]) == {"a": "a", "rnn/state:h": "rnn/state:h"}
    assert tensors(pair, ["rnn_state_h:0", "A:0"]) == {"a": "A:0", "rnn/state:h": "rnn_state_h:0"}
    assert tensors(pair, ["p", "q"]) == {"a": "p", "rnn/state:h": "q"}


def test_shapes_come_before_positions() -> None:
    graph = model_of({"a": (None, 2), "b": (None, 3)}, {"y": "a", "z": "b"})
    taken: list[Value] = [("p", FLOAT, ["N", 3]), ("q", FLOAT, ["N", 2])]
    known = interface_of(graph, file_of(taken, taken))
    assert {name: place.tensor for name, place in known.inputs.items()} == {"a": "q", "b": "p"}
    assert {name: place.tensor for name, place in known.outputs.items()} == {"y": "q", "z": "p"}


def test_further_outputs_are_left_out_if_it_is_clear_which() -> None:
    graph = model_of({"a": (None, 2)}, {"y": "a"})
    taken: list[Value] = [("p", DOUBLE, [4, 2])]
    classes: Value = ("classes", INT64, [4])
    known = interface_of(graph, file_of(taken, [classes, ("s", DOUBLE, [4, 2])]))
    assert known.outputs["y"].tensor == "s"
    assert (known.batch, known.kinds) == (4, {"p": np.dtype(np.float64)})
    known = interface_of(graph, file_of(taken, [("other", FLOAT, [4, 2]), ("y", FLOAT, [4, 2])]))
    assert known.outputs["y"].tensor == "y"
    with pytest.raises(UsageError, match=r"returns 'p' .*, 'q' .*; which of them .* not clear"):
        interface_of(graph, file_of(taken, [("p", FLOAT, [4, 2]), ("q", FLOAT, [4, 2])]))


@pytest.mark.parametrize(
    "taken",
    [
        [],
        [("p", FLOAT, ["N", 8, 6, 4])],
        [("p", FLOAT, ["N", 6, 3, 8])],
        [("p", FLOAT, ["N", 144])],
        [("p", FLOAT, ["N", 8, 6, 3]), ("q", FLOAT, ["N", 8, 6, 3])],
        [("p", FLOAT, ["N", 8, 6, 3]), ("learning", FLOAT, ["N"])],
    ],
)
def test_a_file_that_takes_something_else_is_refused(taken: list[Value]) -> None:
    with pytest.raises(UsageError, match=r"not of this model: it takes .*, the model 'image'"):
        interface_of(model_of(IMAGE, {"y": "image"}), file_of(taken, [OUT]))


def test_a_file_that_returns_less_is_refused() -> None:
    graph = model_of(IMAGE, {"y": "image"})
    with pytest.raises(UsageError, match="returns none in float"):
        interface_of(graph, file_of([("p", FLOAT, ["N", 8, 6, 3])], [("c", INT64, ["N"])]))


def test_inputs_in_different_numbers_are_refused() -> None:
    graph = model_of({"a": (None, 2), "b": (None, 3)}, {"y": "a"})
    taken: list[Value] = [("a", FLOAT, [1, 2]), ("b", FLOAT, [2, 3])]
    with pytest.raises(UsageError, match="samples in different numbers"):
        interface_of(graph, file_of(taken, [("y", FLOAT, [1, 2])]))


def test_files_of_ours_say_what_stands_where(graph: Graph) -> None:
    model = to_onnx(graph)
    assert interface(graph, model) is None
    model.metadata_props[0].value = "{"
    with pytest.raises(BadFileError, match="damaged"):
        interface(graph, model)
    del model.metadata_props[:]
    known = interface(graph, model)
    assert known is not None
    assert list(known.inputs) == ["x"]
