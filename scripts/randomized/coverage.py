"""Which of the layers that can be converted random models have, and why not the others."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from tf_keras import Input, layers

from scripts.randomized.arguments import Layer
from scripts.randomized.layers import (
    LAYERS_BY_RANK,
    OF_SERIES,
    random_merge,
    random_table,
)

_OTHER: Final = "QKeras 0.9.0 does not have it"
EXCEPTIONS: Final[Mapping[str, str]] = {
    "FQConv2D": "of fkeras, which is not installed",
    "FQDense": "of fkeras, which is not installed",
    "Masking": "what may stand behind it depends on every layer there; tests/conformance has those",
    "QDenseBatchnorm": _OTHER,
    "QDepthwiseConv2DTranspose": _OTHER,
    "QScaleShift": _OTHER,
    "QSeparableConv2DTranspose": _OTHER,
}
#: Draws of each maker, so that every one of its choices occurs.
_DRAWS: Final = 25
_SHAPES: Final = {2: (6,), 3: (6, 4), 4: (6, 5, 4), 5: (4, 5, 4, 3)}


def classes() -> set[str]:
    """The classes of all layers that may be drawn."""
    random = np.random.default_rng(0)
    found = {type(random_table(random)).__name__}
    for rank, makes in LAYERS_BY_RANK.items():
        x = Input(_SHAPES[rank])
        drawn = [make(random) for make in makes for _ in range(_DRAWS)]
        merges = [random_merge(random, rank) for _ in range(_DRAWS)]
        found.update(*(_names(layer, x) for layer in drawn))
        found.update(*(_names(layer, [x, x]) for layer in merges))
    pair = [Input(_SHAPES[3])] * 2
    return found.union(*(_names(make(random), pair) for make in OF_SERIES))


def _names(layer: Layer, x: object) -> Iterator[str]:
    """The class of a layer, or of those that Keras makes of a function."""
    pending = [] if isinstance(layer, layers.Layer) else [layer(x)]
    if not pending:
        yield type(layer).__name__
    while pending:
        node = pending.pop().node
        if node.keras_inputs:
            yield type(node.layer).__name__
            pending += node.keras_inputs
