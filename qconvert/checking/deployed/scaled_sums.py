"""What makes numbers of int32 sums of products of codes, which stay integers in a file.

Behind ``ConvInteger`` or ``MatMulInteger`` and a ``Cast`` to float32 stands a ``Mul`` by a
constant. That can be a product itself: of steps, which are powers of two, and at its end of the
numbers of the layer behind.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx
from onnx import helper

from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph
from qconvert.emit.metadata import CodesTensor

_FLOAT: Final = onnx.TensorProto.FLOAT


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """A constant that an operator computes with: what *node* has at *place*, times *steps*."""

    node: onnx.NodeProto
    place: int
    steps: Array = field(default_factory=lambda: np.ones((), np.float64))

    @property
    def name(self) -> str:
        """Of the tensor."""
        return str(self.node.input[self.place])


def innermost(operand: Operand, graph: OnnxGraph) -> Operand:
    """The last factor of an operand that is a product of constants; of others the operand."""
    while (further := _last_factor(operand, graph)) is not None:
        operand = further
    return operand


def multiplier(sums: onnx.NodeProto, graph: OnnxGraph) -> Operand | None:
    """What the results of an operator are multiplied by, if that alone reads them, as floats."""
    cast = _reader(sums, graph, "Cast")
    if cast is None or helper.get_node_attr_value(cast, "to") != _FLOAT:
        return None
    product = _reader(cast, graph, "Mul")
    if product is None:
        return None
    operand = Operand(product, 1 - list(product.input).index(cast.output[0]))
    return None if graph.constant(operand.name) is None else operand


def multiplied_by(sums: onnx.NodeProto, graph: OnnxGraph) -> Array | None:
    """All that makes numbers of sums, as it is stored."""
    operand = multiplier(sums, graph)
    return None if operand is None else graph.constant(operand.name)


def behind_first_step(sums: onnx.NodeProto, graph: OnnxGraph) -> Array | None:
    """The same but for a step of all in front of it: what an operator of both has as its scale."""
    operand = multiplier(sums, graph)
    if operand is None:
        return None
    return graph.constant((_last_factor(operand, graph) or operand).name)


def steps_of(codes: CodesTensor, graph: OnnxGraph) -> Array | None:
    """The steps of sums, if what multiplies these takes them for numbers in such."""
    sums = graph.maker(codes.tensor)
    operand = None if sums is None or codes.zero_point else multiplier(sums, graph)
    if operand is None:
        return None
    steps = np.ldexp(1.0, np.array(codes.exp))
    found = innermost(operand, graph).steps
    return steps if np.all(np.broadcast_to(found, steps.shape) == steps) else None


def _last_factor(operand: Operand, graph: OnnxGraph) -> Operand | None:
    maker = graph.maker(operand.name)
    first = graph.constant(maker.input[0]) if maker and maker.op_type == "Mul" else None
    return None if maker is None or first is None else Operand(maker, 1, operand.steps * first)


def _reader(node: onnx.NodeProto, graph: OnnxGraph, kind: str) -> onnx.NodeProto | None:
    """The one operator that reads a result, if it is of that *kind*."""
    readers = graph.readers(node.output[0])
    alone = len(readers) == 1 and not graph.returns(node.output[0])
    return readers[0] if alone and readers[0].op_type == kind else None
