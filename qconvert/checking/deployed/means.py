"""Means over windows that a file has as kernels that round: these have to return the right codes.

A convolution's kernel has weights, which are compared, and count as wrong where its codes are. A
mean has none, so that of its kernel something is to be said by itself.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx

from qconvert.checking.deployed.deployed_graph import Remark
from qconvert.checking.deployed.kernels import LINEAR, called, kind_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.requantized import Judged, is_mean, judged, sums_and_behind
from qconvert.checking.deployed.stored import cones_of, kernels_of
from qconvert.checking.repair.computed import with_program
from qconvert.checking.repair.moves import read_moves
from qconvert.emit.metadata import read_metadata
from qconvert.exactness import analyse
from qconvert.ir import Graph, Layer
from qconvert.ir.graph import belongs
from qconvert.ir.ops import Conv, ConvTranspose, Dense
from qconvert.runners.interface import InputDomain


def wrong_means(
    graph: Graph, model: onnx.ModelProto, domains: Mapping[str, InputDomain]
) -> tuple[Remark, ...]:
    """The kernels in the place of means that do not return the right code for every sum.

    Or of which that cannot be told, for inputs of the *domains*.
    """
    metadata = read_metadata(model)
    if metadata is None:
        return ()
    file, graph = OnnxGraph(model.graph), with_program(graph, read_moves(model))
    cones = cones_of(file, metadata.layers)
    ends = {layer.name: layer.value for layer in graph.layers if _ends_a_mean(graph, layer)}
    held = [x.layer for x in metadata.layers if x.layer in ends and not x.fused_into]
    linear = {name: node for name in held for node in cones[name] if kind_of(node) in LINEAR}
    if not linear:
        return ()
    kernels, analysis = kernels_of(file, metadata, cones), analyse(graph, domains)
    found = {
        name: judged(graph, analysis, ends[name], kernels[name])
        for name in linear.keys() & kernels.keys()
    }
    return tuple(
        Remark(text, frozenset(x.layer for x in metadata.layers if name in (x.layer, x.fused_into)))
        for name, text in _faults(linear, found)
    )


def _ends_a_mean(graph: Graph, layer: Layer) -> bool:
    """Whether *layer* is a function of means, without any products of its own or behind these."""
    path = sums_and_behind(graph, layer.value)
    if path is None or not is_mean(path[0]):
        return False
    own = (node for node in graph.nodes if belongs(node, layer))
    return not any(isinstance(node.op, Dense | Conv | ConvTranspose) for node in (*path, *own))


def _faults(
    linear: Mapping[str, onnx.NodeProto], found: Mapping[str, Judged | None]
) -> Iterator[tuple[str, str]]:
    """By the layer that ends with it what is wrong with a kernel."""
    for name, node in linear.items():
        kernel = found.get(name)
        if kernel is None:
            text = "is in the place of means, and cannot be read"
        elif np.all(kernel.weights & kernel.codes):
            continue
        else:
            text = "returns other codes than the means in its place"
        yield name, f"{called(node)} {text}"
