"""Small models with the operators that trained ones in tests/data do not have; needs TensorFlow.

Batch normalization stands between convolutions and quantizers in all but one of them.
"""

from collections.abc import Callable, Mapping
from typing import Final

import qkeras
from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.examples.example import Example, Keras, act, built, conv, dense, signed

#: Every eight-bit code of weights: 254 times 127 twice is more than 16 bits hold.
_EIGHT: Final = {"kernel_quantizer": "quantized_bits(8,0,1,alpha=1)", "use_bias": False}
_FOUR: Final = {"kernel_quantizer": "quantized_bits(4,0,1,alpha=1)", "use_bias": False}


def residual() -> Keras:
    """Convolutions with two blocks around which a shortcut goes, of eight and of four bits."""
    x = source = Input((9, 7, 3), name="image")
    x = act("quantized_relu(8,0)")(x)
    x = act("quantized_relu(8,2)")(
        stock.BatchNormalization()(conv(8, 3, padding="same", **_EIGHT)(x))
    )
    y = act("quantized_relu(8,2)")(
        stock.BatchNormalization()(conv(8, 3, padding="same", **_EIGHT)(x))
    )
    y = act(signed(8, 2, alpha=1))(
        stock.BatchNormalization()(conv(8, 3, padding="same", **_EIGHT)(y))
    )
    x = act("quantized_relu(4,2)")(stock.Add()([x, y]))
    y = act("quantized_relu(4,2)")(
        stock.BatchNormalization()(conv(12, 3, 2, padding="same", **_FOUR)(x))
    )
    y = act(signed(4, 2, alpha=1))(
        stock.BatchNormalization()(conv(12, 3, padding="same", **_FOUR)(y))
    )
    x = act(signed(4, 2, alpha=1))(stock.BatchNormalization()(conv(12, 1, 2, **_FOUR)(x)))
    x = act("quantized_relu(4,2)")(stock.Add()([x, y]))
    x = act("quantized_relu(8,2)")(stock.GlobalAveragePooling2D()(x))
    return Model(source, dense(10, kernel_quantizer=signed(8, alpha=1))(x))


def depthwise() -> Keras:
    """Depthwise, transposed and separable convolutions, pools, and two branches joined."""
    x = source = Input((8, 8, 4), name="image")
    x = act("quantized_relu(8,0)")(x)
    x = qkeras.QDepthwiseConv2D(
        3, padding="same", depthwise_quantizer=signed(8, alpha=1), use_bias=False
    )(x)
    x = act("quantized_relu(8,2)")(stock.BatchNormalization()(x))
    x = act("quantized_relu(8,2)")(stock.BatchNormalization()(conv(12, 1, **_EIGHT)(x)))
    down = stock.MaxPooling2D()(x)
    mean = act("quantized_relu(8,2)")(stock.AveragePooling2D(2)(x))
    x = stock.Concatenate()([down, mean])
    x = qkeras.QConv2DTranspose(
        6, 2, strides=2, kernel_quantizer=signed(4, alpha=1), bias_quantizer=signed(4, alpha=1)
    )(x)
    x = act("quantized_relu(4,2)")(x)
    x = qkeras.QSeparableConv2D(
        6,
        3,
        depthwise_quantizer=signed(4, alpha=1),
        pointwise_quantizer=signed(4, alpha=1),
        bias_quantizer=signed(4, alpha=1),
    )(x)
    x = stock.UpSampling2D()(act("quantized_relu(6,3)")(x))
    return Model(source, act(signed(16, 5, alpha=1))(conv(2, 3, padding="same")(x)))


def series() -> Keras:
    """Convolutions along time and two kinds of recurrent layers."""
    quantizers = {
        "kernel_quantizer": signed(4, alpha=1),
        "recurrent_quantizer": signed(4, alpha=1),
        "bias_quantizer": signed(4, alpha=1),
        "state_quantizer": signed(4, alpha=1),
        "activation": "quantized_tanh(4)",
        "recurrent_activation": "quantized_sigmoid(4)",
    }
    x = source = Input((24, 3), name="series")
    x = act(signed(8, 2, alpha=1))(x)
    x = qkeras.QConv1D(8, 5, kernel_quantizer=signed(6, alpha=1), use_bias=False)(x)
    x = act("quantized_relu(6,2)")(stock.BatchNormalization()(x))
    x = stock.MaxPooling1D()(x)
    x = qkeras.QLSTM(6, return_sequences=True, **quantizers)(x)
    x = qkeras.QGRU(6, **quantizers)(act(signed(8, alpha=1))(x))
    return Model(source, dense(5, kernel_quantizer=signed(8, alpha=1))(act(signed(8, alpha=1))(x)))


def quantizers() -> Keras:
    """Quantizers that integers cannot say, on activations and on weights."""
    x = source = Input((16,), name="x")
    x = act(signed(12, 3, alpha=1))(x)
    activations = (
        "quantized_po2(4)",
        "quantized_relu_po2(4,2)",
        "quantized_tanh(6,use_real_tanh=True)",
        "quantized_sigmoid(6,use_real_sigmoid=True)",
        "quantized_ulaw(6)",
        "quantized_hswish(6,1)",
        "binary(alpha=1)",
        "ternary(alpha=1)",
        "quantized_bits(10,2,alpha=1)",
        "quantized_bits(16,3,alpha=1)",
        "quantized_bits(8,2,alpha=0.3)",
        "quantized_relu(8,2,negative_slope=0.25)",
        "hard_tanh",
    )
    x = stock.Concatenate()([act(each)(x) for each in activations])
    x = act("quantized_bits(8,2,alpha=1)")(x)
    weights = ("binary(alpha=1)", "ternary(alpha=1)", "quantized_po2(4)", signed(4), signed(8))
    branches = [dense(4, kernel_quantizer=each, use_bias=False)(x) for each in weights]
    return Model(source, act("quantized_bits(16,7,alpha=1)")(stock.Concatenate()(branches)))


MADE: Final[Mapping[str, Callable[[], Keras]]] = {
    "residual": residual,
    "depthwise": depthwise,
    "series": series,
    "quantizers": quantizers,
}


def make(name: str) -> Keras:
    """A model of the table; the same for the same name."""
    return built(Example("", MADE[name]))
