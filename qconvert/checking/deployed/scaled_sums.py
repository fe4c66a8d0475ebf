"""What makes numbers of the int32 sums that ``ConvInteger`` returns."""

from typing import Final

import onnx
from onnx import helper

from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph

_FLOAT: Final = onnx.TensorProto.FLOAT


def scale_behind(node: onnx.NodeProto, graph: OnnxGraph, kernel: Array) -> Array | None:
    """The product of both steps, of all channels or (channels, 1, ...), as *kernel* has its axes.

    ``None`` where anything but a ``Cast`` to float32 and a ``Mul`` by a constant reads the sums.
    """
    cast = _reader(node, graph, "Cast")
    if cast is None or helper.get_node_attr_value(cast, "to") != _FLOAT:
        return None
    product = _reader(cast, graph, "Mul")
    constants = [] if product is None else map(graph.constant, product.input)
    scale = next((array for array in constants if array is not None), None)
    if scale is None or scale.size == 1:
        return None if scale is None else scale.reshape(())
    by_channel = (len(kernel), *[1] * (kernel.ndim - 2))
    fits = scale.shape[-len(by_channel) :] == by_channel and scale.size == len(kernel)
    return scale.reshape(*by_channel, 1) if fits else None


def _reader(node: onnx.NodeProto, graph: OnnxGraph, kind: str) -> onnx.NodeProto | None:
    """The one operator that reads a result, if it is of that *kind*."""
    readers = graph.readers(node.output[0])
    alone = len(readers) == 1 and not graph.returns(node.output[0])
    return readers[0] if alone and readers[0].op_type == kind else None
