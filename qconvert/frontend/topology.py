"""A model's architecture as layers and their calls, in any of Keras's dialects."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qconvert.frontend.problems import Malformed, short
from qconvert.frontend.references import (
    Invocation,
    Ref,
    flat_references,
    read_invocation,
)

__all__ = ["Invocation", "LayerSpec", "ModelSpec", "Ref", "is_model", "paths_of", "read_model_spec"]

#: Before the class names of functions of Keras 3 that are called on tensors.
FUNCTION: Final = "keras.ops."
_FUNCTIONS: Final = "keras.src.ops."
_MODELS: Final = frozenset({"Functional", "Model", "Sequential"})


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer and all its calls inside its model; ``model`` is what a nested model holds."""

    name: str
    class_name: str
    module: str
    config: Mapping[str, object]
    calls: tuple[Invocation, ...]
    model: "ModelSpec | None" = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model; references count each layer's calls inside the model from 0.

    One that is ``deferred`` got its shapes from its first call: others may have other ones.
    """

    name: str
    layers: tuple[LayerSpec, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    deferred: bool = False


def paths_of(model: ModelSpec, prefix: str = "") -> Iterator[str]:
    """The paths of all layers, as weights are stored by, those of nested models too."""
    for layer in model.layers:
        yield f"{prefix}{layer.name}"
        if layer.model is not None:
            yield from paths_of(layer.model, f"{prefix}{layer.name}/")


def is_model(class_name: str) -> bool:
    """Whether a class holds layers."""
    return class_name in _MODELS


def read_model_spec(entry: Mapping[str, object]) -> ModelSpec:
    """Read ``{"class_name": ..., "config": ...}`` of a model, nested models included."""
    class_name, config = entry.get("class_name"), entry.get("config")
    if class_name == "Sequential":
        values = config if isinstance(config, dict) else {"name": "sequential", "layers": config}
        return _sequential(values)
    if class_name not in _MODELS or not isinstance(config, dict):
        raise Malformed(f"{short(class_name)} is neither Sequential nor Functional", "QC304")
    return _functional(config)


def _functional(config: Mapping[str, object]) -> ModelSpec:
    entries = _entries(config)
    offsets = {name: _offset(entry) for name, entry in entries}
    ends = {name: _offset_of_ends(entry, offsets[name]) for name, entry in entries}
    layers = tuple(
        _layer(name, entry, _nested(entry), _invocations(name, entry, offsets))
        for name, entry in entries
    )
    inputs = flat_references(config.get("input_layers"), ends)
    outputs = flat_references(config.get("output_layers"), ends)
    spec = ModelSpec(_text(config, "name"), layers, inputs, outputs)
    if not outputs:
        raise Malformed(f"the model {spec.name!r} has no outputs", "QC313")
    return spec


def _sequential(config: Mapping[str, object]) -> ModelSpec:
    entries = _entries(config)
    if not entries:
        raise Malformed("a Sequential model without layers", "QC313")
    first_name, first = entries[0]
    layers: list[LayerSpec] = []
    declared = declared_shape(first)
    if first.get("class_name") != "InputLayer":
        shape = config.get("build_input_shape") if declared is None else declared
        source = {"name": f"{first_name}_input", "batch_input_shape": shape}
        layers.append(LayerSpec(f"{first_name}_input", "InputLayer", "", source, ()))
    else:
        if first.get("inbound_nodes"):
            raise Malformed(f"the input {first_name!r} has inputs itself", "QC311")
        layers.append(_layer(first_name, first, None, ()))
        entries = entries[1:]
    before = Ref(layers[0].name, 0, 0)
    for name, entry in entries:
        _require_chained(name, entry, before)
        layers.append(_layer(name, entry, _nested(entry), (Invocation((before,), {}),)))
        before = Ref(name, 0, 0)
    own = str(config.get("name", "sequential"))
    said = flat_references(config.get("output_layers", ()), {})
    if any(ref.layer != before.layer for ref in said):
        words = (
            f"outputs of the Sequential model {own!r} other than its last layer {before.layer!r}"
        )
        raise Malformed(words, "QC314")
    ends = (Ref(layers[0].name, 0, 0),), (before,)
    return ModelSpec(own, tuple(layers), *ends, deferred=declared is None)


def _require_chained(name: str, entry: Mapping[str, object], before: Ref) -> None:
    """`Malformed` if a layer of a Sequential says that it is called on another than that *before*.

    Keras writes no calls there, and reads none.
    """
    nodes = entry.get("inbound_nodes") or ()
    if not isinstance(nodes, list | tuple):
        raise Malformed(f"the layer {name!r} has inbound_nodes={short(nodes)}", "QC314")
    calls = [read_invocation(name, node, {}) for node in nodes]
    chained = (
        not call.arguments and [before.layer] == [x.layer for x in call.first] for call in calls
    )
    if len(calls) > 1 or not all(chained):
        where = f"in a Sequential model, where it is behind {before.layer!r}"
        raise Malformed(f"the layer {name!r} is called on {short(nodes)} {where}", "QC314")


def declared_shape(entry: Mapping[str, object]) -> object:
    """The batch shape that the first layer of a model says it takes, None if it does not."""
    config = entry.get("config")
    if not isinstance(config, dict):
        return None
    shape = config.get("batch_input_shape", config.get("batch_shape"))
    if shape is not None:
        return shape
    inside = config.get("layer") or next(_listed(config), None)
    return declared_shape(inside) if isinstance(inside, dict) else None


def _entries(config: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    entries = [(_name(entry), entry) for entry in _listed(config)]
    names = [name for name, _ in entries]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise Malformed(f"more than one layer is called {twice[0]!r}", "QC312")
    return entries


def _listed(config: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    layers = config.get("layers", ())
    if not isinstance(layers, list | tuple):
        raise Malformed(f"layers={short(layers)} is not a list", "QC203")
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("class_name"), str):
            raise Malformed(f"{short(layer)} is not a layer", "QC203")
        yield layer


def _name(entry: Mapping[str, object]) -> str:
    config = entry.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    name = entry.get("name", inner)
    if not isinstance(name, str) or not name:
        raise Malformed(f"a layer of class {entry['class_name']} has no name", "QC312")
    if inner is not None and inner != name:
        raise Malformed(f"the layer {name!r} is called {inner!r} in its configuration", "QC312")
    return name


def _layer(
    name: str,
    entry: Mapping[str, object],
    model: ModelSpec | None,
    calls: tuple[Invocation, ...],
) -> LayerSpec:
    config = entry.get("config")
    if model is None and not isinstance(config, dict):
        raise Malformed(f"the layer {name!r} has no configuration", "QC203")
    class_name = str(entry["class_name"]).removeprefix("qkeras>")
    if model is None and _is_function(entry):
        class_name = f"{FUNCTION}{class_name}"
    module = entry.get("module") or ""
    return LayerSpec(
        name, class_name, str(module), config if isinstance(config, dict) else {}, calls, model
    )


def _is_function(entry: Mapping[str, object]) -> bool:
    """Whether Keras 3 means a function of ``keras.ops``, not a layer, some of which share names.

    Layers have more options than their name, which tells them apart in files without modules.
    """
    if str(entry.get("module")).startswith(_FUNCTIONS):
        return True
    config, nodes = entry.get("config"), entry.get("inbound_nodes")
    called = isinstance(nodes, list | tuple) and any(isinstance(node, dict) for node in nodes)
    layer = isinstance(config, dict) and not {"trainable", "dtype", "batch_shape"}.isdisjoint(
        config
    )
    return called and not layer


def _nested(entry: Mapping[str, object]) -> ModelSpec | None:
    return read_model_spec(entry) if is_model(str(entry["class_name"])) else None


def _offset(entry: Mapping[str, object]) -> int:
    """A model that knows its input has a first call of its own, which its users count from."""
    config = entry.get("config") if is_model(str(entry["class_name"])) else None
    layers: Sequence[object] = config.get("layers", ()) if isinstance(config, dict) else ()
    first = layers[0] if isinstance(layers, list | tuple) and layers else None
    return int(isinstance(first, dict) and declared_shape(first) is not None)


def _offset_of_ends(entry: Mapping[str, object], offset: int) -> int:
    """Where Keras 3 names the model's results, Functional models alone have a first call."""
    nodes = entry.get("inbound_nodes")
    keras3 = isinstance(nodes, list | tuple) and any(isinstance(node, dict) for node in nodes)
    return int(entry["class_name"] in ("Functional", "Model")) if keras3 and offset else offset


def _invocations(
    name: str, entry: Mapping[str, object], offsets: Mapping[str, int]
) -> tuple[Invocation, ...]:
    nodes = entry.get("inbound_nodes")
    if nodes is None:
        raise Malformed(f"the layer {name!r} has no inbound_nodes", "QC314")
    if not isinstance(nodes, list | tuple):
        told = f"inbound_nodes={short(nodes)} is not a list"
        raise Malformed(f"the layer {name!r} is called in an unknown way: {told}", "QC314")
    return tuple(read_invocation(name, node, offsets) for node in nodes)


def _text(config: Mapping[str, object], key: str) -> str:
    value = config.get(key)
    if not isinstance(value, str):
        raise Malformed(f"{key}={short(value)} is not a text", "QC203")
    return value
