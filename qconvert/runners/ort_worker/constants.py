"""Weights that a file stores in few bytes, as the floats that ONNX Runtime makes of them.

It computes them when it loads the file. With optimizations off it would do so in every run, and add
up sums of floats in another order: its products lay out weights that they know beforehand.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    Array: TypeAlias = np.ndarray[Any, Any]

_MAKING: Final = frozenset({"Cast", "Mul"})
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
        if node.op_type in _MAKING and all(name in stored or name in made for name in node.input):
            result = _result(node, stored, made, room)
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


def _result(
    node: onnx.NodeProto,
    stored: Mapping[str, onnx.TensorProto],
    made: Mapping[str, Array],
    room: int,
) -> Array | None:
    """What ONNX's reference makes of it; ``None`` where it has no such operator.

    Or where it has more elements than there is *room* for bytes.
    """
    try:
        inputs = {
            name: made[name] if name in made else numpy_helper.to_array(stored[name])
            for name in node.input
        }
        if math.prod(np.broadcast_shapes(*(each.shape for each in inputs.values()))) > room:
            return None
        (result,) = ReferenceEvaluator(node).run(None, inputs)
    except Exception:
        return None
    return np.asarray(result)
