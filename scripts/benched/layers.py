"""What the networks of `architectures.py` are made of: layers of few bits, scale 1."""

from typing import Final

import qkeras
from tf_keras import layers as stock

from scripts.examples.example import Keras, act, conv, dense

PIXELS: Final = "quantized_relu(8,0)"
FEATURES: Final = "quantized_bits(8,3,alpha=1)"
#: Of what batch normalizations give, which is mostly between -2 and 2.
FOUR_BITS: Final = "quantized_relu(4,2)"
EIGHT_BITS: Final = "quantized_relu(8,2)"


def signed(bits: int) -> Keras:
    """A quantizer of weights."""
    return qkeras.quantized_bits(bits, 0, alpha=1)


def bits_of(bits: int) -> dict[str, Keras]:
    """The quantizers of a layer's kernel and bias."""
    return {"kernel_quantizer": signed(bits), "bias_quantizer": signed(bits)}


def plain_conv(filters: int, size: int, strides: int = 1, **options: Keras) -> Keras:
    """Of 4 bits, without a bias."""
    chosen = {"kernel_quantizer": signed(4)} | options
    return conv(filters, size, strides, padding="same", use_bias=False, **chosen)


def plain_dense(units: int, bits: int = 4) -> Keras:
    """Without a bias."""
    return dense(units, kernel_quantizer=signed(bits), use_bias=False)


def depthwise(size: int, strides: int, **options: Keras) -> Keras:
    """Of 4 bits, without a bias."""
    chosen = {"depthwise_quantizer": signed(4), "use_bias": False} | options
    return qkeras.QDepthwiseConv2D(size, strides=strides, padding="same", **chosen)


def normalized(layer: Keras) -> tuple[Keras, Keras]:
    """The layer and what normalizes its results."""
    return layer, stock.BatchNormalization()


def classified(x: Keras, classes: int) -> Keras:
    """The usual end: the mean of each channel, and a dense layer."""
    mean = (stock.GlobalAveragePooling2D(), act(EIGHT_BITS))
    return through(x, *mean, dense(classes, **bits_of(4)))


def through(x: Keras, *layers: Keras) -> Keras:
    """What the layers make of *x*, one after the other."""
    for layer in layers:
        x = layer(x)
    return x
