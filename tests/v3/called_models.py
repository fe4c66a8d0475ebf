"""Functional models of the layers in the tables, of calls in all ways, and of functions.

Imported by the other interpreter alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import qkeras
from keras import Input, Model, layers, ops

from tests.v3.layer_tables import GATED, GROUPS, IMAGE, Row


def layer_of(row: Row, **more: Any) -> Any:
    """A layer of the tables."""
    class_name, options = row
    made = {k: layer_of(v) if k in ("layer", "backward_layer") else v for k, v in options.items()}
    return (getattr(layers, class_name, None) or getattr(qkeras, class_name))(**made, **more)


def group(name: str) -> Any:
    table = GROUPS[name]
    inputs = [Input(s, name=f"x{i}", dtype=table.dtype) for i, s in enumerate(table.shapes)]
    given = inputs if len(inputs) > 1 else inputs[0]
    results = [layer_of(one, name=key)(given) for key, one in table.rows.items()]
    return Model(inputs, keras.tree.flatten(results), name="top")


def heads() -> Any:
    a, b = Input((4, 3), name="a"), Input((5, 3), name="b")
    attention = layers.MultiHeadAttention
    parts = [
        attention(2, 3, name="self")(a, a),
        attention(2, 3, dropout=0.5, name="dropped")(a, b),
        attention(2, 3, use_bias=False, value_dim=2, output_shape=5, name="keyed")(a, b, b),
        attention(3, 2, name="named")(value=b, query=a),
    ]
    return Model([a, b], parts, name="top")


def states() -> Any:
    """Recurrent layers that are called by name, and with first states."""
    x, h, c = Input((5, 4), name="x"), Input((3,), name="h"), Input((3,), name="c")
    options = {**GATED, "return_sequences": True}
    lstm = qkeras.QLSTM(name="lstm", **options)(x, initial_state=[h, c])
    both = qkeras.QBidirectional(qkeras.QGRU(**options), name="both")
    return Model([x, h, c], [lstm, both(sequences=x, initial_state=[h, c])], name="top")


def operators() -> Any:
    """Functions of which all programs compute the same."""
    x, y, image = Input((5, 4), name="x"), Input((5, 4), name="y"), Input(IMAGE, name="image")
    four = np.array([1, 2, 4, 8], np.float32)
    results = [
        abs(-x) + y,
        (x - 1) / 2.0,
        ops.divide(x, 4.0),
        2.0 / (ops.square(y) + 1.0),
        x / four,
        4.0 - x,
        x * y,
        x @ ops.transpose(y, (0, 2, 1)),
        ops.maximum(x, y),
        ops.minimum(x, 0.5),
        ops.clip(x, -1, 2),
        ops.relu(x),
        ops.relu6(x),
        ops.leaky_relu(x, 0.25),
        ops.hard_sigmoid(x),
        ops.max(x, axis=1),
        ops.min(x, axis=-1, keepdims=True),
        ops.mean(image, axis=(1, 2)),
        ops.sum(x, axis=1),
        ops.concatenate([x, y], axis=-1),
        ops.stack([x, y], axis=1),
        ops.reshape(x, (-1, 20)),
        ops.squeeze(ops.expand_dims(x, (1, 2)), (1, 2)),
        ops.pad(x, ((0, 0), (1, 2), (0, 0))),
        ops.flip(x, axis=1),
        ops.cast(x, "float32") * 3,
        ops.swapaxes(x, 1, 2),
        ops.moveaxis(image, 3, 1),
        ops.image.resize(image, (4, 9)),
        x[..., 1:3],
        x[:, None, 1:, 2, None],
        image + np.array([[[1, 2, 4]]], np.float32),
        image + np.arange(6, dtype=np.float32).reshape(6, 1, 1),
    ]
    return Model([x, y, image], results, name="top")


def curves() -> Any:
    """Functions that libraries round in their own ways."""
    x = Input((5, 4), name="x")
    names = ("exp", "tanh", "sigmoid", "softplus", "softsign", "selu", "silu", "softmax")
    results = [getattr(ops, name)(x) for name in names]
    results += [ops.elu(x, 0.5), ops.gelu(x, approximate=False), ops.normalize(x), x**2]
    return Model(x, results, name="top")


CALLED: dict[str, Callable[[], Any]] = {
    **{name: partial(group, name) for name in GROUPS},
    "heads": heads,
    "states": states,
    "operators": operators,
    "curves": curves,
}
