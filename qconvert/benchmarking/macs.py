"""How many multiplications the linear operators of a file take for one sample."""

import math
from collections.abc import Iterator

import onnx

from qconvert.checking.deployed.kernels import LINEAR, input_of, kind_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph


def multiplications(model: onnx.ModelProto) -> int | None:
    """Of a file with inputs of known sizes; ``None`` where a size or a number of steps is not."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = OnnxGraph(inferred.graph)
    shapes = dict(_shapes(inferred.graph))
    total = 0
    for outer in graph.nodes:
        for node, inner in graph.nested(outer):
            if kind_of(node) not in LINEAR:
                continue
            count = _count(node, shapes) if inner is graph else 0
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
    inner = 1 if len(kernel) == 1 else taken[_summed(node, len(taken))]
    return math.prod(returned) * inner


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
