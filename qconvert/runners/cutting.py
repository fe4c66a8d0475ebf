"""An ONNX file in which layers compute from given results of the layers before them."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, shape_inference

from qconvert.emit.metadata import CodesTensor, LayerTensor
from qconvert.errors import WitnessError
from qconvert.ir import F32

_Array: TypeAlias = npt.NDArray[Any]

#: Before the name of the tensor that an input stands for.
_PREFIX = "forced:"


def cut(
    model: onnx.ModelProto, layers: Sequence[LayerTensor], *, codes: bool = False
) -> onnx.ModelProto:
    """*model* with an input for every tensor of *layers*, which all readers read instead.

    The tensors themselves stay, as results of the layers. *codes* cuts at integers alone: numbers
    that are dequantized from them stay so, for other kernels run where a float comes from outside.
    """
    layers = [replace(layer, tensor=None) for layer in layers] if codes else layers
    kinds = _kinds(model)
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    replaced = dict.fromkeys(name for layer in layers for name in tensors_of(layer))
    own = {layer.tensor: layer.codes.tensor for layer in layers if layer.tensor and layer.codes}
    for name in replaced:
        whole.graph.input.append(helper.make_tensor_value_info(_PREFIX + name, kinds[name], None))
    for node in whole.graph.node:
        dequantized = {own.get(name) for name in node.output}
        for i, name in enumerate(node.input):
            if name in replaced and name not in dequantized:
                node.input[i] = _PREFIX + name
    return whole


def can_be_cut(layer: LayerTensor, inputs: Set[str]) -> bool:
    """Whether the file computes the layer's tensors: none is one of *inputs*, which others read."""
    return inputs.isdisjoint(tensors_of(layer))


def feeds(layers: Sequence[LayerTensor], forced: Mapping[str, F32]) -> dict[str, _Array]:
    """What the further inputs of `cut` take, from results in Keras's layout."""
    return {
        _PREFIX + name: array
        for layer in layers
        for name, array in stored(layer, forced[layer.layer]).items()
    }


def stored(layer: LayerTensor, value: F32) -> dict[str, _Array]:
    """The contents of a layer's tensors, by name, for its result in Keras's layout."""
    moved = value if layer.perm is None else np.transpose(value, np.argsort(layer.perm))
    result: dict[str, _Array] = {}
    if layer.tensor:
        result[layer.tensor] = np.ascontiguousarray(moved)
    if layer.codes:
        result[layer.codes.tensor] = _codes(layer, layer.codes, moved)
    return result


def _codes(layer: LayerTensor, tensor: CodesTensor, value: F32) -> _Array:
    exps = np.array(tensor.exp)
    steps = np.ldexp(value.astype(np.float64), -exps)
    if np.any(steps != np.rint(steps)):
        step = f"2**{tensor.exp}" if exps.ndim == 0 else "the steps of its channels"
        raise WitnessError("QC728", f"{layer.layer}: forced results are not multiples of {step}")
    return np.ascontiguousarray(steps.astype(np.int64) + tensor.zero_point)


def tensors_of(layer: LayerTensor) -> Iterator[str]:
    """The tensors that hold a layer's result."""
    yield from filter(None, (layer.tensor, layer.codes and layer.codes.tensor))


def _kinds(model: onnx.ModelProto) -> dict[str, int]:
    """The element types of all tensors."""
    graph = shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    return {value.name: value.type.tensor_type.elem_type for value in values}
