"""From a path to a `ModelFile`, whatever the format."""

from collections.abc import Sequence
from pathlib import Path

from qconvert.errors import BadFileError, Problem, UnsupportedError, UsageError
from qconvert.modelfile.architecture import (
    Architecture,
    find_weights,
    parse_architecture,
    require_listed_layers,
    version_in,
)
from qconvert.modelfile.contents import ByName, ByPosition, Contents, StoredModel
from qconvert.modelfile.json_limits import parse_object
from qconvert.modelfile.layers import LayerNode, layer_tree
from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits
from qconvert.modelfile.magic import Format, is_json, recognise
from qconvert.modelfile.malformed import MalformedError, blaming
from qconvert.modelfile.model import ModelFile
from qconvert.modelfile.nesting import assign
from qconvert.modelfile.reading import reading
from qconvert.modelfile.source import SourceFile, head_of, opened_source


def read_model(
    path: Path,
    weights: Path | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    strict: bool = False,
) -> ModelFile:
    """Read a whole model (``.h5``, ``.keras``), or an architecture ``.json`` and its *weights*.

    Without *weights*, those of an architecture are looked for beside it. Formats are told by
    content. With *strict*, a file has to have nothing that is not read. Raises `BadFileError`,
    `UnsupportedError`, `UsageError` or `LimitError`.
    """
    model = _read(path, weights, limits)
    if strict and model.unused:
        raise BadFileError("QC520", model.weights_path or path, unused_in_words(model))
    return model


def unused_in_words(model: ModelFile) -> str:
    """What the file has besides the model, which is nowhere in any result."""
    return f"holds what no layer takes: {', '.join(path[:200] for path in model.unused)}"


def _read(path: Path, weights: Path | None, limits: Limits) -> ModelFile:
    with opened_source(path, limits) as source:
        with blaming(path):
            kind = recognise(source.data)
            if kind is Format.JSON:
                data = bytes(source.data[: limits.config_bytes + 1])
                architecture = parse_architecture(data, "the architecture", limits)
                layers = _layers(architecture, limits)
        if kind is Format.JSON:
            beside = weights or find_weights(path)
            return _with_weights(path, source, architecture, layers, beside, limits)
        if weights is not None and is_json(head_of(weights)):
            raise UsageError(
                "QC002",
                f"model and weights look swapped: {weights} is JSON, as an architecture is, and "
                f"{path} is not; give {weights} as the model, and --weights {path}",
            )
        if weights is not None:
            raise UsageError(
                "QC002", f"{path} holds its own weights; only a .json takes a weights file"
            )
        with blaming(path):
            return _whole(path, source, kind, limits)


def _whole(path: Path, source: SourceFile, kind: Format, limits: Limits) -> ModelFile:
    with reading(source, "hdf5" if kind is Format.HDF5 else "archive", limits) as pending:
        digest = source.sha256()
        contents = pending()
    if contents.config is None:
        raise _no_architecture(contents.stored)
    what = "model_config" if kind is Format.HDF5 else "config.json"
    architecture = parse_architecture(contents.config, what, limits)
    version = _version(contents, limits) or architecture.keras_version
    stored = StoredModel(kind, architecture.whole, contents)
    return _model(path, digest, architecture, _layers(architecture, limits), version, stored)


def _layers(architecture: Architecture, limits: Limits) -> Sequence[LayerNode]:
    """Those that weights are assigned to."""
    require_listed_layers(architecture.config["class_name"])
    return layer_tree(architecture.config, limits)


def _version(contents: Contents, limits: Limits) -> str | None:
    """The Keras version that the file states beside the architecture."""
    if contents.metadata is not None:
        return version_in(parse_object(contents.metadata, "metadata.json", limits))
    return contents.of_weights.get("keras_version") or contents.of_file.get("keras_version")


def _no_architecture(stored: ByName | ByPosition | None) -> Exception:
    if stored is None:
        return MalformedError("QC103", "an HDF5 file, but not one of Keras's")
    reason = "weights only; save with model.save(), or give the architecture: model.json"
    return UnsupportedError([Problem("QC201", "", reason)])


def _with_weights(
    path: Path,
    source: SourceFile,
    architecture: Architecture,
    layers: Sequence[LayerNode],
    beside: Path,
    limits: Limits,
) -> ModelFile:
    with opened_source(beside, limits) as more, blaming(beside):
        if recognise(more.data) is not Format.HDF5:
            raise MalformedError("QC103", "the weights of an architecture have to be an HDF5 file")
        with reading(more, "hdf5", limits) as pending:
            digest = source.sha256(more)
            contents = pending()
        version = architecture.keras_version or _version(contents, limits)
        stored = StoredModel(Format.JSON, architecture.whole, contents)
        return _model(path, digest, architecture, layers, version, stored, beside)


def _model(
    path: Path,
    digest: str,
    architecture: Architecture,
    layers: Sequence[LayerNode],
    version: str | None,
    stored: StoredModel,
    weights_path: Path | None = None,
) -> ModelFile:
    if stored.contents.stored is None:
        raise MalformedError("QC506", "holds no weights of Keras's")
    return ModelFile(
        path=path,
        weights_path=weights_path,
        sha256=digest,
        keras_version=version,
        config=architecture.config,
        weights=assign(layers, stored.contents.stored),
        unused=stored.contents.unused,
        stored=stored,
    )
