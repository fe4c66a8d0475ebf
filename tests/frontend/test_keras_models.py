"""Real models: the same shapes as Keras's, and the same graph from a file and from memory."""

import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import UnsupportedError
from qconvert.frontend import build_graph
from qconvert.frontend.live import model_file
from qconvert.ir import Graph
from qconvert.modelfile import read_model


@pytest.fixture(scope="module")
def libraries() -> tuple[Any, Any, Any]:
    """TensorFlow, tf_keras and qkeras."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    names = ("tensorflow", "tf_keras", "qkeras")
    tf, keras, qkeras = (_quietly(pytest.importorskip, name) for name in names)
    return tf, keras, qkeras


def _quietly(action: Callable[..., Any], *args: Any) -> Any:
    """Keras and QKeras warn of each other's habits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return action(*args)


Q = {"kernel_quantizer": "quantized_bits(4,0,1)", "bias_quantizer": "quantized_bits(6,2,1)"}
DW = {"depthwise_quantizer": "quantized_bits(4,0,1)"}
SEPARABLE = {**DW, "pointwise_quantizer": "quantized_bits(4,0,1,alpha=1.0)"}


def convolutions(tf: Any, keras: Any, qkeras: Any) -> Any:
    x = inputs = keras.Input((17, 14, 3), name="image")
    x = qkeras.QConv2D(4, 3, strides=2, padding="same", name="c1", **Q)(x)
    x = qkeras.QActivation("quantized_relu(4,2)", name="a1")(x)
    x = qkeras.QDepthwiseConv2D(3, padding="same", dilation_rate=2, depth_multiplier=2, **DW)(x)
    x = qkeras.QBatchNormalization()(x)
    x = qkeras.QSeparableConv2D(6, (3, 2), padding="same", **SEPARABLE)(x)
    x = keras.layers.BatchNormalization()(x)
    y = keras.layers.MaxPooling2D(3, 2, padding="same")(x)
    z = qkeras.QAveragePooling2D(3, 2, padding="same", average_quantizer="quantized_bits(8,0,1)")(x)
    x = keras.layers.Concatenate()([y, z])
    x = keras.layers.ZeroPadding2D(((1, 0), (0, 2)))(x)
    x = keras.layers.Cropping2D(((0, 1), (1, 0)))(x)
    x = qkeras.QConv2DBatchnorm(4, 2, activation="quantized_relu(4)", **Q)(x)
    x = keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.UpSampling2D((1, 2))(x)
    left = keras.layers.Flatten()(x)
    right = qkeras.QGlobalAveragePooling2D(average_quantizer="quantized_bits(10,0,1)")(x)
    return keras.Model(inputs, [left, right])


def sequences(tf: Any, keras: Any, qkeras: Any) -> Any:
    block = keras.Sequential(
        [
            keras.layers.Input((12, 4)),
            qkeras.QConv1D(4, 3, padding="causal", activation=qkeras.quantized_tanh(4), **Q),
            qkeras.QSeparableConv1D(4, 3, strides=2, padding="same", **SEPARABLE),
        ],
        name="block",
    )
    inputs = [keras.Input((12, 4), name="left"), keras.Input((12, 4), name="right")]
    x = keras.layers.Subtract()([block(inputs[0]), block(inputs[1])])
    x = keras.layers.Permute((2, 1))(x)
    y = keras.layers.Reshape((2, -1))(x[:, :, 1:])
    x = keras.layers.AveragePooling1D(2)(keras.layers.Dropout(0.5)(x))
    y = keras.layers.GlobalMaxPooling1D()(y)
    z = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
    return keras.Model(inputs, [qkeras.QDense(3, **Q)(y), z])


def channels_first(tf: Any, keras: Any, qkeras: Any) -> Any:
    first = {"data_format": "channels_first"}
    x = inputs = keras.Input((3, 9, 8))
    x = qkeras.QConv2D(4, 3, padding="same", strides=2, **first, **Q)(x)
    x = keras.layers.BatchNormalization(axis=1)(x)
    x = qkeras.QDepthwiseConv2D(3, padding="same", **first, **DW)(x)
    x = qkeras.QDepthwiseConv2DBatchnorm(2, axis=1, **first, **DW)(x)
    x = keras.layers.UpSampling2D(2, **first)(x)
    return keras.Model(inputs, keras.layers.Flatten(**first)(x))


def losing_options(tf: Any, keras: Any, qkeras: Any) -> Any:
    kernel = qkeras.quantized_bits(4, alpha="auto_po2", scale_axis=2)
    bound = qkeras.quantized_relu(4, 1, relu_upper_bound=1.5, is_quantized_clip=False)
    x = inputs = keras.Input((6, 6, 3))
    x = qkeras.QDepthwiseConv2D(3, depthwise_quantizer=kernel, activation=bound)(x)
    return keras.Model(inputs, x)


MODELS = [convolutions, sequences, channels_first]


def _randomized(model: Any) -> Any:
    random = np.random.default_rng(0)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(random.uniform(0.1, 1, variable.shape).astype(np.float32))
    return model


@pytest.fixture(scope="module", params=MODELS, ids=lambda build: build.__name__)
def model(request: pytest.FixtureRequest, libraries: tuple[Any, Any, Any]) -> Any:
    return _randomized(_quietly(request.param, *libraries))


@pytest.fixture(scope="module")
def saved(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    path = tmp_path_factory.mktemp("models") / "model.h5"
    _quietly(model.save, path)
    return build_graph(read_model(path))


def test_every_layer_has_keras_output_shape(model: Any, saved: Graph) -> None:
    shapes = {layer.name: saved.shapes[layer.value] for layer in saved.layers}
    expected = {
        layer.name: layer.output_shape
        for layer in model.layers
        if not hasattr(layer, "layers") and "Input" not in type(layer).__name__
    }
    assert expected.items() <= shapes.items()


def test_inputs_and_outputs_are_keras(model: Any, saved: Graph) -> None:
    assert [value.name for value in saved.inputs] == model.input_names
    assert [value.name for value in saved.outputs] == model.output_names
    found = [saved.shapes[output.value] for output in saved.outputs]
    assert found == [tuple(value.shape) for value in model.outputs]


def test_a_live_model_gives_the_graph_of_its_file(model: Any, saved: Graph) -> None:
    _assert_same(_plain(build_graph(model_file(model))), _plain(saved))


def test_a_live_model_keeps_what_its_file_loses(libraries: tuple[Any, Any, Any]) -> None:
    model = _quietly(losing_options, *libraries)
    graph = build_graph(model_file(model))
    quantizer = graph.layers[0].weights["depthwise_kernel"].quantizer
    assert asdict(quantizer)["scale_axis"] == 2  # type: ignore[arg-type]
    assert asdict(graph.nodes[-1].op)["quantizer"]["is_quantized_clip"] is False


def test_a_live_normalization_tells_of_the_activation_that_it_never_applies(
    libraries: tuple[Any, Any, Any],
) -> None:
    _, keras, qkeras = libraries
    source = keras.Input((3,))
    layer = _quietly(lambda: qkeras.QBatchNormalization(activation="quantized_relu(4)"))
    (found,) = build_graph(model_file(_quietly(keras.Model, source, layer(source)))).layers
    assert found.notes == ("QKeras never applies activation='quantized_relu(4)'",)


SETTINGS = {
    "smooth sigmoid": ("set_internal_sigmoid", "smooth", "hard"),
    "real sigmoid": ("set_internal_sigmoid", "real", "hard"),
    "image_data_format": ("set_image_data_format", "channels_first", "channels_last"),
    "epsilon": ("set_epsilon", 1e-3, 1e-7),
    "floatx": ("set_floatx", "float64", "float32"),
    "learning_phase": ("set_learning_phase", 1, 0),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_that_no_file_keeps_are_refused(
    libraries: tuple[Any, Any, Any], setting: str
) -> None:
    _, keras, qkeras = libraries
    name, changed, usual = SETTINGS[setting]
    model = _quietly(losing_options, *libraries)
    change = getattr(qkeras.quantizers if "sigmoid" in setting else keras.backend, name)
    _quietly(change, changed)
    try:
        told = f"^{model.name}: .*{setting.split()[-1]}.* no file keeps"
        with pytest.raises(UnsupportedError, match=told):
            model_file(model)
    finally:
        _quietly(change, usual)
    assert model_file(model).weights


def test_a_subclass_is_unsupported_live_and_in_its_file(
    libraries: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    tf, keras, _ = libraries

    class Sub(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(name="sub")
            self.dense = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    model = Sub()
    model(tf.zeros((1, 3)))
    with pytest.raises(UnsupportedError, match=r"^sub: .*the model is of class 'Sub'"):
        model_file(model)
    _quietly(model.save, tmp_path / "sub.keras")
    with pytest.raises(UnsupportedError, match="the model is of class 'Sub'"):
        read_model(tmp_path / "sub.keras")


def _plain(value: Any) -> Any:
    """Dataclasses as nested dictionaries, the class with them."""
    if is_dataclass(value) and not isinstance(value, type):
        fields = {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _assert_same(found: Any, expected: Any, where: str = "graph") -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            _assert_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, one in enumerate(expected):
            _assert_same(found[i], one, f"{where}[{i}]")
    elif isinstance(expected, np.ndarray):
        assert_array_equal(found, expected, where)
    else:
        assert found == expected, where
