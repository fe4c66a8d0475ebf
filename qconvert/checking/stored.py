"""The weights that an ONNX file computes with, found by what reads them.

Constants are evaluated by onnx's own reference, operator by operator, so that quantized weights
are seen as the numbers that they stand for. What belongs to a layer is what lies between its
tensor and those of the layers before it.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from qconvert.emit.metadata import LayerTensor, read_metadata
from qconvert.ir import F32, Graph, Layer, Node
from qconvert.ir.ops import BatchNormalization, Conv, ConvTranspose, Dense
from qconvert.reference.normalization import constants

_Array: TypeAlias = npt.NDArray[Any]

#: The operators of a normalization, and what they do with its constants.
_STEPS: Final = {"Sub": "subtract", "Mul": "multiply", "Add": "add"}
_LINEAR: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def stored_weights(graph: Graph, model: onnx.ModelProto) -> dict[tuple[str, str], F32]:
    """Kernels and biases by layer and role, in Keras's shapes; what is not found is left out.

    Recurrent layers, whose weights lie in the graphs of loops, are not looked for. Of
    normalizations, whose programs read other numbers, those of a channel are all wrong (NaN)
    where one of these is not what the weights make.
    """
    metadata = read_metadata(model)
    if metadata is None:
        return {}
    file = _File(model.graph)
    ends = {name for layer in metadata.layers for name in _tensors(layer)}
    cones = {layer.layer: file.cone(_tensors(layer), ends) for layer in metadata.layers}
    found: dict[tuple[str, str], F32] = {}
    for layer in graph.layers:
        cone = cones.get(layer.name, [])
        parts = (_weights(graph, layer, file, cone), _of_normalization(graph, layer, file, cone))
        found |= {(layer.name, role): array for part in parts for role, array in part}
    return found


def _tensors(layer: LayerTensor) -> list[str]:
    return [name for name in (layer.tensor, layer.codes and layer.codes.tensor) if name]


class _File:
    """A graph, and its constants as they are asked for."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = {name: node for node in graph.node for name in node.output}
        self._order = {id(node): i for i, node in enumerate(graph.node)}
        self._constants: dict[str, _Array | None] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }

    def constant(self, name: str) -> _Array | None:
        """The contents of a tensor that depends on no input."""
        if name not in self._constants:
            node = self._nodes.get(name)
            self._constants[name] = None if node is None else self._evaluated(node)
        return self._constants[name]

    def cone(self, ends: list[str], others: set[str]) -> list[onnx.NodeProto]:
        """The nodes between the tensors of *others* and *ends*, in the file's order."""
        pending, seen, nodes = list(ends), set[str](), dict[int, onnx.NodeProto]()
        while pending:
            name = pending.pop()
            node = self._nodes.get(name)
            if node is None or name in seen or (name in others and name not in ends):
                continue
            seen.add(name)
            nodes[self._order[id(node)]] = node
            pending += node.input
        return [nodes[i] for i in sorted(nodes)]

    def _evaluated(self, node: onnx.NodeProto) -> _Array | None:
        inputs = {name: self.constant(name) for name in node.input if name}
        if any(array is None for array in inputs.values()) or len(node.output) != 1:
            return None
        try:
            (result,) = ReferenceEvaluator(node).run(None, inputs)
        except Exception:
            # Operators of other domains, or of another opset than the reference assumes.
            return None
        return np.asarray(result)


def _weights(
    graph: Graph, layer: Layer, file: _File, cone: list[onnx.NodeProto]
) -> Iterator[tuple[str, F32]]:
    kernels = [array for node in cone if (array := _kernel(node, file)) is not None]
    roles = [role for role in layer.weights if role.endswith("kernel")]
    ops = [node.op for node in graph.nodes if _belongs(node, layer)]
    linear = [op for op in ops if isinstance(op, Dense | Conv | ConvTranspose)]
    if not len(kernels) == len(roles) == len(linear):
        return
    for role, array, op in zip(roles, kernels, linear, strict=True):
        effective = layer.weights[role].effective
        if op.kernel.size != effective.size:
            # A kernel that is laid out for another op: with zeros between its parts.
            continue
        # Depthwise kernels are those of a grouped convolution, in the same order.
        yield role, array.reshape(effective.shape) if array.shape == op.kernel.shape else array
    if "bias" in layer.weights:
        bias = _bias(layer.weights["bias"].effective, file, cone)
        if bias is not None:
            yield "bias", bias


def _of_normalization(
    graph: Graph, layer: Layer, file: _File, cone: list[onnx.NodeProto]
) -> Iterator[tuple[str, F32]]:
    ops = [node.op for node in graph.nodes if _belongs(node, layer)]
    if len(ops) != 1 or not isinstance(ops[0], BatchNormalization):
        return
    expected = constants(ops[0])
    found = [
        (_STEPS[node.op_type], array.reshape(-1))
        for node in cone
        for name in node.input
        if node.op_type in _STEPS and (array := file.constant(name)) is not None
    ]
    if [step for step, _ in found] != [step for step, _ in expected]:
        return
    pairs = zip(found, expected, strict=True)
    right = np.all([np.equal(*np.broadcast_arrays(a, b)) for (_, a), (_, b) in pairs], axis=0)
    for role, weight in layer.weights.items():
        yield role, np.where(right, weight.effective, np.float32(np.nan))


def _belongs(node: Node, layer: Layer) -> bool:
    return node.name == layer.name or node.name.startswith(f"{layer.name}:")


def _kernel(node: onnx.NodeProto, file: _File) -> F32 | None:
    """The second factor of a linear operator, in Keras's layout."""
    if node.op_type not in _LINEAR:
        return None
    array = file.constant(node.input[1])
    if array is None:
        return None
    spatial = range(2, array.ndim)
    match node.op_type:
        case "Conv":
            return array.transpose(*spatial, 1, 0)
        case "ConvTranspose":
            return array.transpose(*spatial, 1, 0)
        case "Gemm" if any(a.name == "transB" and a.i for a in node.attribute):
            return array.T
        case _:
            return array


def _bias(effective: F32, file: _File, cone: list[onnx.NodeProto]) -> F32 | None:
    """The constant beside a linear operator, or added behind it; the equal one if there is one."""
    names = [node.input[2] for node in cone if node.op_type in _LINEAR and len(node.input) > 2]
    names += [name for node in cone if node.op_type == "Add" for name in node.input]
    constants = (file.constant(name) for name in names)
    fitting = [a.reshape(-1) for a in constants if a is not None and a.size == effective.size]
    equal = (array for array in fitting if np.array_equal(array, effective))
    return next(equal, fitting[0] if fitting else None)
