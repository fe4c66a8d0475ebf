"""The quantizer that a layer ends with, by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .tracing import calls, is_container

if TYPE_CHECKING:
    from .aliases import Array, Layer


def quantizer_of(model: Layer, key: str) -> Layer:
    """What the layer that is recorded as *key* applies last."""
    container, _, rest = key.partition("/")
    for layer, part in calls(model):
        if part == key and not is_container(layer):
            return _last(layer)
        if rest and part == container and is_container(layer):
            return quantizer_of(layer, rest)
    raise ValueError(f"the model has no layer {key}")


def _last(layer: Layer) -> Layer:
    while hasattr(layer, "layer"):
        # A wrapper, as of pruning.
        layer = layer.layer
    found = getattr(layer, "quantizer", None) or getattr(layer, "activation", None)
    if not callable(found):
        raise ValueError(f"{layer.name} ends with no quantizer")
    return found


def described(quantizer: Layer) -> str:
    """A text that tells all options of a quantizer."""
    name = getattr(quantizer, "__qualname__", type(quantizer).__qualname__)
    options = quantizer.get_config() if hasattr(quantizer, "get_config") else {}
    return f"{name}({json.dumps(options, sort_keys=True, default=str)})"


def quantized(quantizer: Layer, x: Array, size: int | None) -> Array:
    """What it returns for numbers (n,), in eager mode; in tensors of *size* if that is given."""
    import numpy as np
    import tensorflow as tf

    parts = np.split(x, range(size, len(x), size)) if size else [x]
    return np.concatenate([np.asarray(quantizer(tf.constant(part))) for part in parts])
