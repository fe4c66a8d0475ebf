"""Sums of codes that stay integers, up to a product by channel: what the product consists of.

Behind ``MatMulInteger`` and ``Cast`` stands a ``Mul`` by a constant that is a product itself: of
steps, which are powers of two, and at its end of the layer's own numbers.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph
from qconvert.emit.metadata import CodesTensor


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """A constant that an operator multiplies by: what *node* has at *place*, times *steps*."""

    node: onnx.NodeProto
    place: int
    steps: Array

    @property
    def name(self) -> str:
        """Of the tensor."""
        return str(self.node.input[self.place])


def innermost(node: onnx.NodeProto, place: int, graph: OnnxGraph) -> Operand:
    """The last factor of a constant operand that is a product; of others the operand."""
    operand = Operand(node, place, np.ones((), np.float64))
    while (further := _last_factor(operand, graph)) is not None:
        operand = further
    return operand


def scale_behind(product: onnx.NodeProto, graph: OnnxGraph) -> Array | None:
    """What sums are multiplied by behind their first step, as an operator of both has it."""
    operand = _behind(product, graph)
    if operand is None:
        return None
    return graph.constant((_last_factor(operand, graph) or operand).name)


def multiplier(product: onnx.NodeProto, graph: OnnxGraph) -> Array | None:
    """All that sums are multiplied by."""
    operand = _behind(product, graph)
    return None if operand is None else graph.constant(operand.name)


def steps_of(sums: CodesTensor, graph: OnnxGraph) -> Array | None:
    """The steps of *sums*, if what multiplies these takes them for numbers in such."""
    product = graph.maker(sums.tensor)
    operand = None if product is None else _behind(product, graph)
    if operand is None:
        return None
    steps = np.ldexp(1.0, np.array(sums.exp))
    found = innermost(operand.node, operand.place, graph).steps
    return steps if np.all(np.broadcast_to(found, steps.shape) == steps) else None


def _behind(product: onnx.NodeProto, graph: OnnxGraph) -> Operand | None:
    """What multiplies sums, if the one operator that reads them makes floats of them for it."""
    casts = graph.readers(product.output[0])
    if [cast.op_type for cast in casts] != ["Cast"]:
        return None
    (number,) = casts[0].output
    readers = graph.readers(number)
    if [reader.op_type for reader in readers] != ["Mul"]:
        return None
    place = 1 - list(readers[0].input).index(number)
    return Operand(readers[0], place, np.ones((), np.float64))


def _last_factor(operand: Operand, graph: OnnxGraph) -> Operand | None:
    maker = graph.maker(operand.name)
    first = graph.constant(maker.input[0]) if maker and maker.op_type == "Mul" else None
    return None if maker is None or first is None else Operand(maker, 1, operand.steps * first)
