"""Which layers another converter gets, and what of them."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import UnsupportedError
from qconvert.frontend import build_graph
from qconvert.frontend.layers import LAYERS
from qconvert.frontend.opaque import FALLBACK, STOCK, Converted, StockLayer
from qconvert.frontend.problems import Unsupported
from qconvert.ir import Graph
from qconvert.ir.ops import Opaque


class Recorder:
    """Converts everything, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[StockLayer] = []

    def __call__(self, layer: StockLayer) -> Converted:
        self.asked.append(layer)
        op = Opaque(layer.class_name, "tool 1", b"", layer.shapes, (None, 2))
        return Converted(op, ("kernel", None)[: len(layer.weights)])


def build(sketch: Any, convert: Any, class_name: str, weights: Any = (), **config: Any) -> Graph:
    layers = [sketch.source("x", 4), sketch.entry(class_name, "layer", "x", **config)]
    file = sketch.file(sketch.functional(layers, ["x"], ["layer"]), {"layer": weights})
    return build_graph(file, convert)


def reasons(sketch: Any, convert: Any, class_name: str, **config: Any) -> str:
    with pytest.raises(UnsupportedError) as raised:
        build(sketch, convert, class_name, **config)
    return str(raised.value.problems[0])


def test_a_stock_layer_is_handed_on_without_what_inference_ignores(sketch: Any) -> None:
    recorder = Recorder()
    arrays = {"kernel": sketch.ramp(4, 2), "inner": np.array([3], np.int64)}
    graph = build(
        sketch, recorder, "EinsumDense", arrays, equation="ab,bc->ac",
        kernel_initializer={"class_name": "Evil", "config": {}}, kernel_regularizer={"evil": 1},
    )  # fmt: skip
    (asked,) = recorder.asked
    assert asked.config == {"equation": "ab,bc->ac"}
    assert asked.shapes == ((None, 4),)
    assert graph.opaque == {"layer": "tool 1"}
    (layer,) = graph.layers
    assert list(layer.weights) == ["kernel"]
    assert_array_equal(layer.weights["kernel"].effective, arrays["kernel"])


def test_without_a_converter_stock_layers_are_unsupported_with_a_hint(sketch: Any) -> None:
    assert "--opaque tf2onnx" in reasons(sketch, None, "GroupNormalization")
    assert "--opaque" not in reasons(sketch, None, "MyLayer")


@pytest.mark.parametrize("class_name", ["Lambda", "MyLayer", "TFSMLayer", "SpectralNormalization"])
def test_code_of_the_user_never_reaches_the_converter(sketch: Any, class_name: str) -> None:
    recorder = Recorder()
    reasons(sketch, recorder, class_name)
    assert not recorder.asked


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("activation", {"class_name": "quantized_relu", "config": {}}, "is an object"),
        ("score_mode", [[{"class_name": "x"}]], "is an object"),
        ("dtype", "float16", "float16"),
    ],
)
def test_objects_and_other_types_never_reach_the_converter(
    sketch: Any, option: str, value: object, reason: str
) -> None:
    recorder = Recorder()
    assert reason in reasons(sketch, recorder, "EinsumDense", **{option: value})
    assert not recorder.asked


def test_a_converter_that_refuses_is_quoted(sketch: Any) -> None:
    def refuse(_: StockLayer) -> Converted:
        raise Unsupported("not that one")

    assert reasons(sketch, refuse, "GroupNormalization") == "layer: not that one"


def test_no_layer_with_a_mask_of_its_own_chance_or_code_is_listed() -> None:
    words = ("Lambda", "Masking", "Random", "Dropout", "Noise", "Lookup", "Hash", "Text")
    assert not [name for name in STOCK | FALLBACK if any(word in name for word in words)]


def test_what_is_known_falls_back_and_nothing_else() -> None:
    assert not STOCK & LAYERS.keys()
    assert LAYERS.keys() >= FALLBACK


def sized(sketch: Any, convert: Any, **options: Any) -> Graph:
    values = {"height": 4, "width": 5, "interpolation": "area", **options}
    layers = [sketch.source("x", 2, 3, 1), sketch.entry("Resizing", "layer", "x", **values)]
    return build_graph(sketch.file(sketch.functional(layers, ["x"], ["layer"])), convert)


def test_a_refused_option_of_a_known_layer_is_handed_on(sketch: Any) -> None:
    recorder = Recorder()
    graph = sized(sketch, recorder)
    assert [asked.class_name for asked in recorder.asked] == ["Resizing"]
    assert graph.opaque == {"layer": "tool 1"}
    assert not sized(sketch, recorder, interpolation="nearest").opaque
    assert len(recorder.asked) == 1


def test_without_a_converter_a_refused_option_has_a_hint(sketch: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"'area'.*; --opaque tf2onnx"):
        sized(sketch, None)


def test_what_could_not_be_handed_on_has_no_hint(sketch: Any) -> None:
    with pytest.raises(UnsupportedError) as raised:
        sized(sketch, None, dtype="float16")
    assert "--opaque" not in str(raised.value)


def test_both_say_why_they_refuse(sketch: Any) -> None:
    def refuse(_: StockLayer) -> Converted:
        raise Unsupported("not that one")

    with pytest.raises(UnsupportedError) as raised:
        sized(sketch, refuse)
    first, second = raised.value.problems
    assert "interpolation='area'" in str(first)
    assert str(second) == "layer: not that one"


def test_a_layer_of_qkeras_is_never_handed_on(sketch: Any) -> None:
    recorder = Recorder()
    assert "unknown option" in reasons(
        sketch, recorder, "QActivation", activation="quantized_relu(4)", odd=1
    )
    assert not recorder.asked


def heads(sketch: Any, convert: Any, arguments: Any, weights: Any = ()) -> Graph:
    options = {"num_heads": 2, "key_dim": 3, "use_bias": False}
    node = [["x", 0, 0, {"value": ["y", 0, 0], **arguments}]]
    layers = [
        sketch.source("x", 5, 4),
        sketch.source("y", 6, 4),
        sketch.entry("MultiHeadAttention", "layer", [*node], **options),
    ]
    file = sketch.file(sketch.functional(layers, ["x", "y"], ["layer"]), {"layer": weights})
    return build_graph(file, convert)


def test_a_call_is_handed_on_with_its_arguments_and_the_names_of_its_tensors(sketch: Any) -> None:
    recorder = Recorder()
    heads(sketch, recorder, {"use_causal_mask": True, "training": False, "key": None})
    (asked,) = recorder.asked
    assert asked.arguments == {"use_causal_mask": True}
    assert asked.names == ("value",)
    assert asked.shapes == ((None, 5, 4), (None, 6, 4))


def test_weights_of_an_archive_are_handed_on_in_keras_s_order(sketch: Any) -> None:
    recorder = Recorder()
    value, query, output, key = (np.full((4, 2, 3), i, np.float32) for i in range(4))
    heads(sketch, recorder, {"use_causal_mask": True}, [value, query, output, key])
    (asked,) = recorder.asked
    given = [float(stored.value.flat[0]) for stored in asked.weights]
    assert given == [1.0, 3.0, 0.0, 2.0]


CELL = {"class_name": "LSTMCell", "config": {"name": "c", "units": 2, "bias_initializer": {}}}


def test_a_cell_is_handed_on_without_what_inference_ignores(sketch: Any) -> None:
    recorder = Recorder()
    build(sketch, recorder, "RNN", cell=CELL, return_sequences=True)
    (asked,) = recorder.asked
    cell = {"class_name": "LSTMCell", "config": {"units": 2}}
    assert asked.config == {"cell": cell, "return_sequences": True}


@pytest.mark.parametrize(
    "cell",
    [
        {**CELL, "class_name": "MyCell"},
        {**CELL, "module": "os"},
        {**CELL, "config": {"units": 2, "activation": {"class_name": "Evil", "config": {}}}},
        [{**CELL, "class_name": "Lambda"}],
        "LSTMCell",
    ],
)
def test_a_cell_of_anybody_s_never_reaches_the_converter(sketch: Any, cell: object) -> None:
    recorder = Recorder()
    reasons(sketch, recorder, "RNN", cell=cell)
    assert not recorder.asked


def test_unnamed_weights_of_several_cells_are_refused(sketch: Any) -> None:
    recorder = Recorder()
    both = {"class_name": "StackedRNNCells", "config": {"cells": [CELL, CELL]}}
    with pytest.raises(UnsupportedError, match="which cell a weight is of"):
        build(sketch, recorder, "RNN", [np.zeros((2, 2), np.float32)], cell=both)
    assert not recorder.asked
