"""How many layers an ONNX file may say that it has, and how much of it all of them together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx

from qconvert.checking.deployed.layered_file import own_cones
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.emit.metadata import LayerTensor
from qconvert.errors import LimitError
from qconvert.modelfile import Limits


def require_few_layers(
    path: Path, model: onnx.ModelProto, layers: Sequence[LayerTensor], limits: Limits
) -> None:
    """`LimitError` if what goes through the operators of each layer would not come to an end.

    A file can say of thousands of layers that they have one tensor, with thousands of operators
    behind it.
    """
    if len(layers) > limits.layers:
        said = f"{path}: the metadata tell of {len(layers):,} layers"
        raise LimitError("QC324", f"{said}: {limits.of('layers')}")
    having = Counter(layer.fused_into or layer.layer for layer in layers)
    total = 0
    for name, nodes in own_cones(OnnxGraph(model.graph), layers):
        total += max(1, having[name]) * _tensors(nodes)
        if total > limits.layer_tensors:
            said = f"{path}: layers that the metadata tell of share too many operators"
            raise LimitError("QC709", f"{said}: {limits.of('layer_tensors')}")


def _tensors(nodes: Iterable[onnx.NodeProto]) -> int:
    return sum(len(node.input) + len(node.output) for node in nodes)
