"""Which layers an ONNX file draws as `export` does, operator by operator.

Samples cannot show what a file does for other inputs, and weights that are read back tell nothing
of an operator that somebody put beside them. What is proven of a layer is proven of the operators
that `export` writes for it; so the model is exported once more, and the two graphs are compared.
"""

from collections.abc import Collection, Iterator
from itertools import product
from typing import Final, TypeAlias

import onnx

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.emit import to_onnx
from qconvert.emit.interface import input_codes
from qconvert.emit.metadata import ModelMetadata, read_metadata
from qconvert.errors import QConvertError
from qconvert.ir import Graph
from qconvert.runners.interface import domain_of_codes

#: What an operator is and reads: tensors by name, constants by what they hold.
_Drawn: TypeAlias = tuple[object, ...]

OTHERWISE: Final = "the file has other operators for it than export writes"


def drawn_otherwise(conversion: Conversion) -> frozenset[str]:
    """The layers for which the file has other operators or constants than an export of the model.

    All of them, where the two differ outside of layers. Of layers whose constants a repair has
    moved, the types of constants count alone.
    """
    graph, model = conversion.exported, conversion.file.model
    found = every = frozenset(layer.name for layer in graph.layers)
    metadata = conversion.file.metadata
    if metadata is None:
        return every
    theirs, moved = _Drawing(conversion.file), {move.layer for move in conversion.moves}
    # Which of these a file was written with shows in some files alone.
    for packed, vnni in product((False, True), repeat=2):
        fresh = _exported(graph, model, metadata, packed=packed, vnni=vnni)
        if fresh is not None and _is_alike(model, fresh, metadata):
            differing = every & _differing(_Drawing(LayeredFile(fresh)), theirs, metadata, moved)
            found = min(found, differing, key=len)
        if not found:
            break
    return found


def _differing(
    ours: "_Drawing", theirs: "_Drawing", metadata: ModelMetadata, moved: Collection[str]
) -> set[str]:
    ends = {x.layer: x.fused_into or x.layer for x in metadata.layers}
    if ours.outside() != theirs.outside():
        return set(ends)
    loose = {ends.get(name) for name in moved}
    return {
        name
        for name, end in ends.items()
        if ours.of(name, loose=end in loose) != theirs.of(name, loose=end in loose)
    }


class _Drawing:
    """The operators of a file, by layer."""

    def __init__(self, file: LayeredFile) -> None:
        self._graph = file.model.graph
        self._stored = {tensor.name: tensor for tensor in self._graph.initializer}
        self._cones = file.cones

    def of(self, layer: str, *, loose: bool) -> list[_Drawn]:
        """The operators of a layer, in the file's order; *loose*: whatever constants hold."""
        return [self._drawn(node, loose) for node in self._cones[layer]]

    def outside(self) -> list[_Drawn]:
        """The operators of no layer."""
        inside = {id(node) for nodes in self._cones.values() for node in nodes}
        return [self._drawn(node, False) for node in self._graph.node if id(node) not in inside]

    def _drawn(self, node: onnx.NodeProto, loose: bool) -> _Drawn:
        attributes = sorted(each.SerializeToString(deterministic=True) for each in node.attribute)
        captured = sorted(set(_captured(node)))
        inputs = [self._read(name, loose) for name in (*node.input, *captured)]
        return node.op_type, node.domain, attributes, list(node.output), inputs

    def _read(self, name: str, loose: bool) -> object:
        tensor = self._stored.get(name)
        if tensor is None:
            return name
        if loose:
            # A kernel that is repaired gets a scale a channel, where one was for all.
            return tensor.data_type
        content = tensor.raw_data or tensor.SerializeToString()
        return tensor.data_type, tuple(tensor.dims), content


def _captured(node: onnx.NodeProto) -> Iterator[str]:
    """What the graphs inside of an operator read, their own tensors among it."""
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                yield from inner.input
                yield from _captured(inner)


def _exported(
    graph: Graph, model: onnx.ModelProto, metadata: ModelMetadata, *, packed: bool, vnni: bool
) -> onnx.ModelProto | None:
    """What `export` writes with the options that *model* tells, and these; nothing if it cannot."""
    coded = {each.input: each.codes for each in metadata.inputs if each.codes is not None}
    opsets = [each.version for each in model.opset_import if not each.domain]
    try:
        (opset,) = opsets
        own = input_codes(graph, {}, opset)
        return to_onnx(
            graph,
            dialect=metadata.dialect,
            opset=opset,
            source=metadata.source,
            quantized_io=bool(coded) or any(each.codes for each in metadata.outputs),
            meanings={
                name: domain_of_codes(codes)
                for name, codes in coded.items()
                if own.get(name) != codes
            },
            packed=packed,
            vnni=vnni,
        )
    except (QConvertError, ValueError):
        return None


def _is_alike(model: onnx.ModelProto, fresh: onnx.ModelProto, metadata: ModelMetadata) -> bool:
    """Whether all but operators and constants is the same, and nothing is defined anew."""
    ours = read_metadata(fresh)
    same = ours is not None and ours.layers == metadata.layers
    graphs = model.graph, fresh.graph
    interfaces = [[list(graph.input), list(graph.output)] for graph in graphs]
    opsets = [{x.domain: x.version for x in each.opset_import} for each in (model, fresh)]
    others = model.functions or model.graph.sparse_initializer or model.training_info
    return same and not others and opsets[0] == opsets[1] and interfaces[0] == interfaces[1]
