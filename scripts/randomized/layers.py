"""Random layers with random options, by the rank of what they take."""

from collections.abc import Mapping
from typing import Final

from tf_keras import layers

from scripts.randomized.anywhere import ANY
from scripts.randomized.arguments import Layer, Make, size
from scripts.randomized.images import IMAGES
from scripts.randomized.quantizers import Random, chance, one_of
from scripts.randomized.series import SERIES
from scripts.randomized.volumes import VOLUMES

LAYERS_BY_RANK: Final[Mapping[int, tuple[Make, ...]]] = {
    2: (*ANY, lambda random: layers.RepeatVector(size(random))),
    3: (*ANY, *SERIES),
    4: (*ANY, *IMAGES, *IMAGES),
    5: (*ANY, *VOLUMES, *VOLUMES),
}
_MERGES: Final = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")


def random_layer(random: Random, rank: int) -> Layer:
    """A layer that takes a tensor of this rank, if its shape allows."""
    return one_of(random, *LAYERS_BY_RANK[rank])(random)


def random_merge(random: Random, rank: int) -> Layer:
    """A layer that joins two tensors of one shape, called with a list of them."""
    if rank == 3 and chance(random, 0.4):
        return one_of(random, *OF_SERIES)(random)
    if rank == 2 and chance(random, 0.1):
        return layers.Dot(axes=1, normalize=chance(random, 0.3))
    return getattr(layers, one_of(random, *_MERGES))()


def random_table(random: Random) -> Layer:
    """A layer that takes whole numbers."""
    return layers.Embedding(int(random.integers(3, 12)), size(random))


def _heads(random: Random) -> Layer:
    """Attention takes its tensors one by one."""
    layer = layers.MultiHeadAttention(one_of(random, 1, 2), size(random))
    return lambda tensors: layer(*tensors)


OF_SERIES: Final[tuple[Make, ...]] = (
    _heads,
    lambda random: layers.Attention(use_scale=chance(random)),
    lambda random: layers.AdditiveAttention(use_scale=chance(random)),
    lambda random: layers.Dot(axes=one_of(random, 1, 2), normalize=chance(random, 0.3)),
)
