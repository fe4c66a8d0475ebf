"""The model in a file, of whichever Keras; no code of the file is run."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import keras3
from .legacy import LEGACY, load_legacy
from .readable import made_readable
from .safety import refuse_code
from .tracing import all_layers, is_container

if TYPE_CHECKING:
    from .aliases import Json, Layer


def load_model(path: Path, weights: Path | None, folder: Path) -> Layer:
    """The Keras model in a file; ``folder`` takes copies of files that need to be changed."""
    config, text, keras_version = read_config(path)
    refuse_code(config)
    later = keras3.wanted(config, keras_version)
    path, text = made_readable(path, text, folder, keras3=later)
    if later:
        os.environ.update(keras3.ENVIRONMENT)
        model = keras3.load_model(path, text, weights, folder)
    else:
        os.environ.update(LEGACY)
        model = load_legacy(path, text, weights, folder)
    if not is_container(model) or model.inputs is None:
        raise ValueError("neither a Sequential nor a Functional model with known input shapes")
    refresh(model)
    return model


def refresh(model: Layer) -> None:
    """Let adaptive activations take up the range that they have learned.

    QKeras does so at the end of the first call after loading, which computes with 0 integer bits.
    """
    import tensorflow as tf

    for layer in all_layers(model):
        if type(layer).__name__ == "QAdaptiveActivation":
            layer.call(tf.zeros((1, layer.ema_min.shape[0])), training=False)


def read_config(path: Path) -> tuple[Json, str, str | None]:
    """The architecture in a model file and the Keras that wrote it, without a look at the rest."""
    import h5py

    keras_version = None

    if path.is_dir():
        raise ValueError(f"{path} is a folder; convert it first")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            text = archive.read("config.json").decode()
            keras_version = json.loads(archive.read("metadata.json")).get("keras_version")
    elif h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise ValueError(f"{path} holds weights only, no model")
            stored = file.attrs["model_config"]
            text = stored.decode() if isinstance(stored, bytes) else str(stored)
            stated = file.attrs.get("keras_version")
            keras_version = stated.decode() if isinstance(stated, bytes) else stated
    else:
        text = path.read_text(encoding="utf-8")
        keras_version = json.loads(text).get("keras_version")
    return json.loads(text), text, keras_version
