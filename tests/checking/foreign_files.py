"""ONNX files as other converters write them: without metadata, and with names of their own."""

import onnx
from onnx import numpy_helper


def stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that says nothing of layers, and calls every tensor but inputs and outputs anew."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.metadata_props[:]
    del result.graph.value_info[:]
    kept = {value.name: value.name for value in (*result.graph.input, *result.graph.output)}
    names = {"": "", **kept}
    for tensor in result.graph.initializer:
        tensor.name = names.setdefault(tensor.name, f"t{len(names)}")
    for node in result.graph.node:
        node.name = ""
        node.input[:] = [names.setdefault(name, f"t{len(names)}") for name in node.input]
        node.output[:] = [names.setdefault(name, f"t{len(names)}") for name in node.output]
    return result


def renamed(model: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    """A copy in which inputs, outputs and tensors have other *names*."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for value in (*result.graph.input, *result.graph.output):
        value.name = names.get(value.name, value.name)
    for node in result.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return result


def with_channels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that takes one image at a time as its first node made it of the input: transposed."""
    (image,) = model.graph.input
    first = model.graph.node[0]
    assert first.op_type == "Transpose"
    result = renamed(model, {image.name: "pixels", first.output[0]: "pixels"})
    del result.graph.node[0]
    sizes = [dim.dim_value for dim in image.type.tensor_type.shape.dim]
    shape = [1, *(sizes[axis] for axis in first.attribute[0].ints[1:])]
    kind = image.type.tensor_type.elem_type
    result.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("pixels", kind, shape))
    return result


def with_wrong_code(model: onnx.ModelProto, name: str, index: int) -> onnx.ModelProto:
    """A copy of which one number of the weight *name* is off by one."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    (tensor,) = (t for t in result.graph.initializer if t.name == name)
    codes = numpy_helper.to_array(tensor).copy()
    codes.flat[index] = codes.flat[index] + 1 if codes.flat[index] <= 0 else codes.flat[index] - 1
    tensor.CopyFrom(numpy_helper.from_array(codes, name))
    return result
