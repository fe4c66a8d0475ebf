"""An ONNX file that tells where its layers are, taken apart once for all that ask.

What belongs to a layer is what lies between its tensor and those of the layers before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import onnx

from qconvert.checking.deployed.float_line import FloatLine, float_line
from qconvert.checking.deployed.meaning import given_codes
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.rounding_kernel import Kernels, rounding_kernels
from qconvert.emit.metadata import LayerTensor, read_metadata
from qconvert.runners.cutting import tensors_of

#: By layer the operators that compute it.
Cones: TypeAlias = Mapping[str, list[onnx.NodeProto]]


class LayeredFile:
    """A file with its graph and its metadata; the rest is found when it is first asked for.

    A file without metadata has no layers. One that is edited has to be taken apart again.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = OnnxGraph(model.graph)
        self.metadata = read_metadata(model)
        self.layers: tuple[LayerTensor, ...] = self.metadata.layers if self.metadata else ()

    @cached_property
    def cones(self) -> Cones:
        """What `cones_of` finds for its layers."""
        return cones_of(self.graph, self.layers)

    @cached_property
    def kernels(self) -> Mapping[str, Kernels]:
        """The operators that round sums to codes, by the layer that ends with these.

        Those of parts that are joined behind, if there are several.
        """
        given = given_codes(self.metadata) if self.metadata else {}
        found = {
            layer.layer: rounding_kernels(self.cones[layer.layer], self.graph, given)
            for layer in self.layers
            if any(tensors_of(layer))
        }
        return {name: kernels for name, kernels in found.items() if kernels}

    @cached_property
    def lines(self) -> Mapping[str, FloatLine]:
        """The products and sums in place of other layers, by the layer that ends with these."""
        held = {name: layer for layer in self.layers for name in tensors_of(layer)}
        ends = {layer.fused_into for layer in self.layers if layer.fused_into}
        found = {
            name: float_line(self.cones[name], self.graph, held)
            for name in ends & self.cones.keys()
        }
        return {name: line for name, line in found.items() if line is not None}


def cones_of(file: OnnxGraph, layers: Sequence[LayerTensor]) -> Cones:
    """By layer the operators between its tensors and those of other layers, in the file's order.

    For one that is fused into another layer's operators, these.
    """
    own = dict(own_cones(file, layers))
    return {x.layer: own.get(x.fused_into or x.layer, []) for x in layers}


def own_cones(
    file: OnnxGraph, layers: Sequence[LayerTensor]
) -> Iterator[tuple[str, list[onnx.NodeProto]]]:
    """Layer by layer the same, as they are asked for; none for one that is fused."""
    ends = {name for layer in layers for name in tensors_of(layer)}
    return ((layer.layer, file.cone(list(tensors_of(layer)), ends)) for layer in layers)
