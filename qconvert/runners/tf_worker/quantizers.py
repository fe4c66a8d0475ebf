"""The quantizer that a layer ends with, by itself."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .tracing import calls, is_container

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    # The last one in eager mode, so that nothing of a graph stays in the quantizer.
    looped = max(len(x) - 1, 0) // size * size if size else 0
    first = one_by_one(quantizer, x[:looped].reshape(-1, size)) if size and looped else x[:0]
    return np.concatenate([first, np.asarray(quantizer(tf.constant(x[looped:])))])


def one_by_one(quantizer: Layer, rows: Array) -> Array:
    """What it returns for each row (n, size), flat.

    In a loop of TensorFlow's, which runs the kernels of eager mode on each row as that does, in a
    twentieth of the time. Its optimizer would put other operations in the place of some.
    """
    import numpy as np
    import tensorflow as tf

    tensor = tf.constant(rows)
    loop = tf.function(lambda x: tf.map_fn(quantizer, x, parallel_iterations=1), autograph=False)
    with unoptimized():
        # Called as it is, TensorFlow would warn of many functions.
        return np.ravel(loop.get_concrete_function(tensor)(tensor))


@contextmanager
def unoptimized() -> Iterator[None]:
    """Graphs run as they are written."""
    import tensorflow as tf

    name = "disable_meta_optimizer"
    before = tf.config.optimizer.get_experimental_options().get(name, False)
    tf.config.optimizer.set_experimental_options({name: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: before})
