"""What a model gets that cannot be converted, or that does not fit together."""

from typing import Any

import numpy as np
import pytest

from qconvert.errors import BadFileError, BadModelError, UnsupportedError
from qconvert.frontend import build_graph


def test_every_unsupported_part_is_reported_at_once(sketch: Any) -> None:
    layers = [
        sketch.source("x", 4),
        sketch.entry("Reservoir", "rnn", "x"),
        sketch.entry("QActivation", "act", "rnn", activation="bernoulli"),
        sketch.dense("dense", "act", surprise=1, activation="quantized_relu(4)"),
        sketch.entry("Lambda", "code", "dense"),
    ]
    weights = {"dense": [sketch.ramp(4, 2), sketch.ramp(2)]}
    with pytest.raises(UnsupportedError) as raised:
        build_graph(sketch.file(sketch.functional(layers, ["x"], ["code"]), weights))
    found = [(problem.layer, problem.reason) for problem in raised.value.problems]
    assert [layer for layer, _ in found] == ["rnn", "act", "dense", "dense", "code"]
    assert "similar names: " not in found[0][1]
    assert "surprise=1" in found[3][1]
    assert "nothing of it was executed" in found[4][1]


def test_what_is_wrong_hides_nothing_else(sketch: Any) -> None:
    """Each layer has a problem of its own, and one has two."""
    kernel = sketch.ramp(4, 2)
    kernel[1, 1] = float("nan")
    right = {"kernel": sketch.ramp(4, 2), "bias": sketch.ramp(2)}
    layers = [
        sketch.source("x", 4),
        sketch.entry("Reservoir", "unknown", "x"),
        sketch.entry("QActivation", "bad_text", "x", activation="quantized_relu((4)"),
        sketch.dense("wrong_shape", "x"),
        sketch.dense("missing_bias", "x"),
        sketch.dense("dangling", "nowhere"),
        sketch.dense("not_finite", "x"),
        sketch.dense("impossible", "x", units=-1, surprise=1),
        sketch.dense("circle", "circle"),
        sketch.entry("Activation", "unconnected", activation="relu"),
    ]
    weights = {
        "wrong_shape": right | {"kernel": sketch.ramp(2, 4)},
        "missing_bias": {"kernel": sketch.ramp(4, 2)},
        "dangling": right,
        "not_finite": right | {"kernel": kernel},
        "impossible": right,
        "circle": right,
        "nobody": right,
    }
    with pytest.raises(BadModelError) as raised:
        build_graph(sketch.file(sketch.functional(layers, ["x"], ["dangling"]), weights))
    assert raised.value.code == "QC309"
    assert [(problem.layer, problem.code) for problem in raised.value.problems] == [
        ("", "QC313"),
        ("", "QC311"),
        ("", "QC310"),
        ("wrong_shape", "QC501"),
        ("missing_bias", "QC502"),
        ("not_finite", "QC503"),
        ("impossible", "QC321"),
        ("", "QC505"),
        ("unknown", "QC302"),
        ("bad_text", "QC401"),
        ("impossible", "QC323"),
    ]
    assert "weights of unknown layers: nobody [QC505]" in str(raised.value)
    for problem in raised.value.problems:
        assert f"  {problem} [{problem.code}]" in str(raised.value).splitlines()


def test_problems_of_one_kind_have_its_code(sketch: Any) -> None:
    layers = [sketch.source("x", 4), *(sketch.dense(name, "nowhere") for name in "ab")]
    weights = {name: [sketch.ramp(4, 2), sketch.ramp(2)] for name in "ab"}
    with pytest.raises(BadModelError) as raised:
        build_graph(sketch.file(sketch.functional(layers, ["x"], ["a"]), weights))
    assert raised.value.code == "QC311"


def test_a_misspelt_class_gets_a_hint(sketch: Any) -> None:
    layers = [sketch.source("x", 4), sketch.entry("QDens", "d", "x")]
    with pytest.raises(UnsupportedError, match="similar names: QDense"):
        build_graph(sketch.file(sketch.functional(layers, ["x"], ["d"])))


def test_a_class_of_a_foreign_module_is_unsupported(sketch: Any) -> None:
    layer = sketch.entry("Activation", "a", "x", activation="relu") | {"module": "os"}
    with pytest.raises(UnsupportedError, match="of the module 'os'"):
        build_graph(sketch.file(sketch.functional([sketch.source("x", 4), layer], ["x"], ["a"])))


def test_a_shared_layer_is_reported_once(sketch: Any) -> None:
    layer = sketch.entry("Activation", "a", "x", [["a", 0, 0, {}]], activation="nonsense")
    config = sketch.functional([sketch.source("x", 4), layer], ["x"], [["a", 1, 0]])
    with pytest.raises(UnsupportedError) as raised:
        build_graph(sketch.file(config))
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "expected the weights kernel, bias; found none"),
        ({"kernel": (4, 2)}, r"found d/kernel:0 \(4, 2\)"),
        ({"kernel": (4, 2), "bias": (2,), "extra": (1,)}, "d/extra:0"),
        ({"kernel": (4, 2), "gamma": (2,)}, "d/gamma:0"),
        ({"kernel": (2, 4), "bias": (2,)}, r"shape \(2, 4\), the configuration asks for \(4, 2\)"),
        ({"kernel": (4, 2), "bias": (3,)}, r"bias has shape \(3,\)"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    sketch: Any, weights: dict[str, tuple[int, ...]], message: str
) -> None:
    config = sketch.functional([sketch.source("x", 4), sketch.dense("d", "x")], ["x"], ["d"])
    arrays = {name: sketch.ramp(*shape) for name, shape in weights.items()}
    with pytest.raises(BadFileError, match=message):
        build_graph(sketch.file(config, {"d": arrays}))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_float64_layer_is_one_unsupported_part_of_several(sketch: Any, dtype: str) -> None:
    """By its configuration, or by its weights alone."""
    layers = [
        sketch.source("x", 4),
        sketch.dense("d", "x", dtype=dtype),
        sketch.entry("Reservoir", "r", "d"),
    ]
    weights = {"d": [sketch.ramp(4, 2).astype(np.float64), sketch.ramp(2).astype(np.float64)]}
    with pytest.raises(UnsupportedError) as raised:
        build_graph(sketch.file(sketch.functional(layers, ["x"], ["r"]), weights))
    assert [problem.layer for problem in raised.value.problems] == ["d", "r"]
    assert "float64" in raised.value.problems[0].reason


def test_weights_that_are_not_finite_are_refused(sketch: Any) -> None:
    config = sketch.functional([sketch.source("x", 4), sketch.dense("d", "x")], ["x"], ["d"])
    kernel = sketch.ramp(4, 2)
    kernel[1, 1] = float("nan")
    with pytest.raises(BadFileError, match=r"layer 'd': .* the first at \(1, 1\)"):
        build_graph(sketch.file(config, {"d": [kernel, sketch.ramp(2)]}))


def test_huge_options_are_compared_with_the_weights(sketch: Any) -> None:
    conv = sketch.conv2d("c", "x", filters=2**40)
    config = sketch.functional([sketch.source("x", 8, 8, 3), conv], ["x"], ["c"])
    with pytest.raises(BadFileError, match=r"asks for .*1099511627776"):
        build_graph(sketch.file(config, {"c": [sketch.ramp(3, 3, 3, 2)]}))


def test_a_window_larger_than_its_input_is_refused(sketch: Any) -> None:
    config = sketch.functional([sketch.source("x", 2, 8, 3), sketch.conv2d("c", "x")], ["x"], ["c"])
    with pytest.raises(BadFileError, match="'c': does not fit"):
        build_graph(sketch.file(config, {"c": [sketch.ramp(3, 3, 3, 2)]}))


@pytest.mark.parametrize("class_name", ["Conv1D", "QConv1D"])
def test_only_qkeras_pads_the_channels_of_a_causal_convolution(
    sketch: Any, class_name: str
) -> None:
    window = {"kernel_size": [3], "strides": [1], "dilation_rate": [1], "padding": "causal"}
    options = window | {"class_name": class_name, "data_format": "channels_first"}
    conv = sketch.conv2d("c", "x", **options)
    config = sketch.functional([sketch.source("x", 3, 8), conv], ["x"], ["c"])
    file = sketch.file(config, {"c": [sketch.ramp(3, 3, 2)]})
    if class_name == "Conv1D":
        assert build_graph(file).shapes["c"] == (None, 2, 8)
        return
    with pytest.raises(UnsupportedError, match="where QKeras pads the channels"):
        build_graph(file)


@pytest.mark.parametrize(
    ("class_name", "options", "reason"),
    [
        ("Conv2D", {"strides": [2, 2], "dilation_rate": [2, 2]}, "which Keras cannot run"),
        ("Conv2D", {"padding": "evil"}, "padding='evil'"),
        ("FQConv2D", {"ber": 0.01, "bit_loc": 0}, "ber=0.01"),
        ("Conv2D", {"dtype": "float16"}, "dtype='float16'"),
    ],
)
def test_options_that_change_or_break_the_layer_are_refused(
    sketch: Any, class_name: str, options: Any, reason: str
) -> None:
    conv = sketch.conv2d("c", "x", class_name=class_name, **options)
    config = sketch.functional([sketch.source("x", 8, 8, 3), conv], ["x"], ["c"])
    with pytest.raises(UnsupportedError, match=reason):
        build_graph(sketch.file(config, {"c": [sketch.ramp(3, 3, 3, 2)]}))


AUTOMATIC = "quantized_bits(4,0,1,alpha='auto')"


def test_scales_of_the_batch_are_allowed_where_they_are_frozen(sketch: Any) -> None:
    act = sketch.entry("QActivation", "act", activation=AUTOMATIC)
    file = sketch.file(sketch.sequential(sketch.source("x", 4), act))
    assert build_graph(file, freezing=True).nodes[0].name == "act"
    with pytest.raises(UnsupportedError, match="--freeze-scales"):
        build_graph(file)


def test_scales_of_every_step_are_not_frozen(sketch: Any) -> None:
    act = {"class_name": "QActivation", "config": {"name": "act", "activation": AUTOMATIC}}
    layer = sketch.entry("TimeDistributed", "time", layer=act)
    with pytest.raises(UnsupportedError, match="at every step"):
        build_graph(sketch.file(sketch.sequential(sketch.source("x", 2, 4), layer)), freezing=True)
    options = {"units": 2, "use_bias": False, "activation": AUTOMATIC, "kernel_quantizer": None}
    quantizers = {f"{name}_quantizer": None for name in ("recurrent", "bias", "state")}
    rnn = sketch.entry("QSimpleRNN", "rnn", **options, **quantizers)
    weights = {"rnn": [sketch.ramp(4, 2), sketch.ramp(2, 2)]}
    with pytest.raises(UnsupportedError, match="at every step"):
        model = sketch.sequential(sketch.source("x", 2, 4), rnn)
        build_graph(sketch.file(model, weights), freezing=True)


def test_random_numbers_are_not_frozen(sketch: Any) -> None:
    act = sketch.entry("QActivation", "act", activation="bernoulli(alpha='auto')")
    with pytest.raises(UnsupportedError, match="draws random numbers"):
        build_graph(sketch.file(sketch.sequential(sketch.source("x", 4), act)), freezing=True)
