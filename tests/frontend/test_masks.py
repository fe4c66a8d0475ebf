"""Where masks go in a model, and where they may not."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import UnsupportedError
from qconvert.frontend import build_graph
from qconvert.frontend.layers import LAYERS
from qconvert.frontend.masks import RULES
from qconvert.frontend.opaque import STOCK
from qconvert.frontend.topology import FUNCTION
from qconvert.ir import F32, Graph
from qconvert.ir.ops import Concat, Merge, Recurrence
from qconvert.ir.stock import StepMask
from qconvert.reference import evaluate

RNN = {"units": 2, "use_bias": False, "activation": "linear"}


def rnn(sketch: Any, *calls: Any, **options: Any) -> Any:
    return sketch.entry("SimpleRNN", "rnn", *calls, **{**RNN, **options})


def kernels(sketch: Any, features: int = 3) -> dict[str, F32]:
    return {"kernel": sketch.ramp(features, 2), "recurrent_kernel": sketch.ramp(2, 2)}


def behind(sketch: Any, *layers: Any, weights: Any = (), **options: Any) -> Graph:
    """A recurrent layer behind *layers*, behind a mask of zeros."""
    entries = [sketch.source("x", 4, 3), sketch.entry("Masking", "m", mask_value=0.0), *layers]
    model = sketch.sequential(*entries, rnn(sketch, **options))
    return build_graph(sketch.file(model, {"rnn": kernels(sketch), **dict(weights)}))


def loop(graph: Graph) -> tuple[Recurrence, tuple[str, ...]]:
    node = next(node for node in graph.nodes if isinstance(node.op, Recurrence))
    assert isinstance(node.op, Recurrence)
    return node.op, node.inputs


def reason(error: pytest.ExceptionInfo[UnsupportedError]) -> str:
    return "; ".join(f"{problem.layer}: {problem.reason}" for problem in error.value.problems)


def test_every_class_has_a_rule() -> None:
    functions = {name for name in LAYERS if name.startswith(FUNCTION)}
    assert set(RULES) == {*LAYERS, *STOCK} - functions


def test_steps_of_one_number_are_left_out(sketch: Any) -> None:
    graph = behind(sketch, return_sequences=True)
    x = np.ones((1, 4, 3), np.float32)
    x[0, 1] = 0
    x[0, 2, 0] = 0
    values = evaluate(graph, {"x": x})
    mask = next(node.name for node in graph.nodes if node.op == StepMask(0.0))
    assert_array_equal(values[mask], [[[1], [0], [1], [1]]])
    assert_array_equal(values["rnn"][:, 0], values["rnn"][:, 1])
    assert np.any(values["rnn"][:, 1] != values["rnn"][:, 2])


def test_a_mask_goes_through_layers_that_pass_it_on(sketch: Any) -> None:
    dense = sketch.dense("d", units=3, use_bias=False)
    dropout = sketch.entry("Dropout", "o", rate=0.5)
    graph = behind(sketch, dense, dropout, weights={"d": [sketch.ramp(3, 3)]}.items())
    op, inputs = loop(graph)
    assert op.sequences == 2 and inputs == ("d", "m:stepmask")


def test_a_mask_ends_where_keras_loses_it(sketch: Any) -> None:
    bits = sketch.entry("QActivation", "q", activation="quantized_bits(4, 0, alpha=1)")
    op, inputs = loop(behind(sketch, bits))
    assert op.sequences == 1 and inputs == ("q",)


def test_a_quantizer_that_returns_its_input_returns_its_mask(sketch: Any) -> None:
    nothing = sketch.entry("QActivation", "q", activation="linear")
    assert loop(behind(sketch, nothing))[1] == ("m", "m:stepmask")


def test_a_whole_number_0_has_no_row_that_counts(sketch: Any) -> None:
    table = sketch.entry("Embedding", "e", input_dim=5, output_dim=3, mask_zero=True)
    model = sketch.sequential(sketch.source("x", None), table, rnn(sketch))
    weights = {"e": [sketch.ramp(5, 3)], "rnn": kernels(sketch)}
    graph = build_graph(sketch.file(model, weights))
    mask = next(node for node in graph.nodes if node.op == StepMask(0.0))
    assert mask.shape == (None, None, 1) and loop(graph)[1] == ("e", mask.name)
    values = evaluate(graph, {"x": np.array([[0, 3, 0]], np.float32)})
    assert_array_equal(values[mask.name][0, :, 0], [0, 1, 0])


def merged(sketch: Any, class_name: str, *readers: str, axis: int | None = None) -> Graph:
    """A recurrent layer behind a merge of *readers*: two masks, and a layer without."""
    options = {} if axis is None else {"axis": axis}
    layers = [
        sketch.source("x", 4, 3),
        sketch.entry("Masking", "m", "x", mask_value=0.0),
        sketch.entry("Masking", "n", "x", mask_value=1.0),
        sketch.entry("Rescaling", "r", "x", scale=2.0, offset=0.0),
        sketch.entry(class_name, "j", readers, **options),
        rnn(sketch, "j"),
    ]
    features = 3 * len(readers) if axis == -1 else 3
    model = sketch.functional(layers, ["x"], ["rnn"])
    return build_graph(sketch.file(model, {"rnn": kernels(sketch, features)}))


def test_a_step_counts_if_it_does_in_all_that_is_merged(sketch: Any) -> None:
    graph = merged(sketch, "Add", "m", "r", "n")
    node = next(node for node in graph.nodes if node.name == loop(graph)[1][1])
    assert (node.op, node.inputs) == (Merge("minimum"), ("m:stepmask", "n:stepmask"))
    assert loop(merged(sketch, "Subtract", "r", "n"))[1] == ("j", "n:stepmask")
    assert loop(merged(sketch, "Concatenate", "r", "n", axis=-1))[1] == ("j", "n:stepmask")


def test_masks_are_joined_in_time(sketch: Any) -> None:
    graph = merged(sketch, "Concatenate", "m", "n", axis=1)
    node = next(node for node in graph.nodes if node.name == loop(graph)[1][1])
    assert (node.op, node.shape) == (Concat(1), (None, 8, 1))
    with pytest.raises(UnsupportedError) as error:
        merged(sketch, "Concatenate", "m", "r", axis=1)
    assert reason(error) == "j: a mask reaches it, but not with all of its inputs"


def test_a_mask_goes_into_a_model_and_out_of_it(sketch: Any) -> None:
    inner = sketch.sequential(sketch.source("i", 4, 3), sketch.dense("d", units=3, use_bias=False))
    layers = [
        sketch.source("x", 4, 3),
        sketch.entry("Masking", "m", "x", mask_value=0.0),
        sketch.nested(inner, "inner", [["m", 0, 0, {}]]),
        rnn(sketch, [["inner", 1, 0, {}]]),
    ]
    model = sketch.functional(layers, ["x"], ["rnn"])
    weights = {"inner/d": [sketch.ramp(3, 3)], "rnn": kernels(sketch)}
    graph = build_graph(sketch.file(model, weights))
    assert loop(graph)[1] == ("inner/d", "m:stepmask")


@pytest.mark.parametrize(
    ("class_name", "options", "message"),
    [
        ("Softmax", {"axis": -1}, "which Keras adds to the features"),
        ("GlobalAveragePooling1D", {"data_format": "channels_first"}, "channels_first"),
    ],
)
def test_what_is_refused(sketch: Any, class_name: str, options: Any, message: str) -> None:
    with pytest.raises(UnsupportedError) as error:
        behind(sketch, sketch.entry(class_name, "l", **options))
    assert reason(error).startswith("l: ") and message in reason(error)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"return_sequences": True, "go_backwards": True}, "in the wrong order"),
        ({}, "cannot return 0"),
    ],
)
def test_what_unrolled_layers_do_with_zeros_is_refused(
    sketch: Any, options: Any, message: str
) -> None:
    with pytest.raises(UnsupportedError) as error:
        behind(sketch, unroll=True, zero_output_for_mask=True, **options)
    assert message in reason(error)


@pytest.mark.parametrize(
    ("class_name", "options"),
    [
        ("QActivation", {"activation": "quantized_bits(4, 0, alpha=1)"}),
        ("Softmax", {"axis": -1}),
        ("Reshape", {"target_shape": [3]}),
    ],
)
def test_steps_of_a_layer_that_does_not_pass_the_mask_on(
    sketch: Any, class_name: str, options: dict[str, Any]
) -> None:
    inner = sketch.entry(class_name, "inner", **options)
    with pytest.raises(UnsupportedError) as error:
        behind(sketch, sketch.entry("TimeDistributed", "l", layer=inner))
    assert reason(error) == f"l: a mask reaches it: TimeDistributed around {class_name}"


def test_a_function_that_returns_its_input_is_refused(sketch: Any) -> None:
    layers = [
        sketch.source("x", 4, 3),
        sketch.entry("Masking", "m", "x", mask_value=0.0),
        sketch.entry("TFOpLambda", "f", [["m", 0, 0, {"dtype": "float32"}]], function="cast"),
    ]
    with pytest.raises(UnsupportedError) as error:
        build_graph(sketch.file(sketch.functional(layers, ["x"], ["f"])))
    assert "it returns its input" in reason(error)


def test_attention_with_masks_is_refused(sketch: Any) -> None:
    layers = [
        sketch.source("x", 4, 3),
        sketch.entry("Masking", "m", "x", mask_value=0.0),
        sketch.entry("Attention", "a", ("x", "m"), use_scale=False, score_mode="dot"),
    ]
    with pytest.raises(UnsupportedError) as error:
        build_graph(sketch.file(sketch.functional(layers, ["x"], ["a"])))
    assert reason(error) == "a: a mask reaches it: attention with masks is not supported"


def test_models_of_keras_3_are_refused(sketch: Any) -> None:
    source = sketch.entry("InputLayer", "x", batch_shape=[None, 4, 3], sparse=False)
    masking = sketch.entry("Masking", "m", mask_value=0.0)
    with pytest.raises(UnsupportedError) as error:
        build_graph(sketch.file(sketch.sequential(source, masking)))
    assert "in models of Keras 3" in reason(error)
