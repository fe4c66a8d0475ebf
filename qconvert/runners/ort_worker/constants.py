"""Weights that a file stores in few bytes, as the floats that ONNX Runtime makes of them.

It computes them when it loads the file. With optimizations off it would do so in every run, and add
up sums of floats in another order: its products lay out weights that they know beforehand.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    Array: TypeAlias = np.ndarray[Any, Any]

_MAKING: Final = frozenset({"Cast", "Mul"})
#: Of which float32 holds all, so that it tells whether two are the same.
_INTEGERS: Final = frozenset(
    {TensorProto.INT4, TensorProto.UINT4, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16}
)
_FLOAT: Final = TensorProto.FLOAT
#: Bytes of all of them: no file holds more than twice as many.
_MOST: Final = 1 << 30


def compute_constants(model: onnx.ModelProto) -> None:
    """Write the results of casts and products of stored tensors in the place of these."""
    for graph in with_inner(model.graph):
        _compute(graph)


def with_inner(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those inside its operators."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from with_inner(attribute.g)


def constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The tensors that it stores and no user may replace, by name."""
    taken = {value.name for value in graph.input}
    return {tensor.name: tensor for tensor in graph.initializer if tensor.name not in taken}


def _compute(graph: onnx.GraphProto) -> None:
    stored = constants(graph)
    made: dict[str, Array] = {}
    done: list[int] = []
    room = _MOST
    for i, node in enumerate(graph.node):
        known = all(name in stored or name in made for name in node.input)
        if known and node.op_type in _MAKING and not node.domain:
            inputs = [
                made[name] if name in made else numpy_helper.to_array(stored[name])
                for name in node.input
            ]
            result = _result(node, inputs, room)
            if result is not None and result.nbytes <= room:
                room -= result.nbytes
                made[node.output[0]] = result
                done.append(i)
    for i in reversed(done):
        del graph.node[i]
    read = {name for each in with_inner(graph) for node in each.node for name in node.input}
    read.update(value.name for value in graph.output)
    kept = {name: array for name, array in made.items() if name in read}
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in kept.items())


def _result(node: onnx.NodeProto, inputs: list[Array], room: int) -> Array | None:
    """What all programs make of it; ``None`` of what is left to ONNX Runtime.

    Such are casts that change numbers, products of others than float32 or as old opsets have them,
    and what has more elements than there is *room* for bytes.
    """
    match node.op_type, inputs:
        case "Cast", [codes]:
            return _cast(node, codes)
        case "Mul", [left, right] if left.dtype == right.dtype == np.float32 and not node.attribute:
            try:
                shape = np.broadcast_shapes(left.shape, right.shape)
            except ValueError:
                return None
            with np.errstate(all="ignore"):
                return left * right if math.prod(shape) <= room else None
    return None


def _cast(node: onnx.NodeProto, codes: Array) -> Array | None:
    """Integers as others or as float32, if these are the same numbers."""
    (to, *others) = node.attribute or [onnx.AttributeProto()]
    source = helper.np_dtype_to_tensor_dtype(codes.dtype)
    if others or to.name != "to" or source not in _INTEGERS or to.i not in {*_INTEGERS, _FLOAT}:
        return None
    found = codes.astype(helper.tensor_dtype_to_np_dtype(to.i))
    return found if np.array_equal(found.astype(np.float32), codes.astype(np.float32)) else None
