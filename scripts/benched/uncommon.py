"""Networks of what ONNX Runtime has slow integer kernels of, or none: groups, means, floats.

And of what it does not make some of by itself.
"""

from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.benched.layers import (
    EIGHT_BITS,
    FOUR_BITS,
    PIXELS,
    bits_of,
    classified,
    depthwise,
    normalized,
    plain_conv,
    plain_dense,
    signed,
    through,
)
from scripts.examples.example import Keras, act, chain, conv, dense


def grouped_cnn() -> Keras:
    """Blocks as in ResNeXt, of 16 and 32 groups with 4 channels each."""
    source = Input((32, 32, 3), name="input")
    x = through(source, act(PIXELS), *normalized(plain_conv(64, 3)), act(FOUR_BITS))
    for filters, groups, strides in ((64, 16, 1), (64, 16, 2), (128, 32, 2)):
        x = through(x, *normalized(plain_conv(filters, 1)), act(FOUR_BITS))
        x = through(x, *normalized(plain_conv(filters, 3, strides, groups=groups)), act(FOUR_BITS))
    return Model(source, classified(x, 10))


def multiplier_cnn() -> Keras:
    """Depthwise convolutions with several outputs a channel, with biases."""
    layers: list[Keras] = [act(PIXELS)]
    for multiplier, filters, strides in ((4, 16, 1), (2, 32, 2), (2, 64, 2)):
        layers += [depthwise(3, strides, depth_multiplier=multiplier, **_biased()), act(FOUR_BITS)]
        layers += [*normalized(plain_conv(filters, 1)), act(FOUR_BITS)]
    source = Input((32, 32, 3), name="input")
    return Model(source, classified(through(source, *layers), 10))


def narrow_depthwise_net() -> Keras:
    """Depthwise separable convolutions of 4 to 20 channels, without normalization."""
    layers: list[Keras] = [act(PIXELS)]
    for filters, strides in ((4, 1), (12, 2), (20, 2)):
        layers += [conv(filters, 1, **bits_of(4)), act(FOUR_BITS)]
        layers += [depthwise(5, strides, **_biased()), act(FOUR_BITS)]
    source = Input((32, 32, 3), name="input")
    return Model(source, classified(through(source, *layers), 10))


def odd_cnn() -> Keras:
    """Few channels on rows of odd length, some normalized behind the pool."""
    source = Input((33, 33, 3), name="input")
    x = through(source, act(PIXELS), conv(6, 3, **bits_of(4)), act(FOUR_BITS))
    x = through(x, conv(6, 3, **bits_of(4)), act(FOUR_BITS))
    for filters in (12, 20):
        pooled = (stock.MaxPooling2D(), stock.BatchNormalization(), act(FOUR_BITS))
        x = through(x, plain_conv(filters, 3), *pooled)
    return Model(source, classified(x, 10))


def lenet() -> Keras:
    """LeNet-5, with a mean in front of a convolution, and one between it and its quantizer."""
    source = Input((28, 28, 1), name="input")
    first, second = (conv(filters, 5, **bits_of(4)) for filters in (6, 16))
    x = through(source, act(PIXELS), first, act(FOUR_BITS), stock.AveragePooling2D())
    x = through(x, second, stock.AveragePooling2D(), act(FOUR_BITS), stock.Flatten())
    for units in (120, 84):
        x = through(x, dense(units), act(FOUR_BITS))
    return Model(source, dense(10)(x))


def inception() -> Keras:
    """Blocks of convolutions side by side, of which one quantizer reads all."""
    source = Input((32, 32, 3), name="input")
    x = through(source, act(PIXELS), conv(32, 3, **bits_of(4)), act(FOUR_BITS))
    for filters in (16, 32):
        fewer = through(x, conv(filters, 1, **bits_of(4)), act(FOUR_BITS))
        branches = [conv(filters, 1, **bits_of(4))(x)]
        branches += [
            conv(2 * filters, size, padding="same", **bits_of(4))(fewer) for size in (3, 5)
        ]
        x = through(stock.Concatenate()(branches), act(FOUR_BITS), stock.MaxPooling2D())
    return Model(source, classified(x, 10))


def averaging_cnn() -> Keras:
    """Convolutions with means over windows of four between them."""
    layers: list[Keras] = [act(PIXELS)]
    for filters in (16, 32, 64):
        layers += [*normalized(plain_conv(filters, 3)), act(EIGHT_BITS)]
        layers += [stock.AveragePooling2D(), act(FOUR_BITS)]
    source = Input((32, 32, 3), name="input")
    return Model(source, classified(through(source, *layers), 10))


def dense_of_floats() -> Keras:
    """A large dense layer that reads floats in front of smaller ones of codes."""
    first = (dense(512, **bits_of(8)), act("quantized_relu(8,4)"))
    return chain(
        (1024,), *first, dense(128, **bits_of(8)), act("quantized_relu(8,6)"), plain_dense(10, 8)
    )


def _biased() -> dict[str, Keras]:
    return {"use_bias": True, "bias_quantizer": signed(4)}
