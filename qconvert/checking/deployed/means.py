"""Means over windows that a file has as kernels that round: these have to return the right codes.

A convolution's kernel has weights, which are compared, and count as wrong where its codes are. A
mean has none, so that of its kernel something is to be said by itself.
"""

from collections.abc import Iterator, Mapping, Set

import numpy as np
import onnx

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import Remark
from qconvert.checking.deployed.kernels import LINEAR, called, kind_of
from qconvert.checking.deployed.paths import is_mean, paths_to, rises
from qconvert.checking.deployed.requantized import Judged, judged_together
from qconvert.ir import Graph, Node
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Pool


def wrong_means(conversion: Conversion) -> tuple[Remark, ...]:
    """The kernels in the place of means that do not return the right code for every sum.

    Or of which that cannot be told.
    """
    file, graph, fused = conversion.file, conversion.graph, conversion.fused
    products = {end for name, end in fused.items() if any(map(_multiplies, graph.by_layer[name]))}
    ends = {name: end for name, end in _ends_of_means(graph).items() if name not in products}
    held = [x.layer for x in file.layers if x.layer in ends and not x.fused_into]
    linear = {name: node for name in held for node in file.cones[name] if kind_of(node) in LINEAR}
    if not linear:
        return ()
    found: dict[str, Judged | None] = {}
    for name in linear.keys() & file.kernels.keys():
        paths, kernels = paths_to(graph, ends[name], conversion.inside), file.kernels[name]
        for _, one in judged_together(paths, kernels, conversion.analysis):
            found[name] = one
    return tuple(
        Remark(text, frozenset(x.layer for x in file.layers if name in (x.layer, x.fused_into)))
        for name, text in _faults(linear, found)
    )


def _ends_of_means(graph: Graph) -> dict[str, str]:
    """By layer its value, of those that are functions of means and of no products."""
    values = _of_means(graph)
    return {
        layer.name: layer.value
        for layer in graph.layers
        if layer.value in values and not any(map(_multiplies, graph.by_layer[layer.name]))
    }


def _of_means(graph: Graph) -> Set[str]:
    """The values that are computed of means alone, which largest ones may be taken of in between.

    Behind these all has to rise: else it is no function of the largest mean.
    """
    pooled: dict[str, bool] = {}
    for node in graph.nodes:
        before = pooled.get(node.inputs[0]) if len(node.inputs) == 1 else None
        if is_mean(node):
            pooled[node.name] = False
        elif before is not None and not _multiplies(node) and (rises(node) or not before):
            pooled[node.name] = before or isinstance(node.op, Pool)
    return pooled.keys()


def _multiplies(node: Node) -> bool:
    return isinstance(node.op, Dense | Conv | ConvTranspose)


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
