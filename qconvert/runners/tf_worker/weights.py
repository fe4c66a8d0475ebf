"""Weights as the layers compute with them, matched by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import keras3
from .tracing import as_float32, dtype_of, is_container

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .aliases import Array, Layer


def effective_weights(model: Layer) -> dict[str, Array]:
    """The weights of every layer after its quantizers, by ``layer/role``.

    Recurrent layers are represented by their cell; the weights of ``Bidirectional`` have the
    direction before their name.
    """
    return {
        f"{path}{role}": as_float32(value.numpy(), path)
        for path, layer in computing_layers(model)
        for role, value in layer_weights(layer).items()
    }


def unquantized_folded_weights(model: Layer) -> dict[str, Array]:
    """The weights of the folded layers before their quantizers, by ``layer/role``."""
    return {
        f"{path}{role}": as_float32(value.numpy(), path)
        for path, layer in computing_layers(model)
        if is_folded(layer)
        for role, value in folded_weights(layer).items()
    }


def computing_layers(model: Layer, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """The layers that hold weights, with what goes before the names of these."""
    for layer in model.layers:
        path = f"{prefix}{layer.name}/"
        if is_container(layer):
            yield from computing_layers(layer, path)
        else:
            for direction, part in parts_of(layer):
                yield f"{path}{direction}", unwrapped(part)


def parts_of(layer: Layer) -> list[tuple[str, Layer]]:
    """The layers that hold the weights of *layer*, with what goes before their names."""
    if hasattr(layer, "backward_layer"):
        return [("forward_", layer.forward_layer), ("backward_", layer.backward_layer)]
    return [("", layer)]


def unwrapped(layer: Layer) -> Layer:
    """The layer that computes: inside a wrapper (of pruning: masked); a cell."""
    if type(layer).__name__ == "PruneLowMagnitude":
        layer.pruning_obj.weight_mask_op()
        layer = layer.layer
    while type(layer).__name__ == "TimeDistributed":
        layer = layer.layer
    return getattr(layer, "cell", layer)


def layer_weights(layer: Layer) -> dict[str, Layer]:
    """One layer's effective weights by Keras's variable names; counters have none."""
    if is_folded(layer):
        folded = folded_weights(layer)
        return {role: quantized(layer, role, value) for role, value in folded.items()}
    if type(layer).__name__ == "MultiHeadAttention":
        return projection_weights(layer)
    kind = "variables" if keras3.holds(layer) else "weights"
    own = [*getattr(layer, f"_trainable_{kind}"), *getattr(layer, f"_non_trainable_{kind}")]
    roles = {variable.name.rpartition("/")[2].partition(":")[0]: variable for variable in own}
    return {
        role: quantized(layer, role, variable)
        for role, variable in roles.items()
        if "float" in dtype_of(variable) and role != "variable"
    }


def projections(layer: Layer) -> dict[str, Layer]:
    """The four dense layers in an attention."""
    return {
        "query": layer._query_dense,
        "key": layer._key_dense,
        "value": layer._value_dense,
        "attention_output": layer._output_dense,
    }


def projection_weights(layer: Layer) -> dict[str, Layer]:
    """The weights of the four dense layers in an attention."""
    return {
        f"{part}/{role}": value
        for part, dense in projections(layer).items()
        for role, value in layer_weights(dense).items()
    }


def variable_roles(layer: Layer) -> dict[int, str]:
    """By identity, what the variables are called whose values `layer_weights` tells."""
    own = unwrapped(layer)
    heads = type(own).__name__ == "MultiHeadAttention"
    parts = {f"{k}/": part for k, part in projections(own).items()} if heads else {"": own}
    return {
        id(variable): prefix + variable.name.rpartition("/")[2].partition(":")[0]
        for prefix, part in parts.items()
        for variable in (*part._trainable_weights, *part._non_trainable_weights)
        if variable.dtype.is_floating
    }


def is_folded(layer: Layer) -> bool:
    """Whether a layer folds a batch normalization into its weights."""
    return hasattr(layer, "get_folded_weights")


def folded_weights(layer: Layer) -> dict[str, Layer]:
    """Kernel and bias with the batch normalization folded in, not yet quantized."""
    role = "depthwise_kernel" if hasattr(layer, "depthwise_quantizer_internal") else "kernel"
    read = keras3.folded_weights if keras3.holds(layer) else type(layer).get_folded_weights
    kernel, bias = read(layer)
    return {role: kernel, "bias": bias}


def quantized(layer: Layer, role: str, value: Layer) -> Layer:
    """*value* through the layer's quantizer of that role, if there is one."""
    import tensorflow as tf

    if type(layer).__name__ == "QGRUCell" and role == "recurrent_kernel":
        # QKeras 0.9.0 takes the other variable where this one has no quantizer.
        value = value if layer.recurrent_quantizer or keras3.holds(layer) else layer.kernel
    quantizer = quantizer_of(layer, role)
    if quantizer is None:
        return tf.convert_to_tensor(value)
    if type(layer).__name__ == "QSeparableConv1D" and role != "bias":
        # The layer computes in two dimensions and quantizes after it has added one.
        return tf.squeeze(quantizer(tf.expand_dims(value, 0)), 0)
    mask = getattr(layer, "_mask", None) if role == "kernel" else None
    return tf.convert_to_tensor(quantizer(value) if mask is None else quantizer(value) * mask)


def quantizer_of(layer: Layer, role: str) -> Layer:
    """The quantizer object of a weight, None if there is none."""
    stem = role.replace("moving_", "")
    shorter = stem if stem == "kernel" else stem.replace("_kernel", "")
    for name in (shorter, stem):
        quantizer = getattr(layer, f"{name}_quantizer_internal", None)
        if quantizer is not None:
            return quantizer
    return None
