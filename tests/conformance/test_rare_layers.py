"""Layers that few models use against the real QKeras 0.9.0, as live models and bit for bit.

Weights and inputs are multiples of small powers of two unless a scale is float by itself.
"""

from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.frontend import build_graph
from qconvert.frontend.live import model_file
from qconvert.ir import F32
from qconvert.reference import evaluate

#: Objects of Keras and QKeras, which have no types.
Keras: TypeAlias = Any
Build: TypeAlias = Callable[[Keras, Keras], Keras]

IMAGE = (5, 6, 3)
#: Keras and QKeras warn of each other's habits.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def libraries(tf: ModuleType) -> Iterator[SimpleNamespace]:
    """QKeras and Keras, with what TensorFlow has lost since QKeras 0.9.0."""
    from tensorflow.python.ops import array_ops

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(array_ops, "stack", tf.stack, raising=False)
        yield SimpleNamespace(qkeras=pytest.importorskip("qkeras"), keras=tf.keras, tf=tf)


def grid(seed: int, *shape: int) -> F32:
    return np.random.default_rng(seed).integers(-40, 41, shape).astype(np.float32) / np.float32(16)


def compare(model: Keras, *shape: int, batch: int = 3) -> None:
    for layer in model.layers:
        layer.set_weights([grid(i, *w.shape) for i, w in enumerate(layer.get_weights())])
    x = grid(99, batch, *shape)
    expected = model(x, training=False)
    outputs = expected if isinstance(expected, list | tuple) else [expected]
    graph = build_graph(model_file(model))
    values = evaluate(graph, {graph.inputs[0].name: x})
    for output, real in zip(graph.outputs, outputs, strict=True):
        assert_array_equal(values[output.value], real.numpy())


FIXED = "quantized_bits(4,1,alpha=1)"
TRANSPOSED: dict[str, dict[str, Any]] = {
    "same": {"strides": 2, "padding": "same"},
    "valid": {"strides": (2, 3), "kernel_size": (3, 2)},
    "window smaller than stride": {"strides": 3, "kernel_size": 1},
    "output padding dropped": {"strides": 2, "padding": "same", "output_padding": 0},
    "dilated": {"dilation_rate": 2},
    "scale an input channel": {"kernel_quantizer": "quantized_bits(4,1)", "strides": 2},
    "ternary": {"kernel_quantizer": "ternary(alpha='auto_po2')"},
    "binary without bias": {"kernel_quantizer": "binary(alpha=1)", "use_bias": False},
    "powers of two": {"kernel_quantizer": "quantized_po2(4)"},
    "unquantized": {"kernel_quantizer": None, "bias_quantizer": None},
    "qkeras's hard sigmoid": {"activation": "hard_sigmoid"},
    "quantized output": {"activation": "quantized_relu(6,3)"},
}


@pytest.mark.parametrize("options", TRANSPOSED.values(), ids=TRANSPOSED)
@pytest.mark.parametrize("batch", [1, 7])
def test_transposed_convolutions(
    libraries: SimpleNamespace, options: dict[str, Any], batch: int
) -> None:
    keras, qkeras = libraries.keras, libraries.qkeras
    defaults = {"kernel_size": 3, "kernel_quantizer": FIXED, "bias_quantizer": FIXED}
    layer = qkeras.QConv2DTranspose(4, **{**defaults, **options})
    model = keras.Sequential([keras.layers.InputLayer(IMAGE, name="x"), layer])
    compare(model, *IMAGE, batch=batch)


LOW = np.array([-0.3, -1.5, -4.0, -7.9, -40.0], np.float32)
HIGH = np.array([0.9, 2.0, 3.7, 16.0, 1.0], np.float32)


@pytest.mark.parametrize("po2_rounding", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    ("activation", "options"),
    [
        ("quantized_bits", {}),
        ("quantized_bits", {"symmetric": False}),
        ("quantized_relu", {}),
        ("quantized_relu", {"relu_neg_slope": 0.25}),
        ("quantized_relu", {"relu_neg_slope": -0.5}),
    ],
)
def test_adaptive_activations_after_their_first_call(
    libraries: SimpleNamespace,
    activation: str,
    options: dict[str, Any],
    per_channel: bool,
    po2_rounding: bool,
) -> None:
    """Of all channels' extremes in one, and of single ones, at and next to powers of two."""
    choices = [(LOW, HIGH)] if per_channel else list(zip(LOW[:, None], HIGH[:, None], strict=True))
    x = np.concatenate([grid(1, 40, 5) * 8, np.array([[0.0, -0.0, 1, -1, 0.5]], np.float32)])
    for low, high in choices:
        keras, layer = (
            libraries.keras,
            libraries.qkeras.QAdaptiveActivation(
                activation,
                6,
                per_channel=per_channel,
                po2_rounding=po2_rounding,
                name="a",
                **options,
            ),
        )
        model = keras.Sequential([keras.layers.InputLayer((5,), name="x"), layer])
        layer.ema_min.assign(low)
        layer.ema_max.assign(high)
        graph = build_graph(model_file(model))
        model(x, training=False)
        second = model(x, training=False).numpy()
        assert_array_equal(evaluate(graph, {"x": x})[graph.outputs[0].value], second)


def test_an_upper_bound_of_a_live_adaptive_activation(libraries: SimpleNamespace) -> None:
    keras, qkeras = libraries.keras, libraries.qkeras
    layer = qkeras.QAdaptiveActivation("quantized_relu", 6, relu_upper_bound=1.0, name="a")
    model = keras.Sequential([keras.layers.InputLayer((5,), name="x"), layer])
    layer.ema_max.assign([3.0])
    model(np.zeros((1, 5), np.float32))
    compare(model, 5)


def mobile(first: bool) -> Build:
    def build(keras: Keras, qkeras: Keras) -> Keras:
        relu = "quantized_relu(5,3)"
        return qkeras.QMobileNetSeparableConv2D(
            5,
            3,
            depthwise_quantizer=FIXED,
            pointwise_quantizer=FIXED,
            bias_quantizer=FIXED,
            depthwise_activation=relu,
            depthwise_dropout_rate=0.5,
            activation=qkeras.QActivation(relu),
            pw_first=first,
            name="m",
        )

    return build


def octave(alpha: float) -> Build:
    def build(keras: Keras, qkeras: Keras) -> Keras:
        block = qkeras.QOctaveConv2D(
            4,
            3,
            alpha,
            use_separable=False,
            kernel_quantizer=FIXED,
            bias_quantizer=FIXED,
            acc_quantizer="quantized_bits(8,4,alpha=1)",
            activation="quantized_relu(6,3)",
            name="o",
        )
        return lambda x: block([x, None])[0]

    return build


@pytest.mark.parametrize(
    "build",
    [mobile(False), mobile(True), octave(-1.0), octave(0.0)],
    ids=["depthwise first", "pointwise first", "octave -1", "octave 0"],
)
def test_functions_expand_to_layers_that_are_known(
    libraries: SimpleNamespace, build: Build
) -> None:
    """Other alphas of QOctaveConv2D, and use_separable, fail in QKeras 0.9.0 itself."""
    keras, qkeras = libraries.keras, libraries.qkeras
    x = keras.Input(IMAGE, name="x")
    model = keras.Model(x, build(keras, qkeras)(x))
    compare(model, *IMAGE)
