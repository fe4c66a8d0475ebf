"""Write the models of the test set that nobody trained, for operators that others have not.

Batch normalization stands between convolutions and quantizers in all but one of them. The same
weights are written each time. It needs TensorFlow; `scripts/targets.py --renew` is to follow.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import qkeras
import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest
from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.examples.example import Example, Keras, act, built, conv, dense, signed
from scripts.targeted.cases import MADE

#: What QKeras cannot say in integers, or in those of one byte.
_QUANTIZERS: Final = (
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


def normalized(x: Keras, layer: Keras, quantizer: Keras) -> Keras:
    """A layer, batch normalization and a quantizer."""
    return act(quantizer)(stock.BatchNormalization()(layer(x)))


def eight_bits(filters: int, size: int) -> Keras:
    """A convolution with all codes of weights: two of their products are more than 16 bits hold."""
    kernel = signed(8, alpha=1)
    return conv(filters, size, padding="same", kernel_quantizer=kernel, use_bias=False)


def four_bits(filters: int, size: int, strides: int = 1) -> Keras:
    """A convolution of few codes."""
    kernel = signed(4, alpha=1)
    return conv(filters, size, strides, padding="same", kernel_quantizer=kernel, use_bias=False)


def residual() -> Keras:
    """Two blocks with a way around them, of eight and of four bits."""
    source = Input((9, 7, 3), name="image")
    x = act("quantized_relu(8,0)")(source)
    x = normalized(x, eight_bits(8, 3), "quantized_relu(8,2)")
    y = normalized(x, eight_bits(8, 3), "quantized_relu(8,2)")
    y = normalized(y, eight_bits(8, 3), signed(8, 2, alpha=1))
    x = act("quantized_relu(4,2)")(stock.Add()([x, y]))
    y = normalized(x, four_bits(12, 3, strides=2), "quantized_relu(4,2)")
    y = normalized(y, four_bits(12, 3), signed(4, 2, alpha=1))
    x = normalized(x, four_bits(12, 1, strides=2), signed(4, 2, alpha=1))
    x = act("quantized_relu(4,2)")(stock.Add()([x, y]))
    x = act("quantized_relu(8,2)")(stock.GlobalAveragePooling2D()(x))
    return Model(source, dense(10, kernel_quantizer=signed(8, alpha=1))(x))


def sums() -> Keras:
    """Layers that are wide enough for integer sums, which nothing rounds before they are floats."""
    source = Input((12, 12, 32), name="image")
    x = act("quantized_relu(8,0)")(source)
    x = normalized(x, eight_bits(32, 3), "quantized_relu(8,2)")
    x = act("quantized_relu(8,2)")(stock.GlobalAveragePooling2D()(x))
    wide = dense(64, kernel_quantizer=signed(8, alpha=1), use_bias=False)
    x = normalized(x, wide, "quantized_relu(8,2)")
    x = act("quantized_relu(8,4)")(
        dense(24, kernel_quantizer=signed(4, alpha=1), use_bias=False)(x)
    )
    return Model(source, dense(10, kernel_quantizer=signed(8, alpha=1))(x))


def windows() -> Keras:
    """Sums that nothing rounds of weights of few bits: strided, dilated and of one element."""
    source = Input((9, 8, 32), name="image")
    x = act(signed(8, 1, alpha=1))(source)
    kernel = {"padding": "same", "kernel_quantizer": signed(4, alpha=1), "use_bias": False}
    y = qkeras.QConv2D(32, (3, 2), (2, 1), **kernel)(x)
    x = stock.Add()([qkeras.QConv2D(32, 3, (2, 1), **kernel)(x), y])
    dilated = qkeras.QConv2D(64, 3, dilation_rate=(1, 2), **kernel)
    x = normalized(act("quantized_relu(8,5)")(x), dilated, "quantized_relu(8,2)")
    return Model(source, qkeras.QConv2D(64, 1, **kernel)(stock.MaxPooling2D()(x)))


def depthwise() -> Keras:
    """Depthwise, transposed and separable convolutions, pools, and two branches joined."""
    few = {"bias_quantizer": signed(4, alpha=1)}
    source = Input((8, 8, 4), name="image")
    x = act("quantized_relu(8,0)")(source)
    first = {"depthwise_quantizer": signed(8, alpha=1), "use_bias": False}
    x = normalized(x, qkeras.QDepthwiseConv2D(3, padding="same", **first), "quantized_relu(8,2)")
    x = normalized(x, eight_bits(12, 1), "quantized_relu(8,2)")
    mean = act("quantized_relu(8,2)")(stock.AveragePooling2D()(x))
    x = stock.Concatenate()([stock.MaxPooling2D()(x), mean])
    up = qkeras.QConv2DTranspose(6, 2, strides=2, kernel_quantizer=signed(4, alpha=1), **few)
    x = act("quantized_relu(4,2)")(up(x))
    two = {"depthwise_quantizer": signed(4, alpha=1), "pointwise_quantizer": signed(4, alpha=1)}
    x = act("quantized_relu(6,3)")(qkeras.QSeparableConv2D(6, 3, **two, **few)(x))
    x = conv(2, 3, padding="same")(stock.UpSampling2D()(x))
    return Model(source, act(signed(16, 5, alpha=1))(x))


def groups() -> Keras:
    """Convolutions with groups, which become one kernel or floats, and means of four elements."""
    source = Input((8, 8, 12), name="image")
    x = act("quantized_relu(8,0)")(source)
    narrow = {"depthwise_quantizer": signed(4, alpha=1), "use_bias": False}
    x = normalized(x, qkeras.QDepthwiseConv2D(5, padding="same", **narrow), "quantized_relu(8,2)")
    several = qkeras.QDepthwiseConv2D(3, padding="same", depth_multiplier=2, **narrow)
    x = act("quantized_relu(4,2)")(several(x))
    for bits in (4, 8):
        kernel = signed(bits, alpha=1)
        x = normalized(x, conv(16, 3, groups=4, kernel_quantizer=kernel), "quantized_relu(8,2)")
    x = act("quantized_relu(8,2)")(stock.AveragePooling2D()(x))
    return Model(source, dense(5, kernel_quantizer=signed(8, alpha=1))(stock.Flatten()(x)))


def joins() -> Keras:
    """Convolutions that are concatenated in front of a quantizer, beside codes and floats."""
    source = Input((9, 7, 3), name="image")
    x = act("quantized_relu(4,0)")(source)
    wide = stock.Concatenate()([four_bits(6, 1)(x), four_bits(10, 3)(x), four_bits(4, 3)(x)])
    x = act("quantized_relu(4,2)")(stock.BatchNormalization()(wide))
    coarse = act("quantized_relu(4,3)")(x)
    mean = stock.AveragePooling2D(3, 1, padding="same")(x)
    beside = stock.Concatenate()([x, four_bits(6, 3)(x), coarse, mean])
    x = act("quantized_relu(4,2)")(stock.ZeroPadding2D(((1, 0), (0, 2)))(beside))
    x = act("quantized_sigmoid(6)")(four_bits(8, 3)(x))
    return Model(source, dense(5, kernel_quantizer=signed(8, alpha=1))(stock.Flatten()(x)))


def series() -> Keras:
    """A convolution along time and two kinds of recurrent layers."""
    recurrent = {
        "kernel_quantizer": signed(4, alpha=1),
        "recurrent_quantizer": signed(4, alpha=1),
        "bias_quantizer": signed(4, alpha=1),
        "state_quantizer": signed(4, alpha=1),
        "activation": "quantized_tanh(4)",
        "recurrent_activation": "quantized_sigmoid(4)",
    }
    source = Input((24, 3), name="series")
    x = act(signed(8, 2, alpha=1))(source)
    first = qkeras.QConv1D(8, 5, kernel_quantizer=signed(6, alpha=1), use_bias=False)
    x = stock.MaxPooling1D()(normalized(x, first, "quantized_relu(6,2)"))
    x = qkeras.QLSTM(6, return_sequences=True, **recurrent)(x)
    x = qkeras.QGRU(6, **recurrent)(act(signed(8, alpha=1))(x))
    x = act(signed(8, alpha=1))(x)
    return Model(source, dense(5, kernel_quantizer=signed(8, alpha=1))(x))


def quantizers() -> Keras:
    """Activations and weights of every kind."""
    source = Input((16,), name="x")
    x = act(signed(12, 3, alpha=1))(source)
    x = stock.Concatenate()([act(quantizer)(x) for quantizer in _QUANTIZERS])
    x = act("quantized_bits(8,2,alpha=1)")(x)
    weights = ("binary(alpha=1)", "ternary(alpha=1)", "quantized_po2(4)", signed(4), signed(8))
    branches = [dense(4, kernel_quantizer=each, use_bias=False)(x) for each in weights]
    return Model(source, act("quantized_bits(16,7,alpha=1)")(stock.Concatenate()(branches)))


MODELS: Final[tuple[Callable[[], Keras], ...]] = (
    residual,
    sums,
    windows,
    depthwise,
    groups,
    joins,
    series,
    quantizers,
)


def main() -> None:
    """Write all of them."""
    # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
    array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
    nest.is_sequence = nest.is_nested
    for build in MODELS:
        built(Example("", build)).save(MADE / f"{build.__name__}.h5")


if __name__ == "__main__":
    main()
