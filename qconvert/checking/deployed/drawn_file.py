"""An ONNX file as it was written: to which layers its tensors belong, and their weights."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import numpy as np
import onnx

from qconvert.checking.deployed.kernels import (
    LINEAR,
    Numbers,
    adds_bias_early,
    bias_of,
    input_of,
    is_integer,
    kernel_of,
    kind_of,
)
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.runners.cutting import tensors_of

Layers: TypeAlias = frozenset[str]

#: What ONNX Runtime appends to the name of an operator that it puts in the place of one.
_TOKEN: Final = re.compile(r"_token_\d+$")


class DrawnFile:
    """What the graph that a runtime makes of a file is held against.

    ``kernels`` are what its linear operators multiply by, ``addends`` what these and additions
    add, each with the layers that it belongs to: all, where that cannot be told. ``rounding`` are
    the kernels whose operator states in the file how it rounds; ``early`` are operators that may
    round a bias before the sum is finished.
    """

    def __init__(self, file: LayeredFile) -> None:
        self.graph, layers = file.graph, file.layers
        #: What other programs converted, as nothing is proven of.
        self.opaque: Layers = frozenset(layer.layer for layer in layers if layer.converter)
        self._named = {node.name: node for node in self.graph.nodes if node.name}
        self._results = _by_name((layer.layer, tensors_of(layer)) for layer in layers)
        self._owners = _by_name(
            (layer, (*node.output, *self._constants(node)))
            for layer, nodes in file.cones.items()
            for node in nodes
        )
        self.kernels: list[tuple[Layers, Numbers]] = []
        self.rounding: list[tuple[Layers, Numbers]] = []
        self.addends: list[tuple[Layers, Numbers]] = []
        self.early: list[tuple[Layers, onnx.NodeProto]] = []
        for outer in self.graph.nodes:
            owners = self.owners_of(outer)
            for node, graph in self.graph.nested(outer):
                found = [(owners, k) for k in [kernel_of(node, graph)] if k is not None]
                self.kernels += found
                self.rounding += found if is_integer(node) else []
                self.addends += ((owners, a) for a in _addends(node, graph))
                self.early += [(owners, node)] if adds_bias_early(node) else []

    def layers_of(self, node: onnx.NodeProto, made: OnnxGraph) -> Layers:
        """The layers that an operator of a graph *made* of this file computes for.

        Those of its kernel, and of what was drawn between the nearest tensors that both have.
        """
        places = LINEAR.get(kind_of(node))
        same = self._named.get(_TOKEN.sub("", node.name))
        # What is behind a transposition has other tensors around it, but still its name.
        if places is None and same is not None and node.op_type in (same.op_type, _last(same)):
            return self.owners_of(same)
        if same is not None and node.op_type == f"QLinear{same.op_type}":
            readers = self.graph.readers(same.output[0])
            return self.owners_of(same).union(*map(self.owners_of, readers))
        owners = self._owners_of([input_of(node, places.kernel)] if places else [])
        if owners and not any(map(self.graph.computes, node.output)):
            return owners
        between = self._between(node, made)
        return owners | (between - self._in_front(node, made) if owners else between)

    def owners_of(self, node: onnx.NodeProto) -> Layers:
        """The layers that an operator of this file belongs to."""
        return self._owners_of(node.output)

    def _between(self, node: onnx.NodeProto, made: OnnxGraph) -> Layers:
        nodes = self.graph.drawn_for(node, made)
        computed = [name for each in nodes for name in each.output]
        # Constants are no layer's: several may share one.
        owners = self._owners_of(x for x in computed if self.graph.constant(x) is None)
        # What becomes of a result behind it is not the layer's: codes that are not made floats.
        starts = self.graph.nearest(node.input, made.before)
        return owners - {layer for name in starts for layer in self._results.get(name, ())}

    def _in_front(self, node: onnx.NodeProto, made: OnnxGraph) -> Layers:
        """The layers of what computes a product's first factor, if that has no tensor in this file.

        As a pool of channels that come last, between which and a product nothing is drawn.
        """
        maker = None if self.graph.computes(node.input[0]) else made.maker(node.input[0])
        return frozenset() if maker is None else self.layers_of(maker, made)

    def _owners_of(self, names: Iterable[str]) -> Layers:
        return frozenset(layer for name in names for layer in self._owners.get(name, ()))

    def _constants(self, node: onnx.NodeProto) -> Iterator[str]:
        return (name for name in node.input if self.graph.constant(name) is not None)


def _last(node: onnx.NodeProto) -> str:
    """ONNX Runtime's operator of this kind for channels that come last."""
    return f"Nhwc{node.op_type}"


def _by_name(names: Iterable[tuple[str, Iterable[str]]]) -> dict[str, set[str]]:
    """The layers of each name."""
    found: dict[str, set[str]] = {}
    for layer, of_layer in names:
        for name in of_layer:
            found.setdefault(name, set()).add(layer)
    return found


def _addends(node: onnx.NodeProto, graph: OnnxGraph) -> Iterator[Numbers]:
    bias = bias_of(node, graph)
    if bias is not None:
        yield bias
    if node.op_type in ("Add", "Sub", "Sum"):
        sign = -1 if node.op_type == "Sub" else 1
        constants = map(graph.constant, node.input)
        yield from (sign * array.astype(np.float64) for array in constants if array is not None)
