"""Models of Keras 3: how they are loaded, which calls they make, and their weights."""

from __future__ import annotations

import shutil
import zipfile
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    #: Objects of Keras, which has no types.
    Layer: TypeAlias = Any
    Json: TypeAlias = Any
    Config: TypeAlias = dict[str, Any]

ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TF_USE_LEGACY_KERAS": "0"}
REGISTERED = "qkeras>"
#: Options of Keras 3's batch normalization that qkeras-v3's folded layers write and cannot read.
NORMALIZATION_3 = ("synchronized", "renorm", "renorm_clipping", "renorm_momentum")
FOLDED = ("QConv2DBatchnorm", "QDenseBatchnorm", "QDepthwiseConv2DBatchnorm")
#: Layers of qkeras-v3 that hand the name in their configuration to their cells.
RECURRENT = ("QSimpleRNN", "QLSTM", "QGRU")


# ---- Which Keras a model needs ----


class ConflictError(Exception):
    """Two packages are installed that have overwritten each other's files."""


def wanted(config: Json, keras_version: str | None) -> bool:
    """Whether a model is to be loaded by Keras 3; an error where it cannot be."""
    release, later = installed("qkeras"), installed("qkeras-v3")
    if release and later:
        raise ConflictError(
            "qkeras and qkeras-v3 are both installed and have overwritten each other's files;"
            " see: qconvert doctor"
        )
    keras3 = str(keras_version).startswith("3.") or any("batch_shape" in o for o in objects(config))
    if keras3 and release and any(is_registered(one) for one in objects(config)):
        raise ImportError(
            "the model was written by qkeras-v3, and this interpreter has QKeras"
            f" {version('qkeras')}; see: qconvert doctor"
        )
    return later or keras3


def installed(distribution: str) -> bool:
    """Whether a distribution is installed."""
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def objects(root: Json) -> list[Config]:
    """All dictionaries in a configuration."""
    found, pending = [], [root]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            found.append(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return found


def is_registered(item: Config) -> bool:
    """Whether an object has a name that qkeras-v3 gives."""
    names = (item.get("class_name"), item.get("registered_name"))
    return any(isinstance(name, str) and name.startswith(REGISTERED) for name in names)


# ---- Loading ----


def load_model(path: Path, text: str, weights: Path | None, folder: Path) -> Layer:
    """The model in a file of Keras 3, or of Keras 2 where qkeras-v3 reads it."""
    import h5py
    import keras

    with keras.utils.custom_object_scope(custom_objects()):
        if zipfile.is_zipfile(path) or h5py.is_hdf5(path):
            suffix = ".keras" if zipfile.is_zipfile(path) else ".h5"
            return keras.models.load_model(named(path, folder / f"model{suffix}"), compile=False)
        model = keras.models.model_from_json(text)
        if weights is not None:
            with h5py.File(weights, "r") as file:
                old = "layer_names" in file.attrs or "model_weights" in file
            model.load_weights(named(weights, folder / ("old.h5" if old else "new.weights.h5")))
    return model


def named(path: Path, copy: Path) -> Path:
    """A copy under the name by which Keras tells formats apart."""
    shutil.copyfile(path, copy)
    return copy


def custom_objects() -> dict[str, object]:
    """What QKeras does not register with Keras, and what cannot read its own configuration."""
    import qkeras

    known: dict[str, object] = {}
    if not installed("qkeras-v3"):
        from qkeras.utils import _add_supported_quantized_objects

        _add_supported_quantized_objects(known)
        return known
    for name in FOLDED:
        read_with(getattr(qkeras, name), without_normalization_3)
    read_with(qkeras.QAdaptiveActivation, with_numbers)
    for name in RECURRENT:
        keep_name(getattr(qkeras, name))
    qkeras.QDepthwiseConv2DBatchnorm.load_own_variables = load_numbered
    return {"QDenseBatchnorm": qkeras.QDenseBatchnorm}


def read_with(layer: Layer, read: Callable[[Config], Config]) -> None:
    """Have a class of layers made from configurations that *read* has adapted."""
    layer.from_config = classmethod(lambda cls, config: cls(**deserialized(read(config))))


def keep_name(layer: Layer) -> None:
    """Have a class of layers take the name in its configuration, by which a trace knows them."""
    made = layer.from_config

    def named_layer(_: Layer, config: Config) -> Layer:
        name = config["name"]
        result = made(config)
        result.name = name
        return result

    layer.from_config = classmethod(named_layer)


def load_numbered(layer: Layer, store: Layer) -> None:
    """Take a layer's variables by number: its counter is there by name too, which Keras refuses."""
    variables = [*layer._trainable_variables, *layer._non_trainable_variables]
    for i, variable in enumerate(variables):
        variable.assign(store[str(i)])


def deserialized(config: Config) -> Config:
    """The objects of a configuration made, as Keras's own ``from_config`` does."""
    import keras

    deserialize = keras.saving.deserialize_keras_object
    nested = {key: v for key, v in config.items() if isinstance(v, dict) and "class_name" in v}
    return {**config, **{key: deserialize(value) for key, value in nested.items()}}


def without_normalization_3(config: Config) -> Config:
    """Options that change nothing at inference left out, unless they do."""
    if config.get("renorm"):
        raise ValueError(f"{config.get('name')}: batch renormalization")
    return {key: value for key, value in config.items() if key not in NORMALIZATION_3}


def with_numbers(config: Config) -> Config:
    """Numbers that qkeras-v3 has written as tensors."""
    return {key: number(value) for key, value in config.items()}


def number(value: Json) -> Json:
    """The number in what Keras writes for a tensor of one."""
    if isinstance(value, dict) and value.get("class_name") in ("__tensor__", "__numpy__"):
        return value["config"]["value"]
    return value


# ---- The calls that a model makes ----


def holds(layer: Layer) -> bool:
    """Whether a layer or model is Keras 3's."""
    return any(base.__module__.startswith("keras.") for base in type(layer).__mro__)


def is_container(layer: Layer) -> bool:
    """Whether a layer is a model of layers."""
    from keras.src.models.functional import Functional
    from keras.src.models.sequential import Sequential

    return isinstance(layer, Functional | Sequential)


def own_nodes(model: Layer, layer: Layer) -> list[Layer]:
    """The calls of a layer that belong to a model, in the order in which they were made."""
    nodes = enumerate(layer._inbound_nodes)
    return [node for i, node in nodes if f"{id(layer)}_ib-{i}" in model._nodes]


def names_of(tensors: list[Layer]) -> list[str]:
    """The layers that tensors come from; a further result of a layer gets ``_1``."""
    names: list[str] = []
    for tensor in tensors:
        name = tensor._keras_history[0].name
        number = 0
        while (f"{name}_{number}" if number else name) in names:
            number += 1
        names.append(f"{name}_{number}" if number else name)
    return names


# ---- Weights ----


def folded_weights(layer: Layer) -> tuple[Layer, Layer]:
    """Kernel and bias before their quantizers.

    The depthwise layer computes with ``rsqrt``, and not with its ``get_folded_weights``.
    """
    import keras

    if type(layer).__name__ != "QDepthwiseConv2DBatchnorm":
        kernel, bias = layer.get_folded_weights()
        return kernel, bias
    normalization, kernel = layer.batchnorm, layer.depthwise_kernel
    inverse = keras.ops.rsqrt(normalization.moving_variance + normalization.epsilon)
    if normalization.gamma is not None:
        inverse *= normalization.gamma
    bias = layer.bias if layer.use_bias else 0
    folded = inverse * (bias - normalization.moving_mean) + normalization.beta
    return keras.ops.reshape(inverse, kernel.shape[2:]) * kernel, folded
