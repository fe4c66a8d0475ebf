"""Random convolutions of codes, and behind each what an integer kernel may hold, and a quantizer.

Quantizers are narrow and have powers of two for steps, so that most of these become kernels.
"""

from collections.abc import Iterator
from typing import Final

from qkeras import (
    QActivation,
    QConv1D,
    QConv2D,
    QConv2DTranspose,
    QDepthwiseConv2D,
    binary,
    quantized_bits,
    quantized_relu,
    quantized_sigmoid,
    quantized_tanh,
    ternary,
)
from tf_keras import layers

from scripts.randomized.arguments import Layer, Make, moves, padding, size, window
from scripts.randomized.quantizers import Quantizer, Random, chance, one_of

#: Ranks of what a chain may begin with.
RANKS: Final = (3, 4)


def random_chain(random: Random, rank: int) -> Iterator[Layer]:
    """A quantizer, and one to three times a convolution with all that is behind it."""
    yield QActivation(_codes(random))
    for _ in range(int(random.integers(1, 4))):
        yield one_of(random, *_CONVOLUTIONS[rank])(random)
        yield from _between(random, rank)
        yield QActivation(_codes(random))


def _between(random: Random, rank: int) -> Iterator[Layer]:
    """Mostly in the order in which networks have them, seldom in another."""
    found: list[Layer] = []
    if chance(random, 0.8):
        options = {"scale": chance(random, 0.8), "center": chance(random, 0.8)}
        found.append(layers.BatchNormalization(**options))
    if chance(random, 0.3):
        found.append(layers.ReLU(one_of(random, None, 1.5, 6.0)))
    if chance(random, 0.3):
        found.append(one_of(random, *_MOVES[rank])(random))
    if chance(random, 0.2):
        random.shuffle(found)
    yield from found


def _codes(random: Random) -> Quantizer:
    """A quantizer of 1 to 8 bits."""
    bits, integer = int(random.integers(1, 9)), int(random.integers(0, 3))
    narrow = chance(random, 0.3)
    return one_of(
        random,
        quantized_bits(bits, integer, int(narrow), alpha=one_of(random, 1, 1, 2, 0.5)),
        quantized_bits(bits, integer, keep_negative=False, alpha=1),
        quantized_relu(bits, integer),
        quantized_relu(bits, integer),
        quantized_tanh(max(2, bits), symmetric=narrow),
        quantized_sigmoid(max(2, bits), symmetric=narrow),
        one_of(random, binary(alpha=1), ternary(alpha=1), binary(use_01=True, alpha=1)),
    )


def _weights(random: Random) -> Quantizer:
    """For a kernel of one grid, or one a channel."""
    bits = int(random.integers(2, 9))
    return one_of(
        random,
        quantized_bits(bits, int(random.integers(0, 2)), 1, alpha=1),
        quantized_bits(bits, 0, 1, alpha="auto_po2"),
        quantized_bits(4, 0, 1, alpha=1),
        binary(alpha=1),
        ternary(alpha=1),
    )


def _plain(random: Random) -> dict[str, object]:
    """Quantizers, and a bias on a grid, of floats, or none."""
    bias = one_of(random, quantized_bits(8, 2, alpha=1), quantized_bits(4, 0, alpha=1), None)
    return {
        "kernel_quantizer": _weights(random),
        "bias_quantizer": bias,
        "use_bias": chance(random, 0.6),
    }


def _depthwise(random: Random) -> Layer:
    options = _plain(random)
    return QDepthwiseConv2D(
        window(random, 2),
        strides=one_of(random, 1, 1, 2),
        padding=padding(random),
        depth_multiplier=one_of(random, 1, 1, 2),
        depthwise_quantizer=options.pop("kernel_quantizer"),
        **options,
    )


def _grouped(random: Random) -> Layer:
    groups = one_of(random, 2, 3)
    return QConv2D(groups * size(random), **moves(random, 2), **_plain(random), groups=groups)


def _transposed(random: Random) -> Layer:
    return QConv2DTranspose(
        size(random),
        window(random, 2),
        strides=one_of(random, 1, 2, 2, 3),
        padding=padding(random),
        **_plain(random),
    )


_CONVOLUTIONS: Final[dict[int, tuple[Make, ...]]] = {
    3: (lambda random: QConv1D(size(random), **moves(random, 1), **_plain(random)),),
    4: (
        lambda random: QConv2D(size(random), **moves(random, 2), **_plain(random)),
        lambda random: QConv2D(size(random), **moves(random, 2), **_plain(random)),
        _depthwise,
        _grouped,
        _transposed,
    ),
}
_MOVES: Final[dict[int, tuple[Make, ...]]] = {
    3: (
        lambda random: layers.MaxPooling1D(2, padding=padding(random)),
        lambda random: layers.UpSampling1D(2),
    ),
    4: (
        lambda random: layers.MaxPooling2D(window(random, 2), strides=2, padding=padding(random)),
        lambda random: layers.MaxPooling2D(2, padding=padding(random)),
        lambda random: layers.UpSampling2D(2),
    ),
}
