"""The networks of QKeras's README and tutorial, and of its functions that are many layers."""

from typing import Final

import qkeras
from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.examples.classifiers import DIGIT, PHOTO
from scripts.examples.example import Example, Keras, act, chain, conv, dense, signed, softmax


def tutorial() -> Keras:
    """Kernels that are ternary at random while they are trained."""

    def ternary(filters: int) -> Keras:
        texts = {"kernel_quantizer": "stochastic_ternary", "bias_quantizer": "quantized_po2(4)"}
        return qkeras.QConv2D(filters, 3, **texts)

    return chain(
        DIGIT,
        ternary(18),
        act("quantized_relu(2)"),
        ternary(32),
        act("quantized_relu(2)"),
        stock.Flatten(),
        dense(10, kernel_quantizer="quantized_bits(3,0,1)", bias_quantizer="quantized_bits(3)"),
        softmax(),
    )


def readme() -> Keras:
    """The network that the README quantizes, but for what it asks between the kernels."""
    return chain(PHOTO, *_readme_layers())


def readme_literally() -> Keras:
    """With an activation between the depthwise and the pointwise kernel."""
    return chain(PHOTO, *_readme_layers(depthwise_activation=qkeras.quantized_tanh(6, 2, 1)))


def _readme_layers(**options: Keras) -> list[Keras]:
    bits = qkeras.quantized_bits
    return [
        conv(18, 3, kernel_quantizer="stochastic_ternary", bias_quantizer="ternary"),
        act("quantized_relu(3)"),
        qkeras.QSeparableConv2D(
            32,
            3,
            depthwise_quantizer=bits(4, 0, 1),
            pointwise_quantizer=bits(3, 0, 1),
            bias_quantizer=bits(3),
            **options,
        ),
        act("quantized_relu(3)"),
        stock.Flatten(),
        dense(10, kernel_quantizer=bits(3), bias_quantizer=bits(3)),
        act("quantized_bits(20, 5)"),
        softmax(),
    ]


def octaves() -> Keras:
    """Separable octave convolutions, as documented."""
    block = qkeras.QOctaveConv2D(
        32, 3, 0.5, strides=2, use_separable=True, depthwise_activation="quantized_bits(6,2,1)"
    )
    source = Input((256, 256, 3))
    return Model(source, block([source, None]))


def octaves_of_one_frequency() -> Keras:
    """Octave convolutions as far as this QKeras has them, and the documented end."""
    x = source = Input((64, 64, 3))
    for filters in (32, 64, 32):
        x, _ = qkeras.QOctaveConv2D(
            filters,
            3,
            0.0,
            strides=2,
            padding="same",
            use_separable=False,
            kernel_quantizer="quantized_bits(4,1)",
            bias_quantizer="quantized_bits(4,1)",
            acc_quantizer="quantized_bits(16,7,1)",
            activation="quantized_relu(6,2)",
            name=f"octave_{filters}_{len(x.shape)}_{x.shape[1]}",
        )([x, None])
    x = stock.UpSampling2D(2)(x)
    return Model(source, softmax()(conv(2, 2, padding="same")(x)))


def mobile() -> Keras:
    """Blocks of a depthwise and a pointwise convolution."""
    x = source = Input(PHOTO)
    for filters, first in ((8, False), (16, True)):
        x = qkeras.QMobileNetSeparableConv2D(
            filters,
            3,
            strides=2,
            depthwise_quantizer=signed(4),
            pointwise_quantizer=signed(4),
            bias_quantizer=signed(4),
            depthwise_activation="quantized_relu(6,2)",
            depthwise_dropout_rate=0.25,
            activation=qkeras.quantized_relu(6, 3),
            pw_first=first,
            name=f"block_{filters}",
        )(x)
    return Model(source, softmax()(dense(10)(stock.GlobalMaxPooling2D()(x))))


_SOFTMAX: Final = ("softmax",)
EXAMPLES: Final = (
    Example("notebook/QKerasTutorial", tutorial, _SOFTMAX),
    Example("README", readme, _SOFTMAX),
    Example("README", readme_literally, impossible="depthwise_activation"),
    Example("examples/example_qoctave", octaves, impossible="depthwise_activation"),
    Example("examples/example_qoctave", octaves_of_one_frequency, _SOFTMAX),
    Example("QMobileNetSeparableConv2D", mobile, _SOFTMAX),
)
