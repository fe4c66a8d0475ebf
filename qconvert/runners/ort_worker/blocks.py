"""Convolutions of images in the form that ONNX Runtime gives them when it optimizes a file.

There it lays them out in blocks of channels (``com.microsoft.nchwc``), whose size is the
processor's, and adds up sums of floats in another order. With optimizations off it takes these
operators where they are written out, so that both runs round alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import onnx
import onnxruntime as ort
from onnx import helper

from .constants import constants, with_inner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_DOMAIN: Final = "com.microsoft.nchwc"
#: Axes of a batch of images.
_IMAGE: Final = 4


def lay_out(model: onnx.ModelProto, folder: Path) -> None:
    """Write out the convolutions of *model*; *folder* takes a file in between."""
    prefix = _unused_prefix(model)
    for number, graph in enumerate(with_inner(model.graph)):
        stored = constants(graph)
        found = {i: each for i, each in enumerate(graph.node) if _is_image(each, stored)}
        if found:
            optimized = _optimized(_apart(found, stored, model), folder)
            # Of its own: a name is there once in a graph and those around it.
            _replace(graph, found, optimized, f"{prefix}{number} ")
    if all(each.domain != _DOMAIN for each in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))


def _is_image(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether this convolves images of floats with weights that the file stores."""
    if node.op_type != "Conv" or node.domain or len(node.input) < 2 or len(node.output) != 1:
        return False
    kernel = stored.get(node.input[1])
    if kernel is None or any(name not in stored for name in node.input[2:] if name):
        return False
    return len(kernel.dims) == _IMAGE and kernel.data_type == onnx.TensorProto.FLOAT


def _apart(
    nodes: Mapping[int, onnx.NodeProto],
    stored: Mapping[str, onnx.TensorProto],
    model: onnx.ModelProto,
) -> onnx.ModelProto:
    """Each of the *nodes* between an input and an output of its own, which have its number.

    No tensor is called as in the file, which may have any names.
    """
    graph = onnx.GraphProto(name="convolutions")
    used = dict.fromkeys(name for node in nodes.values() for name in node.input[1:] if name)
    weights = {name: f"weight {k}" for k, name in enumerate(used)}
    for i, node in nodes.items():
        groups = next((each.i for each in node.attribute if each.name == "group"), 1)
        outputs, inputs, *_ = stored[node.input[1]].dims
        for values, name, channels in (
            (graph.input, _input(i), inputs * groups),
            (graph.output, _output(i), outputs),
        ):
            shape = [None, channels, None, None]
            values.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
        alone = graph.node.add()
        alone.CopyFrom(node)
        alone.ClearField("name")
        alone.input[:] = [_input(i), *(weights.get(name, "") for name in node.input[1:])]
        alone.output[:] = [_output(i)]
    for name, own in weights.items():
        tensor = graph.initializer.add()
        tensor.CopyFrom(stored[name])
        tensor.name = own
    return onnx.ModelProto(
        ir_version=model.ir_version, opset_import=model.opset_import, graph=graph
    )


def _optimized(model: onnx.ModelProto, folder: Path) -> onnx.GraphProto:
    """What ONNX Runtime makes of it with default options."""
    path = folder / "convolutions.onnx"
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path)
    try:
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(path).graph
    finally:
        path.unlink(missing_ok=True)


def _replace(
    graph: onnx.GraphProto,
    nodes: Mapping[int, onnx.NodeProto],
    optimized: onnx.GraphProto,
    prefix: str,
) -> None:
    """Write the operators of the *optimized* graph in the place of the *nodes*.

    What is new gets names with the *prefix*.
    """
    names = {"": ""}
    names |= {_input(i): node.input[0] for i, node in nodes.items()}
    names |= {_output(i): node.output[0] for i, node in nodes.items()}
    owners = {_input(i): i for i in nodes}
    made: dict[int, list[onnx.NodeProto]] = {i: [] for i in nodes}
    for node in optimized.node:
        owner = next(owners[name] for name in node.input if name in owners)
        owners |= dict.fromkeys(node.output, owner)
        for field in (node.input, node.output):
            field[:] = [names.get(name, prefix + name) for name in field]
        made[owner].append(node)
    for tensor in optimized.initializer:
        tensor.name = prefix + tensor.name
    graph.initializer.extend(optimized.initializer)
    placed = [each for i, node in enumerate(graph.node) for each in made.get(i, [node])]
    del graph.node[:]
    graph.node.extend(placed)


def _unused_prefix(model: onnx.ModelProto) -> str:
    """What no tensor's name begins with."""
    names = [name for graph in with_inner(model.graph) for name in _names(graph)]
    prefix = "convolutions: "
    while any(name.startswith(prefix) for name in names):
        prefix += "+"
    return prefix


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (each.name for each in (*graph.input, *graph.initializer))
    for node in graph.node:
        yield from (*node.input, *node.output)


def _input(number: int) -> str:
    return f"input {number}"


def _output(number: int) -> str:
    return f"output {number}"
