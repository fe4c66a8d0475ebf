"""Random layers that take images."""

from typing import Final

from qkeras import (
    QAveragePooling2D,
    QConv2D,
    QConv2DBatchnorm,
    QConv2DTranspose,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QGlobalAveragePooling2D,
    QSeparableConv2D,
    quantized_bits,
)
from tf_keras import layers

from scripts.randomized.arguments import (
    Layer,
    Make,
    depthwise,
    moves,
    padding,
    quantized,
    separable,
    size,
    window,
)
from scripts.randomized.quantizers import (
    Random,
    bias_quantizer,
    chance,
    one_of,
    weight_quantizer,
)


def _transposed(random: Random) -> Layer:
    return QConv2DTranspose(
        size(random),
        window(random, 2),
        strides=one_of(random, 1, 2),
        padding=padding(random),
        kernel_quantizer=weight_quantizer(random),
        bias_quantizer=bias_quantizer(random),
    )


def _resizing(random: Random) -> Layer:
    kind = one_of(random, "nearest", "bilinear")
    if chance(random, 0.3):
        # In other ratios a small image has no part, at which Keras fails when it runs.
        height = width = size(random) + 1
        return layers.Resizing(height, width, kind, crop_to_aspect_ratio=True)
    return layers.Resizing(size(random) + 1, size(random) + 1, kind)


def _center_crop(random: Random) -> Layer:
    edge = size(random)
    return layers.CenterCrop(edge, edge)


IMAGES: Final[tuple[Make, ...]] = (
    lambda random: QConv2D(size(random), **moves(random, 2), **quantized(random)),
    lambda random: QConv2D(size(random), **moves(random, 2), **quantized(random)),
    lambda random: QConv2DBatchnorm(
        size(random), **moves(random, 2), **quantized(random), epsilon=2.0**-8
    ),
    lambda random: QDepthwiseConv2D(
        window(random, 2), padding=padding(random), **depthwise(random)
    ),
    lambda random: QDepthwiseConv2DBatchnorm(
        window(random, 2), padding=padding(random), **depthwise(random)
    ),
    lambda random: QSeparableConv2D(size(random), window(random, 2), **separable(random)),
    lambda random: QAveragePooling2D(
        2, padding=padding(random), average_quantizer=quantized_bits(8, 0, alpha=1)
    ),
    lambda random: QGlobalAveragePooling2D(average_quantizer=quantized_bits(10, 0, alpha=1)),
    lambda random: layers.Conv2D(size(random), **moves(random, 2)),
    lambda random: layers.DepthwiseConv2D(window(random, 2), padding=padding(random)),
    lambda random: layers.SeparableConv2D(size(random), window(random, 2)),
    lambda random: layers.MaxPooling2D(window(random, 2), strides=2, padding=padding(random)),
    lambda random: layers.AveragePooling2D(window(random, 2), padding=padding(random)),
    lambda random: layers.GlobalAveragePooling2D(keepdims=chance(random)),
    lambda random: layers.Conv2DTranspose(size(random), window(random, 2), strides=2),
    _transposed,
    _resizing,
    _center_crop,
    lambda random: layers.UpSampling2D(2, interpolation=one_of(random, "nearest", "bilinear")),
    lambda random: layers.ZeroPadding2D(((1, 0), (0, 2))),
    lambda random: layers.Cropping2D(((1, 0), (0, 0))),
    lambda random: layers.SpatialDropout2D(0.5),
    lambda random: layers.Permute(one_of(random, (3, 1, 2), (2, 1, 3))),
    lambda random: layers.Flatten(),
    lambda random: layers.GlobalMaxPooling2D(),
)
