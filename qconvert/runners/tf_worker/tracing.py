"""Every call of every layer, under the name that it has in the file."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import keras3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .aliases import Array, Layer


def is_container(layer: Layer) -> bool:
    """Whether a layer is a model of layers, which are traced in its place."""
    if keras3.holds(layer):
        return keras3.is_container(layer)
    from tf_keras.src.engine.functional import Functional

    return isinstance(layer, Functional)


def calls(model: Layer) -> list[tuple[Layer, str]]:
    """The layers of a model in the order in which it calls them, each with its part of the key.

    The order is that of ``Functional._run_internal_graph``. Calls are numbered as
    ``get_network_config`` writes them to a file: by position among the layer's own nodes.
    """
    if any(base.__name__ == "Sequential" for base in type(model).__mro__):
        return [(layer, layer.name) for layer in model.layers]
    result = []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                layer = node.operation if keras3.holds(model) else node.layer
                k = own_nodes(model, layer).index(node)
                result.append((layer, f"{layer.name}@{k}" if k else layer.name))
    return result


def own_nodes(model: Layer, layer: Layer) -> list[Layer]:
    """The calls of a layer that belong to a model, in the order in which they were made."""
    if keras3.holds(model):
        return keras3.own_nodes(model, layer)
    nodes = enumerate(layer._inbound_nodes)
    return [node for i, node in nodes if f"{layer.name}_ib-{i}" in model._network_nodes]


def trace_keys(model: Layer, prefix: str = "") -> list[str]:
    """The names of all results that running the model records."""
    keys = []
    for layer, part in calls(model):
        if is_container(layer):
            keys += trace_keys(layer, f"{prefix}{part}/")
        else:
            keys += [f"{prefix}{part}:{i}" if i else prefix + part for i in range(results(layer))]
    return keys


def results(layer: Layer) -> int:
    """How many tensors every call of a layer returns."""
    import tensorflow as tf

    return len(tf.nest.flatten(layer._inbound_nodes[0].outputs))


class Frame:
    """One call of a model under way: the calls of its layers that are still to come."""

    def __init__(self, model: Layer, prefix: str) -> None:
        self.prefix = prefix
        self.parts: dict[int, deque[str]] = {}
        for layer, part in calls(model):
            self.parts.setdefault(id(layer), deque()).append(part)

    def next_key(self, layer: Layer) -> str:
        """The name of the call that *layer* makes now."""
        return self.prefix + self.parts[id(layer)].popleft()


@contextmanager
def recording(
    model: Layer, values: dict[str, Array], forced: dict[str, Array] | None = None
) -> Iterator[None]:
    """Have every layer's results put into *values* while the block runs.

    Where *forced* has numbers for a result, the layers behind it compute with these instead.
    """
    frames = [Frame(model, "")]
    inside_leaf: list[Layer] = []

    def record(layer: Layer, call: Callable[..., Layer]) -> Callable[..., Layer]:
        def recorded(*args: Layer, **kwargs: Layer) -> Layer:
            if inside_leaf:
                return call(*args, **kwargs)
            key = frames[-1].next_key(layer)
            stack = frames if is_container(layer) else inside_leaf
            stack.append(Frame(layer, f"{key}/") if stack is frames else layer)
            try:
                result = call(*args, **kwargs)
            finally:
                stack.pop()
            if stack is inside_leaf:
                store(values, key, result)
                return with_forced(result, key, forced or {})
            return result

        return recorded

    replaced = {id(layer): (layer, layer.__dict__.get("call")) for layer in all_layers(model)}
    try:
        for layer, _ in replaced.values():
            layer.__dict__["call"] = record(layer, layer.call)
        yield
    finally:
        for layer, call in replaced.values():
            del layer.__dict__["call"]
            if call is not None:
                layer.__dict__["call"] = call


def all_layers(model: Layer) -> Iterator[Layer]:
    """All layers below a model, nested models included, some perhaps twice."""
    for layer, _ in calls(model):
        yield layer
        if is_container(layer):
            yield from all_layers(layer)


def store(values: dict[str, Array], key: str, result: Layer) -> None:
    """Keep one call's result; of several tensors, all but the first with ``:i`` behind the key."""
    import tensorflow as tf

    for i, tensor in enumerate(tf.nest.flatten(result)):
        name = f"{key}:{i}" if i else key
        if name in values:
            raise RuntimeError(f"two results are called {name}")
        values[name] = as_float32(tensor.numpy(), name)


def with_forced(result: Layer, key: str, forced: dict[str, Array]) -> Layer:
    """One call's result with the numbers that *forced* has for its tensors."""
    import tensorflow as tf

    tensors = tf.nest.flatten(result)
    for i, tensor in enumerate(tensors):
        name = f"{key}:{i}" if i else key
        if name in forced:
            tensors[i] = tf.constant(forced[name].astype(dtype_of(tensor)))
            if tensors[i].shape != tensor.shape:
                raise ValueError(f"{name} has shape {tensor.shape}, not {tensors[i].shape}")
            if hasattr(tensor, "_keras_mask"):
                tensors[i]._keras_mask = tensor._keras_mask
    return tf.nest.pack_sequence_as(result, tensors)


def as_float32(value: Array, name: str) -> Array:
    """*value* as float32; an error if that changes it."""
    import numpy as np

    result = value.astype(np.float32)
    if value.dtype.kind in "iu" or value.dtype == np.float64:
        unchanged = result.astype(np.float64) == value.astype(np.float64)
        if not np.all(unchanged | (value != value)):
            raise ValueError(f"{name}: {value.dtype} values that float32 does not hold")
    return result


def run_eagerly(model: Layer, inputs: Layer) -> dict[str, Array]:
    """The outputs of ``model(x, training=False)``, by name."""
    return named_outputs(model, model(inputs, training=False))


def named_outputs(model: Layer, outputs: Layer) -> dict[str, Array]:
    """The model's outputs by name, from whatever structure the model returns."""
    import numpy as np
    import tensorflow as tf

    flat = [np.asarray(value) for value in tf.nest.flatten(outputs)]
    names = output_names(model)
    if len(flat) != len(names):
        raise RuntimeError(f"{len(flat)} outputs, but {len(names)} names")
    return {name: as_float32(y, name) for name, y in zip(names, flat, strict=True)}


def input_names(model: Layer) -> list[str]:
    """The names of the model's inputs, in its order."""
    return keras3.names_of(model.inputs) if keras3.holds(model) else list(model.input_names)


def output_names(model: Layer) -> list[str]:
    """The names of the model's outputs, in its order."""
    return keras3.names_of(model.outputs) if keras3.holds(model) else list(model.output_names)


def dtype_of(tensor: Layer) -> str:
    """The name of a tensor's type, which Keras 3 has for the type itself."""
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def difference(eager: Array, graph: Array) -> dict[str, float]:
    """How two results differ; NaN is equal to NaN."""
    import numpy as np

    differs = ~((eager == graph) | (np.isnan(eager) & np.isnan(graph)))
    with np.errstate(invalid="ignore"):
        distances = np.abs(eager.astype(np.float64) - graph.astype(np.float64))[differs]
    return {
        "different": int(differs.sum()),
        "elements": int(differs.size),
        "max_abs": float(distances.max()) if distances.size else 0.0,
    }
