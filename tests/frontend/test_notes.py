"""What the user is told of QKeras's surprises, and that silence means there is none."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from qconvert.frontend import build_graph
from qconvert.frontend.noted import IDLE, noted
from qconvert.ir import Graph, Layer, Weight

GRU = {
    "units": 2,
    "use_bias": False,
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "kernel_quantizer": "quantized_bits(4,0,alpha=1)",
    "bias_quantizer": None,
    "state_quantizer": None,
}


def notes(sketch: Any, layer: Any, weights: Any, *shape: int) -> tuple[str, ...]:
    """The notes of the only layer of a model."""
    model = sketch.sequential(sketch.source("x", *shape), layer)
    graph = build_graph(sketch.file(model, {layer["name"]: weights}))
    (found,) = graph.layers
    return found.notes


def gru(sketch: Any, recurrent: str | None) -> tuple[Any, Any]:
    layer = sketch.entry("QGRU", "rnn", recurrent_quantizer=recurrent, **GRU)
    weights = {"gru/kernel": sketch.ramp(2, 6), "gru/recurrent_kernel": -sketch.ramp(2, 6)}
    return layer, weights


def test_a_gru_without_a_recurrent_quantizer(sketch: Any) -> None:
    assert notes(sketch, *gru(sketch, "quantized_bits(4,0,alpha=1)"), 3, 2) == ()
    (note,) = notes(sketch, *gru(sketch, None), 3, 2)
    assert "in place of the recurrent kernel" in note


def test_a_gru_inside_bidirectional_tells_once(sketch: Any) -> None:
    inner, weights = gru(sketch, None)
    layer = sketch.entry("QBidirectional", "both", layer=inner, merge_mode="concat")
    both = [*weights.values(), *weights.values()]
    assert len(notes(sketch, layer, both, 3, 2)) == 1


def test_an_adaptive_activation_tells_of_the_first_call(sketch: Any) -> None:
    layer = sketch.entry(
        "QAdaptiveActivation", "act", activation="quantized_bits", total_bits=4, current_step=1
    )
    arrays = [np.int64(1), np.zeros(1, np.float32), np.ones(1, np.float32)]
    variables = [np.asarray(one) for one in arrays]
    (note,) = notes(sketch, layer, variables, 3)
    assert "integer=0" in note
    layer["config"] |= {"activation": "quantized_relu"}
    assert "do not keep relu_upper_bound" in notes(sketch, layer, variables, 3)[0]
    layer["config"] |= {"relu_upper_bound": None}
    assert len(notes(sketch, layer, variables, 3)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quantized_relu(4,2)", None),
        ("quantized_relu(quantized_bits(8),2)", "drops all arguments"),
        ("quantized_relu(4,2,relu_upper_bound=1.5)", "relu_upper_bound=1.5 is not applied"),
        ("quantized_relu(4,2,relu_upper_bound=4.0)", None),
        ("quantized_relu(4,2,relu_upper_bound=1.5,is_quantized_clip=False)", None),
        ("quantized_bits(4,0,1,alpha=1,qnoise_factor=0.0)", "quantizes nothing"),
        ("quantized_po2(4,qnoise_factor=0.5)", "mixes in"),
    ],
)
def test_quantizers(sketch: Any, text: str, expected: str | None) -> None:
    found = notes(sketch, sketch.entry("QActivation", "act", activation=text), [], 3)
    assert len(found) == (expected is not None)
    assert all(str(expected) in note for note in found)


@pytest.mark.parametrize(("bits", "count"), [(1, 1), (2, 0)])
def test_one_bit_with_an_automatic_scale_is_nothing(sketch: Any, bits: int, count: int) -> None:
    options = {"units": 2, "use_bias": False, "activation": "linear", "bias_quantizer": None}
    layer = sketch.entry("QDense", "d", kernel_quantizer=f"quantized_bits({bits},0)", **options)
    found = notes(sketch, layer, [sketch.ramp(3, 2)], 3)
    assert len(found) == count
    assert all(note.startswith("kernel_quantizer: one bit") for note in found)


@pytest.mark.parametrize(("bits", "count"), [(3, 1), (8, 0)])
def test_an_average_that_is_rounded_away(sketch: Any, bits: int, count: int) -> None:
    layer = sketch.entry(
        "QGlobalAveragePooling2D",
        "mean",
        data_format="channels_last",
        keepdims=False,
        average_quantizer=f"quantized_bits({bits},0,1,alpha=1)",
        activation=None,
    )
    found = notes(sketch, layer, [], 7, 7, 1)
    assert [note for note in found if "1/49" in note] == list(found)
    assert len(found) == count


def transposed(sketch: Any, class_name: str, **changed: Any) -> Graph:
    options = {
        "filters": 2,
        "kernel_size": [2, 2],
        "strides": [1, 1],
        "padding": "valid",
        "dilation_rate": [1, 1],
        "data_format": "channels_last",
        "use_bias": True,
        "activation": "linear",
        **changed,
    }
    arrays = {
        "QConv2DTranspose": [sketch.ramp(2, 2, 2, 2)],
        "QDepthwiseConv2DTranspose": [sketch.ramp(2, 2, 2, 1)],
        "QSeparableConv2DTranspose": [sketch.ramp(2, 2, 1, 2), sketch.ramp(1, 1, 2, 2)],
    }[class_name]
    layer = sketch.entry(class_name, "up", **options)
    model = sketch.sequential(sketch.source("x", 3, 3, 2), layer)
    return build_graph(sketch.file(model, {"up": [*arrays, sketch.ramp(2)]}))


UNSAVED = {"depthwise_activation": None, "pointwise_activation": None}


@pytest.mark.parametrize(
    ("class_name", "options", "expected"),
    [
        ("QConv2DTranspose", {}, []),
        ("QConv2DTranspose", {"output_padding": [0, 0]}, ["output_padding=[0, 0]"]),
        ("QSeparableConv2DTranspose", UNSAVED, []),
        ("QSeparableConv2DTranspose", {}, ["keep depthwise_", "keep pointwise_"]),
        ("QSeparableConv2DTranspose", {**UNSAVED, "activation": "relu"}, ["activation='relu'"]),
        ("QSeparableConv2DTranspose", {**UNSAVED, "output_padding": 1}, ["output_padding=1"]),
        (
            "QDepthwiseConv2DTranspose",
            {"group_size": 1},
            ["keep depthwise_activation", "never adds the bias"],
        ),
    ],
)
def test_transposed_convolutions(
    sketch: Any, class_name: str, options: Any, expected: list[str]
) -> None:
    (layer,) = transposed(sketch, class_name, **options).layers
    assert [part for part, note in zip(expected, layer.notes, strict=True) if part in note] == (
        expected
    )


def test_an_activation_of_qbatchnormalization_is_not_applied(sketch: Any) -> None:
    layer = sketch.entry(
        "QBatchNormalization",
        "bn",
        axis=[1],
        epsilon=0.001,
        center=False,
        scale=False,
        activation="quantized_relu(4)",
        **{f"{name}_quantizer": None for name in ("gamma", "beta", "mean", "variance")},
    )
    (note,) = notes(sketch, layer, [sketch.ramp(2), sketch.ramp(2)], 2)
    assert "never applies activation='quantized_relu(4)'" in note


def test_further_calls_of_a_layer_do_not_repeat_its_notes(sketch: Any) -> None:
    act = sketch.entry(
        "QActivation", "act", "x", "act", activation="quantized_po2(4,qnoise_factor=0.5)"
    )
    act["inbound_nodes"][1] = [["act", 0, 0, {}]]
    model = sketch.functional([sketch.source("x", 3), act], ["x"], [["act", 1, 0]])
    first, second = build_graph(sketch.file(model)).layers
    assert (len(first.notes), second.notes) == (1, ())


def idle(sketch: Any, layers: list[Any], output: Any, **weights: Any) -> set[str]:
    """The layers of a model on two numbers that tell that no output depends on them."""
    config = sketch.functional([sketch.source("x", 2), *layers], ["x"], [output])
    graph = build_graph(sketch.file(config, weights))
    return {layer.name for layer in graph.layers if IDLE in layer.notes}


def test_layers_that_no_output_depends_on_tell_so(sketch: Any) -> None:
    relu = partial(sketch.entry, "Activation", activation="relu")
    dead = [sketch.dense("d", "x"), relu("behind", "d")]
    weights = [sketch.ramp(2, 2), sketch.ramp(2)]
    assert idle(sketch, [relu("y", "x"), *dead], "y", d=weights) == {"d", "behind"}
    assert idle(sketch, [relu("y", "behind"), *dead], "y", d=weights) == set()


def test_a_shared_layer_is_needed_if_one_of_its_calls_is(sketch: Any) -> None:
    shared = sketch.entry("Activation", "y", "x", [["y", 0, 0, {}]], activation="relu")
    assert idle(sketch, [shared], "y") == set()
    inner = sketch.functional(
        [sketch.source("in", 2), shared | {"inbound_nodes": [[["in", 0, 0, {}]]]}], ["in"], ["y"]
    )
    nested = sketch.nested(inner, "m", "x", [["m", 1, 0, {}]])
    assert idle(sketch, [nested], ["m", 1, 0]) == set()
    other = sketch.entry("Activation", "z", "x", activation="relu")
    assert idle(sketch, [nested, other], "z") == {"m/y"}


def test_a_layer_is_needed_if_one_of_its_results_is(sketch: Any) -> None:
    layer = sketch.entry(
        "LSTM", "r", "s", units=2, activation="tanh", recurrent_activation="sigmoid",
        use_bias=False, return_sequences=False, return_state=True, go_backwards=False,
        stateful=False, unroll=False, time_major=False, implementation=2,
    )  # fmt: skip
    layers = [sketch.entry("Reshape", "s", "x", target_shape=[1, 2]), layer]
    weights = [sketch.ramp(2, 8), sketch.ramp(2, 8)]
    assert idle(sketch, layers, ["r", 0, 2], r=weights) == set()


def test_weights_that_are_not_finite_are_counted() -> None:
    """As a negative variance makes them, of finite numbers in the file."""
    kernel = np.array([[np.nan, 1], [2, np.inf]], np.float32)
    weights = {"kernel": Weight(kernel, kernel, None), "bias": Weight(kernel[0], kernel[1], None)}
    layers = (Layer("a", "QDense", "x", weights, ("known",)), Layer("b", "QDense", "x"))
    found = noted(Graph("m", (), (), (), layers), {}).layers
    told = (
        "2 of 4 numbers of kernel are NaN or infinite",
        "1 of 2 numbers of bias are NaN or infinite",
    )
    assert [layer.notes for layer in found] == [("known", *told), ()]
