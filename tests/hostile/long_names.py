"""An ONNX file whose names nobody can read."""

from typing import Any

import onnx
from onnx import helper

from tests.hostile.onnx_edits import metadata


def long_names(model: onnx.ModelProto) -> None:
    """5,000 characters of each layer, tensor, operator, input and output."""
    metadata(_with_long_names)(model)
    for node in model.graph.node:
        node.output[:] = map(_long, node.output)
        node.input[:] = [name and _long(name) for name in node.input]
    for value in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        value.name = _long(value.name)
    kind, source = _long("Kind"), model.graph.input[0].name
    body, opsets = [helper.make_node("Neg", ["a"], ["b"])], list(model.opset_import)
    model.functions.append(helper.make_function("long", kind, ["a"], ["b"], body, opsets))
    model.opset_import.append(helper.make_opsetid("long", 1))
    model.graph.node.append(helper.make_node(kind, [source], ["unread"], domain="long"))


def _with_long_names(content: Any) -> None:
    for each in content["layers"]:
        each |= {"layer": _long(each["layer"]), "class_name": _long("Class"), "notes": ["a note"]}
        each |= {"tensor": _long(each["tensor"])} if each.get("tensor") else {}
        if each.get("codes"):
            each["codes"]["tensor"] = _long(each["codes"]["tensor"])
    for each in (*content["inputs"], *content["outputs"]):
        each["tensor"] = _long(each["tensor"])


def _long(name: str) -> str:
    return name + "x" * (5000 - len(name))
