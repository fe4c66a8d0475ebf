"""Recurrent layers as files hold them: options, weights, several results, and what is refused."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import BadFileError, UnsupportedError
from qconvert.frontend import build_graph
from qconvert.ir import F32, Graph
from qconvert.ir.ops import Concat, Dense, Elementwise, Function, Recurrence, Slice
from qconvert.ir.stock import WithConstant
from qconvert.reference import evaluate

BITS = {"class_name": "quantized_bits", "config": {"bits": 4, "integer": 0, "alpha": 1}}
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}


def options(class_name: str, **changed: Any) -> dict[str, Any]:
    """The configuration of a layer of two units as Keras writes it."""
    found: dict[str, Any] = {
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "stateful": False,
        "unroll": False,
        "time_major": False,
        "units": 2,
        "activation": "tanh",
        "use_bias": True,
        "kernel_initializer": "zeros",
        "dropout": 0.5,
        "recurrent_dropout": 0.0,
    }
    if "RNN" not in class_name:
        found |= {"recurrent_activation": "sigmoid", "implementation": 2}
    if "LSTM" in class_name:
        found["unit_forget_bias"] = True
    if "GRU" in class_name:
        found["reset_after"] = False
    if class_name.startswith("Q"):
        kinds = ("kernel", "recurrent", "bias", "state")
        found |= {f"{kind}_quantizer": BITS for kind in kinds}
    return found | changed


def arrays(sketch: Any, class_name: str, features: int = 3) -> dict[str, F32]:
    columns = 2 * GATES[class_name.removeprefix("Q")]
    return {
        "cell/kernel": sketch.ramp(features, columns),
        "cell/recurrent_kernel": -sketch.ramp(2, columns),
        "cell/bias": sketch.ramp(columns),
    }


def built(sketch: Any, class_name: str, *, features: int = 3, **changed: Any) -> Graph:
    """A model of one layer."""
    layer = sketch.entry(class_name, "rnn", **options(class_name, **changed))
    model = sketch.sequential(sketch.source("x", 4, features), layer)
    weights = arrays(sketch, class_name, features)
    if not changed.get("use_bias", True):
        del weights["cell/bias"]
    return build_graph(sketch.file(model, {"rnn": weights}))


def reasons(error: pytest.ExceptionInfo[UnsupportedError]) -> str:
    return "; ".join(problem.reason for problem in error.value.problems)


def loops(graph: Graph) -> list[Recurrence]:
    return [node.op for node in graph.nodes if isinstance(node.op, Recurrence)]


@pytest.mark.parametrize("class_name", ["SimpleRNN", "LSTM", "GRU", "QSimpleRNN", "QLSTM", "QGRU"])
def test_the_last_output_is_called_as_the_layer(sketch: Any, class_name: str) -> None:
    graph = built(sketch, class_name)
    assert [node.name for node in graph.nodes] == ["rnn:recurrence", "rnn"]
    assert graph.shapes["rnn"] == (None, 2)
    (layer,) = graph.layers
    assert list(layer.weights) == ["kernel", "recurrent_kernel", "bias"]


def test_weights_are_quantized_and_kernels_scaled(sketch: Any) -> None:
    graph = built(sketch, "QLSTM", kernel_quantizer="quantized_bits(4)")
    weights = graph.layers[0].weights
    assert weights["kernel"].quantizer.alpha == "auto_po2"  # type: ignore[union-attr]
    codes = weights["recurrent_kernel"].effective * 8
    assert_array_equal(codes, np.rint(codes))
    dense = [node.op for node in loops(graph)[0].body.nodes if isinstance(node.op, Dense)]
    assert_array_equal(dense[1].kernel, weights["recurrent_kernel"].effective)


def test_all_results_have_names_and_are_layers(sketch: Any) -> None:
    source = sketch.source("x", 4, 3)
    changed = {"return_sequences": True, "return_state": True, "go_backwards": True}
    layer = sketch.entry("QLSTM", "rnn", "x", **options("QLSTM", **changed))
    model = sketch.functional([source, layer], ["x"], [["rnn", 0, 2], ["rnn", 0, 0]])
    graph = build_graph(sketch.file(model, {"rnn": arrays(sketch, "QLSTM")}))
    assert [(one.name, one.value) for one in graph.layers] == [
        ("rnn", "rnn"),
        ("rnn:1", "rnn:1"),
        ("rnn:2", "rnn:2"),
    ]
    assert [bool(one.weights) for one in graph.layers] == [True, False, False]
    assert [(one.name, one.value) for one in graph.outputs] == [("rnn", "rnn:2"), ("rnn_1", "rnn")]
    assert graph.shapes["rnn"] == (None, 4, 2) and graph.shapes["rnn:2"] == (None, 2)
    assert loops(graph)[0].reverse


def test_states_are_inputs_of_a_call(sketch: Any) -> None:
    sources = [sketch.source("x", None, 3), sketch.source("h", 2), sketch.source("c", 2)]
    layer = sketch.entry("LSTM", "rnn", ("x", "h", "c"), **options("LSTM"))
    model = sketch.functional([*sources, layer], ["x", "h", "c"], ["rnn"])
    graph = build_graph(sketch.file(model, {"rnn": arrays(sketch, "LSTM")}))
    assert graph.nodes[0].inputs == ("x", "h", "c")
    assert graph.nodes[0].shape == (None, None, 4)


@pytest.mark.parametrize(
    ("class_name", "changed", "last"),
    [
        ("LSTM", {}, True),
        ("LSTM", {"implementation": 1}, True),
        ("LSTM", {"implementation": 1, "unroll": True}, False),
        ("LSTM", {"implementation": 1, "activation": "relu"}, False),
        ("LSTM", {"activation": "relu"}, True),
        ("LSTM", {"recurrent_dropout": 0.5}, False),
        ("QLSTM", {}, True),
        ("QLSTM", {"implementation": 1}, False),
        ("QLSTM", {"implementation": 0}, False),
    ],
)
def test_when_an_lstm_adds_its_bias(
    sketch: Any, class_name: str, changed: dict[str, Any], last: bool
) -> None:
    (loop,) = loops(built(sketch, class_name, **changed))
    assert last == any(isinstance(node.op, WithConstant) for node in loop.body.nodes)


def test_stock_layers_know_keras_names_alone(sketch: Any) -> None:
    (loop,) = loops(built(sketch, "LSTM", recurrent_activation="hard_sigmoid"))
    functions = [n.op.function for n in loop.body.nodes if isinstance(n.op, Elementwise)]
    assert functions.count(Function.HARD_SIGMOID) == 3
    (loop,) = loops(built(sketch, "QLSTM", recurrent_activation="hard_sigmoid"))
    functions = [n.op.function for n in loop.body.nodes if isinstance(n.op, Elementwise)]
    assert functions.count(Function.HARD_SIGMOID) == 0


def test_a_gru_without_recurrent_quantizer_uses_the_kernel(sketch: Any) -> None:
    """QKeras 0.9.0 does; it quantizes the one and not the other."""
    graph = built(sketch, "QGRU", features=2, recurrent_quantizer=None)
    weights = graph.layers[0].weights
    assert_array_equal(weights["recurrent_kernel"].effective, weights["kernel"].raw)
    assert np.any(weights["recurrent_kernel"].raw != weights["kernel"].raw)
    with pytest.raises(UnsupportedError) as error:
        built(sketch, "QGRU", features=3, recurrent_quantizer=None)
    assert "no recurrent_quantizer" in reasons(error) and "3 features" in reasons(error)


@pytest.mark.parametrize(
    ("class_name", "changed", "reason"),
    [
        ("GRU", {"time_major": True}, "time_major=True"),
        ("QLSTM", {"use_bias": False}, "a bias_quantizer without use_bias"),
        ("QGRU", {"state_quantizer": "quantized_bits(4,alpha='auto')"}, "state_quantizer"),
        ("QGRU", {"num_constants": 1}, "num_constants=1"),
        ("LSTM", {"peephole": True}, "unknown option peephole"),
    ],
)
def test_what_is_refused(
    sketch: Any, class_name: str, changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedError) as error:
        built(sketch, class_name, **changed)
    assert reason in reasons(error)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"units": 5}, "kernel has shape"), ({"use_bias": False}, "expected the weights")],
)
def test_weights_that_do_not_fit(sketch: Any, changed: dict[str, Any], message: str) -> None:
    layer = sketch.entry("LSTM", "rnn", **options("LSTM", **changed))
    model = sketch.sequential(sketch.source("x", 4, 3), layer)
    with pytest.raises(BadFileError, match=message):
        build_graph(sketch.file(model, {"rnn": arrays(sketch, "LSTM")}))


@pytest.mark.parametrize("result", [1, 7])
def test_a_result_that_does_not_exist(sketch: Any, result: int) -> None:
    layer = sketch.entry("LSTM", "rnn", "x", **options("LSTM"))
    model = sketch.functional([sketch.source("x", 4, 3), layer], ["x"], [["rnn", 0, result]])
    with pytest.raises(BadFileError, match=f"no result {result} of 'rnn'"):
        build_graph(sketch.file(model, {"rnn": arrays(sketch, "LSTM")}))


def test_results_of_a_layer_that_is_refused_are_no_news(sketch: Any) -> None:
    layer = sketch.entry("LSTM", "rnn", "x", **options("LSTM", time_major=True))
    after = sketch.dense("after", [[["rnn", 0, 1, {}]]])
    model = sketch.functional([sketch.source("x", 4, 3), layer, after], ["x"], ["after"])
    weights = {"rnn": arrays(sketch, "LSTM"), "after": [sketch.ramp(2, 2), sketch.ramp(2)]}
    with pytest.raises(UnsupportedError) as error:
        build_graph(sketch.file(model, weights))
    assert [problem.layer for problem in error.value.problems] == ["rnn"]


def wrapped(
    sketch: Any, inner: str = "QGRU", other: Any = None, merge: Any = "concat", **changed: Any
) -> Graph:
    """``QBidirectional``, whose backward weights are three times the forward ones."""
    layer = sketch.entry(inner, "inner", **options(inner, **changed))
    extra = {} if other is None else {"backward_layer": other}
    entry = sketch.entry("QBidirectional", "both", layer=layer, merge_mode=merge, **extra)
    model = sketch.sequential(sketch.source("x", 4, 3), entry)
    weights = {f"forward_inner/{k}": v for k, v in arrays(sketch, inner).items()}
    weights |= {f"backward_inner/{k}": 3 * v for k, v in arrays(sketch, inner).items()}
    return build_graph(sketch.file(model, {"both": weights}))


def test_both_directions_have_weights_of_their_own(sketch: Any) -> None:
    graph = wrapped(sketch, return_sequences=True)
    weights = graph.layers[0].weights
    assert_array_equal(weights["backward_kernel"].raw, 3 * weights["forward_kernel"].raw)
    assert [loop.reverse for loop in loops(graph)] == [False, True]
    kernels = [n.op.kernel for x in loops(graph) for n in x.body.nodes if isinstance(n.op, Dense)]
    assert_array_equal(kernels[0], weights["forward_kernel"].effective)
    assert_array_equal(kernels[-1], weights["backward_recurrent_kernel"].effective[:, 4:])
    assert graph.nodes[-1].op == Concat(2) and graph.shapes["both"] == (None, 4, 4)


def test_the_sequence_of_the_way_back_is_turned(sketch: Any) -> None:
    graph = wrapped(sketch, "QSimpleRNN", merge=None, return_sequences=True)
    assert [layer.name for layer in graph.layers] == ["both", "both:1"]
    turned = next(node for node in graph.nodes if node.name == "both:1")
    assert turned.op == Slice((None, None), (None, None), (-1, 1))
    values = evaluate(graph, {"x": sketch.ramp(1, 4, 3)})
    assert_array_equal(values["both:1"][:, ::-1], values[turned.inputs[0]])


@pytest.mark.parametrize(
    ("inner", "merge", "changed", "reason"),
    [
        ("Dense", "concat", {}, "Bidirectional around Dense"),
        ("LSTM", "concat", {"time_major": True}, "time_major=True"),
        ("GRU", "concat", {"colour": 1}, "unknown option colour"),
    ],
)
def test_what_is_refused_inside(
    sketch: Any, inner: str, merge: str, changed: dict[str, Any], reason: str
) -> None:
    layer = sketch.entry(inner, "inner", **options(inner, **changed))
    entry = sketch.entry("Bidirectional", "both", layer=layer, merge_mode=merge)
    with pytest.raises(UnsupportedError) as error:
        build_graph(sketch.file(sketch.sequential(sketch.source("x", 4, 3), entry)))
    assert reason in reasons(error)


def test_directions_that_no_keras_writes(sketch: Any) -> None:
    other = sketch.entry("QGRU", "inner", **options("QGRU", return_sequences=True))
    with pytest.raises(BadFileError, match="the same direction; only one of both layers returns"):
        wrapped(sketch, other=other)
    with pytest.raises(BadFileError, match="merge_mode='max'"):
        wrapped(sketch, merge="max")
    frozen = sketch.entry("QGRU", "inner", **options("QGRU", go_backwards=True))
    frozen["config"]["trainable"] = False
    with pytest.raises(UnsupportedError, match="another order"):
        wrapped(sketch, other=frozen)


def test_masks_of_pruned_recurrent_layers_are_applied_to_both_kernels(sketch: Any) -> None:
    raw = arrays(sketch, "QLSTM")
    inner = sketch.entry("QLSTM", "inner", **options("QLSTM"))
    entry = sketch.entry("PruneLowMagnitude", "pruned", layer=inner)
    masks = [(np.arange(v.size).reshape(v.shape) % 2).astype(np.float32) for v in raw.values()][:2]
    zero = np.zeros((), np.float32)
    stored = [*raw.values(), masks[0], zero, masks[1], zero, np.zeros((), np.int64)]
    model = sketch.sequential(sketch.source("x", 4, 3), entry)
    weights = build_graph(sketch.file(model, {"pruned": stored})).layers[0].weights
    for role, mask in zip(("kernel", "recurrent_kernel"), masks, strict=True):
        assert_array_equal(weights[role].effective[mask == 0], 0)
        assert np.any(weights[role].effective[mask == 1])
        assert_array_equal(weights[role].raw, raw[f"cell/{role}"])


def test_states_that_are_kept_are_inputs_and_outputs_of_the_model(sketch: Any) -> None:
    graph = built(sketch, "LSTM", stateful=True)
    assert [(s.name, s.shape) for s in graph.inputs[1:]] == [
        ("rnn/state_h", (None, 2)),
        ("rnn/state_c", (None, 2)),
    ]
    assert [output.name for output in graph.outputs] == [
        "rnn",
        "rnn/new_state_h",
        "rnn/new_state_c",
    ]
    assert [layer.name for layer in graph.layers] == ["rnn"]


def test_two_calls_go_on_where_one_call_would(sketch: Any) -> None:
    graph = built(sketch, "QLSTM", stateful=True, return_sequences=True)
    x = np.concatenate([sketch.ramp(1, 4, 3), -sketch.ramp(1, 4, 3)], axis=1)
    states = {source.name: np.zeros((1, 2), np.float32) for source in graph.inputs[1:]}
    whole = evaluate(graph, {"x": x, **states})
    first = evaluate(graph, {"x": x[:, :4], **states})
    new = {s.name: first[o.value] for s, o in zip(graph.inputs[1:], graph.outputs[1:], strict=True)}
    second = evaluate(graph, {"x": x[:, 4:], **new})
    both = np.concatenate([first["rnn"], second["rnn"]], axis=1)
    assert_array_equal(both, whole["rnn"])


def test_directions_of_different_kinds_keep_their_own_states(sketch: Any) -> None:
    layer = sketch.entry("QLSTM", "f", **options("QLSTM", stateful=True))
    other = sketch.entry("QGRU", "b", **options("QGRU", stateful=True, go_backwards=True))
    entry = sketch.entry(
        "QBidirectional", "both", layer=layer, backward_layer=other, merge_mode="sum"
    )
    weights = {f"f/{k}": v for k, v in arrays(sketch, "QLSTM").items()}
    weights |= {f"b/{k}": v for k, v in arrays(sketch, "QGRU").items()}
    model = sketch.sequential(sketch.source("x", 4, 3), entry)
    with pytest.raises(BadFileError, match="expected the weights"):
        build_graph(sketch.file(model, {"both": [*weights.values()][:4]}))
    graph = build_graph(sketch.file(model, {"both": [*weights.values()]}))
    names = ["forward_state_h", "forward_state_c", "backward_state_h"]
    assert [s.name for s in graph.inputs[1:]] == [f"both/{name}" for name in names]
    assert [o.name for o in graph.outputs[1:]] == [f"both/new_{name}" for name in names]


def test_a_stateful_layer_is_called_once_and_without_other_states(sketch: Any) -> None:
    layer = sketch.entry("GRU", "rnn", "x", "y", **options("GRU", stateful=True))
    sources = [sketch.source("x", 4, 3), sketch.source("y", 4, 3)]
    model = sketch.functional([*sources, layer], ["x", "y"], [["rnn", 0, 0], ["rnn", 1, 0]])
    with pytest.raises(UnsupportedError) as error:
        build_graph(sketch.file(model, {"rnn": arrays(sketch, "GRU")}))
    assert "called more than once" in reasons(error)
    layer = sketch.entry("GRU", "rnn", ("x", "s"), **options("GRU", stateful=True))
    sources = [sketch.source("x", 4, 3), sketch.source("s", 2)]
    model = sketch.functional([*sources, layer], ["x", "s"], ["rnn"])
    with pytest.raises(UnsupportedError) as error:
        build_graph(sketch.file(model, {"rnn": arrays(sketch, "GRU")}))
    assert "stateful=True with initial_state" in reasons(error)
