"""Which layers another converter gets, and what of them."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import UnsupportedError
from qconvert.frontend import build_graph
from qconvert.frontend.layers import LAYERS
from qconvert.frontend.opaque import STOCK, Converted, StockLayer
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


def test_no_layer_with_a_state_a_mask_of_its_own_or_code_is_listed() -> None:
    words = ("RNN", "LSTM", "GRU", "Lambda", "Masking", "Random", "Lookup", "Hash", "Text")
    assert not [name for name in STOCK if any(word in name for word in words)]


def test_what_is_known_is_never_opaque() -> None:
    assert not STOCK & LAYERS.keys()
