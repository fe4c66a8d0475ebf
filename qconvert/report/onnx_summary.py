"""What an ONNX file consists of, and what is known of its layers, for ``qconvert inspect``."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import numpy_helper

from qconvert.checking.deployed.by_layer import kernels_by_layer
from qconvert.checking.deployed.kernels import LINEAR, input_of, kind_of, operator_of
from qconvert.checking.onnx_file import shape_of
from qconvert.emit.metadata import CodesTensor, LayerTensor, read_metadata
from qconvert.emit.stamp import read_stamp, sha256_of
from qconvert.emit.subgraphs import with_inner
from qconvert.report.summary import Codes, LayerSummary, Summary, Tensor, totals_of
from qconvert.weighing.costs import Cost
from qconvert.weighing.file_macs import (
    multiplications,
    multiplications_by_layer,
    with_one_sample,
)
from qconvert.weighing.weights import Weighed, distinct_in


def of_onnx(model: onnx.ModelProto, optimized: onnx.ModelProto | None = None) -> Summary:
    """The summary of an ONNX file; it has layers if it was exported by us.

    *optimized* is the graph that ONNX Runtime makes of it.
    """
    metadata, stamp = read_metadata(model), read_stamp(model)
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    graphs = list(with_inner(graph))
    operators = Counter(operator_of(node) for each in graphs for node in each.node)
    tensors = tuple(tensor for each in graphs for tensor in _initializers(each))
    counts = multiplications_by_layer(model, metadata.layers) if metadata else {}
    return Summary(
        "ONNX",
        graph.name,
        tuple((value.name, shape_of(value)) for value in graph.input if value.name not in weights),
        tuple((value.name, shape_of(value)) for value in graph.output),
        tuple(_exported_layer(x, counts) for x in metadata.layers) if metadata else (),
        totals_of(multiplications(with_one_sample(model)), None, tensors),
        tensors,
        tuple(sorted(operators.items())),
        metadata,
        stamp,
        stamp is not None and stamp.file == sha256_of(model),
        None if optimized is None else kernels_by_layer(model, optimized),
    )


def _exported_layer(layer: LayerTensor, counts: Mapping[str, int | None]) -> LayerSummary:
    codes = None if layer.codes is None else Codes(_stored(layer.codes), None, None)
    return LayerSummary(
        layer.layer,
        layer.class_name,
        None,
        codes,
        (),
        layer.tensor,
        layer.converter,
        layer.notes,
        layer.fused_into,
        Cost(counts[layer.layer]) if layer.layer in counts else None,
    )


def _stored(codes: CodesTensor) -> str:
    if isinstance(codes.exp, int):
        return f"codes in {codes.tensor}, zero point {codes.zero_point}, step 2**{codes.exp}"
    lo, hi = min(codes.exp), max(codes.exp)
    return f"sums in {codes.tensor}, steps by channel, from 2**{lo} to 2**{hi}"


def _initializers(graph: onnx.GraphProto) -> Iterator[Tensor]:
    for tensor in graph.initializer:
        yield _initializer(tensor, graph)
    for sparse in graph.sparse_initializer:
        values = _initializer(sparse.values, graph)
        places = bytes_of(sparse.indices)
        yield replace(
            values,
            shape=tuple(sparse.dims),
            type=f"sparse {values.type}",
            bytes=values.bytes + places,
        )


def _initializer(tensor: onnx.TensorProto, graph: onnx.GraphProto) -> Tensor:
    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    shape, weighed = tuple(tensor.dims), _weighed(tensor, _bits(tensor), graph)
    return Tensor(tensor.name, shape, kind.lower(), bytes_of(tensor), weighed=weighed)


def bytes_of(tensor: onnx.TensorProto) -> int:
    """What a stored tensor takes."""
    elements: int = math.prod(tensor.dims)
    return -(-elements * _bits(tensor) // 8)


def _bits(tensor: onnx.TensorProto) -> int:
    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    packed = {"INT4": 4, "UINT4": 4, "INT2": 2, "UINT2": 2}
    return packed.get(kind) or 8 * _itemsize(tensor.data_type)


def _weighed(tensor: onnx.TensorProto, bits: int, graph: onnx.GraphProto) -> Weighed | None:
    """Of numbers alone; those that NumPy has no arithmetic for are all float32."""
    numbers = numpy_helper.to_array(tensor)
    if numbers.dtype.kind in "OSUc":
        return None
    numbers = numbers if numbers.dtype.kind in "fiub" else numbers.astype(np.float32)
    zeros = int(np.count_nonzero(numbers == _zero_of(tensor.name, graph)))
    return Weighed(numbers.size, bits, zeros, distinct_in(numbers))


def _zero_of(name: str, graph: onnx.GraphProto) -> int:
    """The code that stands for 0 in the stored weight *name*, where all channels have one."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        zero = _zero_points(node).get(name, "")
        if zero in stored:
            points = np.unique(numpy_helper.to_array(stored[zero]).astype(np.int64))
            return int(points[0]) if len(points) == 1 else 0
    return 0


def _zero_points(node: onnx.NodeProto) -> dict[str, str]:
    """The zero points of the tensors that an operator reads as codes."""
    if node.op_type == "DequantizeLinear":
        return {node.input[0]: input_of(node, 2)}
    places = LINEAR.get(kind_of(node))
    return {} if places is None else {input_of(node, places.kernel): input_of(node, places.zero)}


def _itemsize(kind: int) -> int:
    return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)
