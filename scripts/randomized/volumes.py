"""Random layers that take volumes, and images in time."""

from typing import Final

from qkeras import QConv2D
from tf_keras import layers

from scripts.randomized.arguments import Layer, Make, moves, padding, quantized, size, window
from scripts.randomized.quantizers import Random


def _images_in_time(random: Random) -> Layer:
    options = moves(random, 2) | quantized(random)
    return layers.TimeDistributed(QConv2D(size(random), **options))


VOLUMES: Final[tuple[Make, ...]] = (
    lambda random: layers.Conv3D(size(random), **moves(random, 3)),
    lambda random: layers.Conv3D(size(random), window(random, 3)),
    lambda random: layers.Conv3DTranspose(size(random), window(random, 3)),
    _images_in_time,
    lambda random: layers.MaxPooling3D(2, padding=padding(random)),
    lambda random: layers.AveragePooling3D(2, padding=padding(random)),
    lambda random: layers.GlobalMaxPooling3D(),
    lambda random: layers.GlobalAveragePooling3D(),
    lambda random: layers.ZeroPadding3D((1, 0, 1)),
    lambda random: layers.Cropping3D((0, (1, 0), 0)),
    lambda random: layers.UpSampling3D((1, 2, 1)),
    lambda random: layers.SpatialDropout3D(0.5),
    lambda random: layers.Permute((2, 1, 4, 3)),
    lambda random: layers.Flatten(),
)
