"""The operators of an ONNX graph, in an order and under names that mean something.

Neither the order of operators in a file nor the names of tensors between them mean anything:
operators are taken in the order in which outputs need them, and what does not reach one is left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qconvert.checking.deployed.kernels import kind_of

Array: TypeAlias = npt.NDArray[Any]

#: An operator, its domain, and its options.
Key: TypeAlias = tuple[str, str, tuple[tuple[str, bytes], ...]]

_GRAPHS: Final = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A graph: its operators in order, and its constants by name, stored ones and others."""

    graph: onnx.GraphProto
    operators: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, onnx.TensorProto]

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """What is not a constant of these."""
        return [value for value in self.graph.input if value.name not in self.constants]

    def within(self, outer: "View") -> "View":
        """The same, with the constants around it."""
        return replace(self, constants={**outer.constants, **self.constants})


def view_of(graph: onnx.GraphProto) -> View:
    """The operators that outputs need, each behind those that it needs."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            constants[node.output[0]] = node.attribute[0].t
    makers = {name: node for node in graph.node for name in node.output}
    return View(graph, tuple(_needed(graph, makers, constants)), constants)


def _needed(
    graph: onnx.GraphProto,
    makers: Mapping[str, onnx.NodeProto],
    constants: Mapping[str, onnx.TensorProto],
) -> Iterator[onnx.NodeProto]:
    """Depth first from the outputs, without recursion, for graphs may be deep."""
    seen, done = set[int](), set[int]()
    pending = [value.name for value in reversed(graph.output)]
    while pending:
        node = None if pending[-1] in constants else makers.get(pending[-1])
        if node is None or id(node) in done:
            pending.pop()
        elif id(node) in seen:
            pending.pop()
            done.add(id(node))
            yield node
        else:
            seen.add(id(node))
            pending += reversed(list(_read(node)))


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """The tensors that an operator reads, also from inside of its graphs."""
    yield from node.input
    for body in bodies_of(node):
        inside = {name for inner in body.node for name in inner.output}
        inside |= {value.name for value in body.input} | {each.name for each in body.initializer}
        for inner in body.node:
            yield from (name for name in _read(inner) if name not in inside)


def bodies_of(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs in the options of an operator, in the order of the options' names."""
    attributes = sorted(node.attribute, key=lambda each: each.name)
    return [
        graph
        for each in attributes
        if each.type in _GRAPHS
        for graph in ([each.g] if each.type == onnx.AttributeProto.GRAPH else each.graphs)
    ]


def key_of(node: onnx.NodeProto) -> Key:
    """What an operator computes but for its inputs and the graphs inside of it."""
    options = ((each.name, _option(each)) for each in node.attribute if each.type not in _GRAPHS)
    return *kind_of(node), tuple(sorted(options))


def _option(attribute: onnx.AttributeProto) -> bytes:
    plain = onnx.AttributeProto()
    plain.CopyFrom(attribute)
    plain.ClearField("doc_string")
    data: bytes = plain.SerializeToString(deterministic=True)
    return data


def options_of(node: onnx.NodeProto) -> str:
    """The options in words."""
    found = sorted(node.attribute, key=lambda each: each.name)
    shown = (f"{each.name}={_shown(each)}" for each in found if each.type not in _GRAPHS)
    return ", ".join(shown) or "no options"


def _shown(attribute: onnx.AttributeProto) -> str:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return f"tensor {'x'.join(map(str, value.dims)) or 'scalar'}"
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def input_name(node: onnx.NodeProto, place: int) -> str:
    """What the standard calls an input; its number, if that does not say."""
    if onnx.defs.has(node.op_type, node.domain):
        inputs = onnx.defs.get_schema(node.op_type, domain=node.domain).inputs
        if place < len(inputs):
            return str(inputs[place].name)
    return str(place)


def type_of(tensor: onnx.TensorProto) -> str:
    """The type of its numbers."""
    return str(onnx.TensorProto.DataType.Name(tensor.data_type)).lower()


def array_of(tensor: onnx.TensorProto) -> Array:
    """The numbers of a constant."""
    array: Array = numpy_helper.to_array(tensor)
    return array
