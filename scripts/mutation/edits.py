"""Changes of an ONNX file, of one node each: what the bugs in files are made of.

A constant is never changed in place, for other layers may read it too: its reader gets another.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array: TypeAlias = npt.NDArray[Any]
#: Changes a model in place.
Edit: TypeAlias = Callable[[onnx.ModelProto], None]

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """An operator to put in: its constants follow the tensor that it computes from."""

    kind: str
    constants: tuple[Array | np.generic, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


def node_of(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    """The one node of that name; `ValueError` if there is none or another."""
    found: onnx.NodeProto
    (found,) = (node for node in model.graph.node if node.name == name)
    return found


def constant_of(model: onnx.ModelProto, name: str) -> Array:
    """The contents of an initializer."""
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    return numpy_helper.to_array(tensor)


def operand(name: str, index: int, change: Callable[[Array], Array]) -> Edit:
    """Let a node read a changed constant, of the same type unless *change* says otherwise."""

    def edit(model: onnx.ModelProto) -> None:
        read = constant_of(model, node_of(model, name).input[index])
        constant(name, index, np.asarray(change(read.copy())))(model)

    return edit


def constant(name: str, index: int, array: Array | np.generic) -> Edit:
    """Let a node read a constant."""

    def edit(model: onnx.ModelProto) -> None:
        node_of(model, name).input[index] = _stored(model, name, array)

    return edit


def attribute(name: str, key: str, value: object) -> Edit:
    """Set one attribute of a node."""

    def edit(model: onnx.ModelProto) -> None:
        node = node_of(model, name)
        others = [a for a in node.attribute if a.name != key]
        del node.attribute[:]
        node.attribute.extend([*others, helper.make_attribute(key, value)])

    return edit


def becomes(name: str, kind: str) -> Edit:
    """Make a node another operator with the same inputs and attributes."""

    def edit(model: onnx.ModelProto) -> None:
        node_of(model, name).op_type = kind

    return edit


def dropped(name: str) -> Edit:
    """Let a node return its first input."""

    def edit(model: onnx.ModelProto) -> None:
        node = node_of(model, name)
        node.op_type = "Identity"
        del node.input[1:], node.attribute[:]

    return edit


def reads(name: str, index: int, tensor: str) -> Edit:
    """Let a node read another tensor."""

    def edit(model: onnx.ModelProto) -> None:
        node_of(model, name).input[index] = tensor

    return edit


def exchanged(name: str, other: str, index: int) -> Edit:
    """Let two nodes read each other's tensor."""

    def edit(model: onnx.ModelProto) -> None:
        a, b = (node_of(model, each).input for each in (name, other))
        a[index], b[index] = b[index], a[index]

    return edit


def preceded(name: str, index: int, *steps: Step) -> Edit:
    """Put operators between a node and one of its inputs."""

    def edit(model: onnx.ModelProto) -> None:
        node = node_of(model, name)
        for step in steps:
            made = f"{name}:{len(model.graph.node)}"
            inputs = [_stored(model, made, x) for x in step.constants]
            new = helper.make_node(
                step.kind, [node.input[index], *inputs], [made], made, **step.attributes
            )
            model.graph.node.insert(list(model.graph.node).index(node), new)
            node.input[index] = made

    return edit


def described(layer: str, *change: object) -> Edit:
    """Change what the file tells of a layer: a path of keys, and the value; nothing drops it."""

    def edit(model: onnx.ModelProto) -> None:
        (stored,) = (entry for entry in model.metadata_props if entry.key == "qconvert")
        content = json.loads(stored.value)
        (entry,) = (each for each in content["layers"] if each["layer"] == layer)
        if change:
            *path, key, value = change
            reduce(lambda part, name: part[name], path, entry)[key] = value
        else:
            content["layers"].remove(entry)
        stored.value = json.dumps(content)

    return edit


def together(*edits: Edit) -> Edit:
    """All of them, one after the other."""

    def edit(model: onnx.ModelProto) -> None:
        for each in edits:
            each(model)

    return edit


def requantized(scale: float, zero: np.generic) -> tuple[Step, Step]:
    """To codes of another step, and back."""
    constants = (np.float32(scale), zero)
    return Step("QuantizeLinear", constants), Step("DequantizeLinear", constants)


def in_steps(step: float, *between: Step) -> tuple[Step, ...]:
    """Do something to numbers as multiples of *step*."""
    size = (np.float32(step),)
    return Step("Div", size), *between, Step("Mul", size)


def _stored(model: onnx.ModelProto, reader: str, array: Array | np.generic) -> str:
    name = f"{reader}:constant:{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(np.array(array, order="C"), name))
    return name
