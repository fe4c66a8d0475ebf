"""From a path to a `ModelFile`, whatever the format."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qconvert.errors import BadFileError, Problem, UnsupportedError, UsageError
from qconvert.modelfile.architecture import (
    Architecture,
    find_weights,
    parse_architecture,
    require_listed_layers,
    version_in,
)
from qconvert.modelfile.archive import read_archive
from qconvert.modelfile.hdf5 import ByName, ByPosition, read_hdf5
from qconvert.modelfile.json_strict import parse_object
from qconvert.modelfile.layers import layer_tree
from qconvert.modelfile.magic import Format, recognise
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.model import ModelFile
from qconvert.modelfile.nesting import assign
from qconvert.modelfile.source import read_source


def read_model(path: Path, weights: Path | None = None) -> ModelFile:
    """Read a whole model (``.h5``, ``.keras``), or an architecture ``.json`` and its *weights*.

    Without *weights*, those of an architecture are looked for beside it. Formats are told by
    content. Raises `BadFileError`, `UnsupportedError`, `UsageError` or `LimitError`.
    """
    data = read_source(path)
    with _blaming(path):
        kind = recognise(data)
        if kind is Format.JSON:
            architecture = parse_architecture(data, "the architecture")
    if kind is Format.JSON:
        return _with_weights(path, data, architecture, weights or find_weights(path))
    if weights is not None:
        raise UsageError(
            "QC002", f"{path} holds its own weights; only a .json takes a weights file"
        )
    with _blaming(path):
        read = _from_hdf5 if kind is Format.HDF5 else _from_archive
        return read(path, data)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    try:
        yield
    except MalformedError as error:
        raise BadFileError(error.code, path, str(error)) from None


def _from_hdf5(path: Path, data: bytes) -> ModelFile:
    contents = read_hdf5(data)
    if contents.model_config is None:
        raise _no_architecture(contents.stored)
    architecture = parse_architecture(contents.model_config, "model_config")
    version = contents.keras_version or architecture.keras_version
    return _model(path, data, Architecture(architecture.config, version), contents.stored)


def _no_architecture(stored: ByName | ByPosition | None) -> Exception:
    if stored is None:
        return MalformedError("QC103", "an HDF5 file, but not one of Keras's")
    reason = "weights only; save with model.save(), or give the architecture: model.json"
    return UnsupportedError([Problem("QC201", "", reason)])


def _from_archive(path: Path, data: bytes) -> ModelFile:
    archive = read_archive(data)
    config = parse_architecture(archive.config, "config.json").config
    version = version_in(parse_object(archive.metadata, "metadata.json"))
    return _model(path, data, Architecture(config, version), read_hdf5(archive.weights).stored)


def _with_weights(
    path: Path, data: bytes, architecture: Architecture, weights_path: Path
) -> ModelFile:
    more = read_source(weights_path)
    with _blaming(weights_path):
        if recognise(more) is not Format.HDF5:
            raise MalformedError("QC103", "the weights of an architecture have to be an HDF5 file")
        contents = read_hdf5(more)
        version = architecture.keras_version or contents.keras_version
        architecture = Architecture(architecture.config, version)
        return _model(path, data + more, architecture, contents.stored, weights_path)


def _model(
    path: Path,
    data: bytes,
    architecture: Architecture,
    stored: ByName | ByPosition | None,
    weights_path: Path | None = None,
) -> ModelFile:
    require_listed_layers(architecture.config["class_name"])
    if stored is None:
        raise MalformedError("QC506", "holds no weights of Keras's")
    return ModelFile(
        path=path,
        weights_path=weights_path,
        sha256=hashlib.sha256(data).hexdigest(),
        keras_version=architecture.keras_version,
        config=architecture.config,
        weights=assign(layer_tree(architecture.config), stored),
    )
