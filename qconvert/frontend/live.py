"""A live tf_keras or QKeras model as if it had been read from a file; never imports TensorFlow."""

import hashlib
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from qconvert.errors import UsageError
from qconvert.frontend.settings import require_usual_settings
from qconvert.modelfile import Json, ModelFile, StoredWeight, require_listed_layers
from qconvert.modelfile.malformed import blaming

#: Options of a quantizer that ``get_config`` loses and that change numbers, with their defaults.
_LOST: Final[Mapping[str, bool | None]] = {
    "elements_per_scale": None,
    "enable_fast_inference": False,
    "is_quantized_clip": True,
    "max_po2_exponent": None,
    "min_po2_exponent": None,
    "scale_axis": None,
    "use_ste": True,
    "use_variables": False,
}
#: Options of a layer that ``get_config`` loses.
_UNSAVED: Final[Mapping[str, tuple[str, ...]]] = {
    "QAdaptiveActivation": ("relu_upper_bound",),
    "QBatchNormalization": ("activation",),
    "QDepthwiseConv2DTranspose": ("depthwise_activation",),
    "QSeparableConv2DTranspose": ("depthwise_activation", "pointwise_activation"),
}
#: Where a layer keeps the object for a quantizer in its configuration.
_OBJECTS: Final = {
    "activation": ("quantizer", "activation"),
    "depthwise_activation": ("depthwise_activation",),
    "pointwise_activation": ("pointwise_activation",),
    "recurrent_activation": ("recurrent_activation",),
}


def model_file(model: Any) -> ModelFile:  # noqa: ANN401 - any Keras's model, by its methods
    """Architecture and weights of *model*; `UsageError` if it is no built Keras model.

    `UnsupportedError` if it is a subclass, which is code, or computes with settings that no file
    keeps.
    """
    if not all(hasattr(model, name) for name in ("to_json", "layers", "get_layer", "built")):
        raise UsageError("QC004", f"{type(model).__name__} is not a Keras model")
    called = Path(str(model.name))
    with blaming(called):
        require_usual_settings(model)
    if not model.built:
        raise UsageError("QC005", "the model has no weights yet: call it, or build it, first")
    with warnings.catch_warnings():
        # Keras warns about each of QKeras's quantizers, which are no constraints of Keras's.
        warnings.simplefilter("ignore")
        config: dict[str, Json] = json.loads(_written(model))
    with blaming(called):
        require_listed_layers(config["class_name"])
    weights: dict[str, tuple[StoredWeight, ...]] = {}
    for path, entry, layer in _layers(config, model, ""):
        _restore(entry, layer)
        variables = tuple(StoredWeight(v.name, _array(v)) for v in layer.weights)
        if variables:
            weights[path] = variables
    version = config.get("keras_version")
    return ModelFile(
        path=called,
        weights_path=None,
        sha256=_digest(config, weights),
        keras_version=version if isinstance(version, str) else None,
        config=config,
        weights=weights,
    )


def _written(model: Any) -> str:  # noqa: ANN401
    """The configuration; `UsageError` where Keras or QKeras fail to write it."""
    try:
        return str(model.to_json())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(
            "QC006", f"Keras cannot write the model's configuration ({reason})"
        ) from error


def save_for_keras(model: Any, read: ModelFile, path: Path) -> None:  # noqa: ANN401
    """Write *model*, of which *read* was made, with the options that Keras loses.

    As ``.h5``, or for Keras 3 as ``.keras``, from which alone it reads its own functions.
    """
    if str(read.keras_version).startswith("3."):
        _save_archive(model, read, path)
        return
    import h5py

    model.save(str(path), include_optimizer=False)
    architecture = {key: read.config[key] for key in ("class_name", "config")}
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(architecture)


def _save_archive(model: Any, read: ModelFile, path: Path) -> None:  # noqa: ANN401
    saved = path.with_suffix(".saved.keras")
    model.save(str(saved), include_optimizer=False)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = {**json.loads(content), "config": read.config["config"]}
                content = json.dumps(config).encode()
            new.writestr(name, content)


def _layers(
    entry: dict[str, Json],
    model: Any,  # noqa: ANN401
    prefix: str,
) -> Iterator[tuple[str, dict[str, Json], Any]]:
    """(weight path, configuration, object) of every layer, nested models opened."""
    config = entry["config"]
    listed = config.get("layers") if isinstance(config, dict) else config
    # Functions of Keras 3, which have no variables and lose nothing, are no layers.
    objects = {layer.name: layer for layer in model.layers}
    for inner in listed if isinstance(listed, list) else ():
        if not isinstance(inner, dict) or not isinstance(inner["config"], dict):
            continue
        if inner["class_name"] == "InputLayer":
            continue
        name = str(inner.get("name", inner["config"]["name"]))
        layer = objects.get(name)
        if layer is None:
            continue
        if "layers" in inner["config"]:
            yield from _layers(inner, layer, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", inner, layer


def _restore(entry: dict[str, Json], layer: Any) -> None:  # noqa: ANN401
    """Write back into a configuration what the layer's ``get_config`` leaves out."""
    config = entry["config"]
    if not isinstance(config, dict):
        return
    for key in ("layer", "backward_layer"):
        inner = config.get(key)
        if isinstance(inner, dict):
            _restore(inner, _wrapped(layer, key))
    if entry["class_name"] == "BatchNormalization" and getattr(layer, "fused", None) is False:
        config["fused"] = False
    for option in _UNSAVED.get(str(entry["class_name"]).removeprefix("qkeras>"), ()):
        config[option] = _serialized(getattr(layer, option, None))
    if str(getattr(getattr(layer, "activation", None), "__module__", "")).startswith("qkeras."):
        _restore_function(config, layer.activation)
    for key, value in config.items():
        if isinstance(value, dict) and isinstance(value.get("config"), dict):
            _restore_quantizer(value["config"], _quantizer(layer, key))


def _wrapped(layer: Any, key: str) -> Any:  # noqa: ANN401
    """The layer inside; ``Bidirectional`` computes with a copy of what it was given."""
    forward = getattr(layer, "forward_layer", None)
    return forward if key == "layer" and forward is not None else getattr(layer, key)


def _serialized(value: Any) -> Json:  # noqa: ANN401 - a quantizer, a function, or plain
    """An option as a configuration holds it."""
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": dict(value.get_config())}
    return str(value.__name__) if callable(value) else value


def _restore_function(config: dict[str, Json], function: object) -> None:
    """A function of QKeras's by its name alone: in a dictionary, Keras 3 takes it for its own."""
    match config.get("activation"):
        case {"class_name": "function", "config": str(name)} if callable(function):
            config["activation"] = name
        case _:
            pass


def _restore_quantizer(config: Json, quantizer: object) -> None:
    if not isinstance(config, dict):
        return
    for option, default in _LOST.items():
        value = getattr(quantizer, option, default)
        if value != default:
            config[option] = value


def _quantizer(layer: object, key: str) -> object:
    if not key.endswith(("_quantizer", "activation")):
        return None
    names = _OBJECTS.get(key, (f"{key}_internal",))
    found = (getattr(layer, name, None) for name in names)
    return next((one for one in found if one is not None), None)


def _array(variable: Any) -> np.ndarray[Any, np.dtype[Any]]:  # noqa: ANN401
    return np.asarray(variable.numpy())


def _digest(config: dict[str, Json], weights: dict[str, tuple[StoredWeight, ...]]) -> str:
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for path, variables in weights.items():
        digest.update(path.encode())
        for variable in variables:
            digest.update(np.ascontiguousarray(variable.value).tobytes())
    return digest.hexdigest()
