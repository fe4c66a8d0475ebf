"""A Keras model and an ONNX file: whether the file is of this model, by what it says of itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx

from qconvert.checking.declared import with_codes_of
from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.stored import stored_weights
from qconvert.differing.aligning import Pair, by_name
from qconvert.differing.arrays import array_changes
from qconvert.differing.models import interface_changes
from qconvert.differing.results import Change, Kind
from qconvert.emit.metadata import LayerTensor, ModelMetadata
from qconvert.ir import F32, Graph, Layer, grid_of
from qconvert.ir.graph import in_order

#: By layer and role.
Stored: TypeAlias = Mapping[tuple[str, str], F32]


def conversion_changes(
    graph: Graph, sha256: str | None, model: onnx.ModelProto, metadata: ModelMetadata
) -> tuple[list[Change], list[str]]:
    """From the model to the file, and what nothing was found out about."""
    stored = stored_weights(Conversion(graph, model, with_codes_of(metadata, {})))
    layers = in_order(graph)
    pairs = by_name(
        [(layer.name, layer.class_name) for layer in layers],
        [(layer.layer, layer.class_name) for layer in metadata.layers],
    )
    both = [layers[a] for a, b in pairs if a is not None and b is not None]
    changes = [
        *_whole(graph, sha256, metadata),
        *_layers(layers, metadata.layers, pairs, stored),
    ]
    unseen = [
        f"{layer.name}/{role}"
        for layer in both
        for role in layer.weights
        if (layer.name, role) not in stored
    ]
    found = [f"weights that were not found in the file: {', '.join(unseen)}"] if unseen else []
    return changes, ["the operators of the file, which qconvert check compares by running", *found]


def _whole(graph: Graph, sha256: str | None, metadata: ModelMetadata) -> Iterator[Change]:
    if sha256 and metadata.source and sha256 != metadata.source:
        texts = f"SHA-256 {sha256}", f"SHA-256 {metadata.source}"
        yield Change("", Kind.CHANGED, "source of the file", *texts)
    inputs = [source.name for source in graph.inputs], [x.input for x in metadata.inputs]
    yield from interface_changes("input", *inputs)
    outputs = [output.name for output in graph.outputs], [x.output for x in metadata.outputs]
    yield from interface_changes("output", *outputs)


def _layers(
    first: Sequence[Layer], second: Sequence[LayerTensor], pairs: Sequence[Pair], stored: Stored
) -> Iterator[Change]:
    for a, b in pairs:
        if a is None and b is not None:
            yield Change(second[b].layer, Kind.ADDED, "", None, second[b].class_name)
        elif a is not None and b is None:
            yield Change(first[a].name, Kind.REMOVED, "", first[a].class_name)
        elif a is not None and b is not None:
            yield from _named(first[a], second[b])
            yield from _weights(first[a], stored)


def _named(one: Layer, other: LayerTensor) -> Iterator[Change]:
    if one.name != other.layer:
        yield Change(one.name, Kind.RENAMED, "", one.name, other.layer)
    if one.class_name != other.class_name:
        yield Change(one.name, Kind.CHANGED, "class", one.class_name, other.class_name)


def _weights(layer: Layer, stored: Stored) -> Iterator[Change]:
    """The numbers that the layer computes with, beside those that the file has."""
    for role, weight in layer.weights.items():
        found = stored.get((layer.name, role))
        alone = np.isfinite(weight.effective)
        hidden = 0 if found is None else int(np.count_nonzero(np.isnan(found) & alone))
        if hidden:
            # One number is wrong, and which one of those that it was made of cannot be told.
            told = f"{hidden:,} of {weight.effective.size:,} are part of other numbers in the file"
            yield Change(layer.name, Kind.CHANGED, role, None, f"{told}, which are wrong")
        elif found is not None:
            grid = None if weight.quantizer is None else grid_of(weight.quantizer)
            step = None if grid is None else grid.step
            yield from array_changes(layer.name, role, weight.effective, np.asarray(found), step)
