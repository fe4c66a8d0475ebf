"""How many multiplications the linear operators of an ONNX file take for one sample."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import onnx

from qconvert.checking.deployed.kernels import LINEAR, input_of, kind_of
from qconvert.checking.deployed.layered_file import cones_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.emit.metadata import LayerTensor

#: What moves or casts all of a kernel.
_SHAPING: Final = frozenset({"Cast", "Reshape", "Transpose"})
#: What is between a kernel that rounds its sums and the end of a row that is cut off.
_BEHIND: Final = frozenset({"Clip", "Reshape", "Slice", "Transpose"})


def multiplications(model: onnx.ModelProto) -> int | None:
    """Of a file with inputs of known sizes; ``None`` where a size or a number of steps is not."""
    graph, shapes = _inferred(model)
    return _total(graph, graph.nodes, shapes)


def multiplications_by_layer(
    model: onnx.ModelProto, layers: Sequence[LayerTensor]
) -> dict[str, int | None]:
    """For one sample, of the operators between each of *layers* and those before it.

    Layers that share a tensor, as one that changes nothing does, leave them to the first.
    """
    graph, shapes = _inferred(with_one_sample(model))
    cones, found, seen = cones_of(graph, layers), dict[str, int | None](), set[str]()
    for layer in layers:
        own = [node for node in cones[layer.layer] if seen.isdisjoint(node.output)]
        if layer.fused_into is None and _multiply(own):
            found[layer.layer] = _total(graph, own, shapes)
            seen.update(name for node in own for name in node.output)
    return found


def with_one_sample(model: onnx.ModelProto) -> onnx.ModelProto:
    """The file for one sample where it takes any number of them."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        axes = value.type.tensor_type.shape.dim
        if axes and not axes[0].dim_value:
            axes[0].dim_value = 1
    return sized


def _inferred(model: onnx.ModelProto) -> tuple[OnnxGraph, dict[str, tuple[int, ...]]]:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    return OnnxGraph(inferred.graph), dict(_shapes(inferred.graph))


def _multiply(nodes: Iterable[onnx.NodeProto]) -> bool:
    return any(kind_of(node) in LINEAR for node in nodes)


def _total(
    graph: OnnxGraph, nodes: Iterable[onnx.NodeProto], shapes: dict[str, tuple[int, ...]]
) -> int | None:
    total = 0
    for outer in nodes:
        for node, inner in graph.nested(outer):
            if kind_of(node) not in LINEAR:
                continue
            count = _in_model(_count(node, shapes), node, graph, shapes) if inner is graph else 0
            if not count:
                return None
            total += count
    return total


def _count(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    """0 if the sizes are not known."""
    kernel = shapes.get(input_of(node, LINEAR[kind_of(node)].kernel), (0,))
    taken, returned = shapes.get(node.input[0], (0,)), shapes.get(node.output[0], (0,))
    if node.op_type == "ConvTranspose":
        return math.prod(taken) * math.prod(kernel[1:])
    if "Conv" in node.op_type:
        return math.prod(returned) * math.prod(kernel[1:])
    if len(kernel) == 1:
        return math.prod(returned)
    axis = _summed(node, len(taken))
    return math.prod(returned) * taken[axis] if 0 <= axis < len(taken) else 0


def _in_model(
    products: int, node: onnx.NodeProto, graph: OnnxGraph, shapes: dict[str, tuple[int, ...]]
) -> int:
    """Those of *products* with no zeros that `export` has put into a kernel, or behind a row.

    Between the weights of groups, and beside those of the places of a row that share it.
    """
    maker = graph.maker(input_of(node, LINEAR[kind_of(node)].kernel))
    while maker is not None and maker.op_type in (*_SHAPING, "Gather"):
        if maker.op_type == "Gather":
            places = graph.constant(maker.input[1])
            if places is not None and places.size:
                # What lies beside a place is the last element, behind its row.
                products = products * int(np.sum(places < places.max())) // places.size
                kept, width = _kept(node, graph, shapes, len(places))
                products = products * kept // width
        maker = graph.maker(maker.input[0])
    if maker is None or maker.op_type != "Where":
        return products
    own = graph.constant(maker.input[0])
    return products // len(own) if own is not None and own.ndim else products


def _kept(
    node: onnx.NodeProto, graph: OnnxGraph, shapes: dict[str, tuple[int, ...]], together: int
) -> tuple[int, int]:
    """How many places of a row are kept of how many that are computed, so many *together*.

    What is cut off has zeros in front of it; else it is a layer that crops.
    """
    name = node.output[0]
    while len(readers := graph.readers(name)) == 1 and readers[0].op_type in _BEHIND:
        before, name = name, readers[0].output[0]
        if readers[0].op_type == "Slice":
            kept, width = (_width(shapes.get(each, ())) for each in (name, before))
            padded = 0 < kept < width < kept + together and _zeros_behind(node) >= width - kept
            return (kept, width) if padded else (1, 1)
    return 1, 1


def _width(shape: tuple[int, ...]) -> int:
    """Of a tensor whose channels are last, how long its rows are."""
    return shape[-2] if len(shape) > 1 else 0


def _zeros_behind(node: onnx.NodeProto) -> int:
    """How many places of the padding of a convolution are behind each row."""
    return next((attribute.ints[-1] for attribute in node.attribute if attribute.name == "pads"), 0)


def _summed(node: onnx.NodeProto, axes: int) -> int:
    """The axis of the first factor of a product of matrices that it sums over."""
    turned = any(a.name == "transA" and a.i for a in node.attribute)
    return axes - 2 if turned else axes - 1


def _shapes(graph: onnx.GraphProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """0 stands for a size that is not known."""
    for tensor in graph.initializer:
        yield tensor.name, tuple(tensor.dims)
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name, tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
