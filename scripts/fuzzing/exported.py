"""Exported files that cases are made of, each with the model that it is of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import onnx

import qconvert
from qconvert.emit import to_onnx
from qconvert.ir import Graph
from scripts.fuzzing import seeds
from scripts.mutation.subjects import files_of

#: Small ones, most of whose bytes mean something, and one of images.
_MODELS: Final = ("encoder", "jet_mlp", "mnist_cnn")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model: its files, its graph, and one ONNX file of it."""

    path: Path
    weights: Path | None
    graph: Graph
    file: onnx.ModelProto

    @property
    def content(self) -> bytes:
        """The bytes of the ONNX file."""
        data: bytes = self.file.SerializeToString(deterministic=True)
        return data


@cache
def subjects() -> Mapping[bytes, Subject]:
    """By the bytes of the file that cases are made of."""
    return {subject.content: subject for subject in _every()}


def _every() -> Iterator[Subject]:
    for name in _MODELS:
        path, weights = files_of(name, Path())
        graph = qconvert.load(path, weights=weights)
        yield Subject(path, weights, graph, to_onnx(graph))
    small, *_ = _MODELS
    path, weights = files_of(small, Path())
    graph = qconvert.load(path, weights=weights)
    yield Subject(path, weights, graph, to_onnx(graph, dialect="float"))
    yield Subject(path, weights, graph, to_onnx(graph, quantized_io=True))
    for edit in seeds.OTHERS:
        file = to_onnx(graph)
        edit(file)
        yield Subject(path, weights, graph, file)
