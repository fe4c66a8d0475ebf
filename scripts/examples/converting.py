"""Float networks that QKeras's tests and notebooks let ``model_quantize`` convert."""

from collections.abc import Mapping
from typing import Final, TypeAlias
from unittest.mock import patch

import tf_keras
from qkeras.utils import _add_supported_quantized_objects, convert_to_folded_model, model_quantize
from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.examples.example import Example, Keras, chain, conv, softmax

#: Quantizers by layer or by class, each by argument or as one.
Choice: TypeAlias = Mapping[str, Mapping[str, str] | str]

_BINARY: Final = {"kernel_quantizer": "binary", "bias_quantizer": "binary"}
_TERNARY: Final = {"kernel_quantizer": "ternary", "bias_quantizer": "ternary"}


def quantized(model: Keras, choice: Choice, *, folding: bool = False) -> Keras:
    """``model_quantize``, to four bits where *choice* says nothing."""
    with patch.multiple(tf_keras.layers, create=True, **_layers()):
        return model_quantize(model, choice, 4, enable_bn_folding=folding)


def _layers() -> dict[str, Keras]:
    """QKeras's classes, which this Keras looks for beside those of the layers they replace."""
    found: dict[str, Keras] = {}
    _add_supported_quantized_objects(found)
    return found


def _digits(*first: Keras) -> Keras:
    last = stock.Conv2D(32, 3, activation="relu")
    return chain((28, 28, 1), *first, stock.Activation("relu"), last, softmax())


def converted_kernels() -> Keras:
    """Binary kernels; activations of no class stay what they were."""
    return quantized(_digits(stock.Conv2D(32, 3)), {"QConv2D": _BINARY})


def converted_activations() -> Keras:
    """A relu that becomes ternary beside one that becomes a quantized relu."""
    choice: Choice = {"QConv2D": _BINARY, "QActivation": {"relu": "ternary"}}
    return quantized(_digits(stock.Conv2D(32, 3)), choice)


def converted_outputs() -> Keras:
    """Layers with binary activations, the last of them of QKeras before."""
    model = chain(
        (28, 28, 1),
        stock.Conv2D(32, 3),
        stock.Activation("relu"),
        stock.Conv2D(32, 3, activation="relu"),
        softmax(),
        conv(32, 3, activation="quantized_relu(4)", kernel_quantizer=None, bias_quantizer=None),
    )
    return quantized(model, {"QConv2D": {**_BINARY, "activation_quantizer": "binary"}})


def converted_bits() -> Keras:
    """Four bits, and a ternary relu."""
    bits = "quantized_bits(4)"
    weights = {"kernel_quantizer": bits, "bias_quantizer": bits}
    choice: Choice = {"QConv2D": weights, "QActivation": {"relu": "ternary"}}
    return quantized(_digits(stock.Conv2D(32, 3)), choice)


def converted_and_folded() -> Keras:
    """Batch normalizations that become a part of the layers before them."""
    model = chain(
        (28, 28, 1),
        stock.Conv2D(32, 3),
        stock.BatchNormalization(),
        stock.Activation("relu"),
        stock.DepthwiseConv2D(3, activation="relu"),
        stock.BatchNormalization(),
        softmax(),
    )
    depthwise = {"depthwise_quantizer": "ternary", "bias_quantizer": "ternary"}
    choice: Choice = {
        "QActivation": {"relu": "ternary"},
        "QConv2DBatchnorm": _TERNARY,
        "QDepthwiseConv2DBatchnorm": depthwise,
    }
    return quantized(model, choice, folding=True)


def _three_convolutions() -> Keras:
    layers: list[Keras] = []
    for number, filters in enumerate((128, 256, 128)):
        layers += [
            stock.Conv2D(filters, 3, name=f"conv_{number}"),
            stock.Activation("relu", name=f"act_{number}"),
            stock.MaxPooling2D(2, 2),
        ]
    dense = stock.Dense(10, name="dense")
    return chain((32, 32, 3), *layers, stock.Flatten(), dense, softmax())


def converted_photos() -> Keras:
    """Quantizers by the names of layers, and by class for what is left."""
    bits = {"bias_quantizer": "quantized_bits(4,0,1)"}
    few = "quantized_bits(3,0,1)"
    choice: Choice = {
        "conv_0": {"kernel_quantizer": "binary()", **bits},
        "conv_1": {"kernel_quantizer": "ternary()", **bits},
        "act_2": "quantized_relu(6,2)",
        "QActivation": {"relu": "quantized_relu(4,0)"},
        "QConv2D": {"kernel_quantizer": "quantized_bits(4,0,1)", **bits},
        "QDense": {"kernel_quantizer": few, "bias_quantizer": few},
    }
    return quantized(_three_convolutions(), choice)


def converted_without_help() -> Keras:
    """``model_quantize`` as this Keras finds it."""
    return model_quantize(_three_convolutions(), {"QConv2D": _BINARY}, 4)


def converted_pooling() -> Keras:
    """Averages with binary and four-bit reciprocals."""
    model = chain((16, 16, 3), stock.AveragePooling2D(2), stock.GlobalAveragePooling2D())
    binary = {"average_quantizer": "binary", "activation_quantizer": "binary"}
    few = {"average_quantizer": "quantized_bits(4, 0, 1)", "activation_quantizer": "ternary"}
    return quantized(model, {"QAveragePooling2D": binary, "QGlobalAveragePooling2D": few})


def folded_sum() -> Keras:
    """Two normalized branches, added, after ``convert_to_folded_model``."""
    source = Input((4, 4, 1))
    branches = []
    for number in (1, 2):
        x = stock.Conv2D(4, 2, name=f"conv_{number}")(source)
        x = stock.BatchNormalization(name=f"bn_{number}")(x)
        branches.append(stock.Activation("relu", name=f"relu_{number}")(x))
    model = Model(source, stock.Softmax(name="softmax")(stock.Add(name="sum")(branches)))
    return convert_to_folded_model(model)[0]


def written_hard_swish() -> Keras:
    """A function that is written with operators."""
    source = Input((4, 4, 1))
    x = stock.Conv2D(4, 2, name="conv")(source)
    gate = stock.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
    return Model(source, stock.Multiply(name="product")([gate, x]))


_SOFTMAX: Final = ("softmax",)
_AUTOMATIC: Final = "tests/automatic_conversion_test"
EXAMPLES: Final = (
    Example(_AUTOMATIC, converted_kernels, _SOFTMAX),
    Example(_AUTOMATIC, converted_activations, _SOFTMAX),
    Example(_AUTOMATIC, converted_outputs, _SOFTMAX),
    Example("tests/utils_test", converted_bits, _SOFTMAX),
    Example("tests/print_qstats_test", converted_and_folded, _SOFTMAX),
    Example("examples/example_keras_to_qkeras", converted_photos, _SOFTMAX),
    Example(
        "examples/example_keras_to_qkeras",
        converted_without_help,
        impossible="Could not locate class 'QConv2D'",
    ),
    Example("tests/qpooling_test", converted_pooling),
    Example("tests/utils_test", folded_sum, _SOFTMAX),
    Example("tests/utils_test", written_hard_swish),
)
