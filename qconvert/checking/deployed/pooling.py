"""Whether an operator that averages bytes rounds ties as the file says.

Those of ONNX Runtime return the wrong code for some sums that lie exactly between two codes,
unless what they divide by is a power of two, where every number on the way is exact.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import onnx
from onnx.shape_inference import infer_shapes

from qconvert.checking.deployed.kernels import kind_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph

_AVERAGE: Final = ("com.microsoft", "QLinearAveragePool")
_GLOBAL: Final = ("com.microsoft", "QLinearGlobalAveragePool")
#: Values of ``auto_pad`` that pad nothing.
_NO_PADDING: Final = (b"NOTSET", b"VALID")


def with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """*model* with the shapes that `may_miss_ties` needs, which ONNX Runtime does not save."""
    needed = any(kind_of(node) == _GLOBAL for node in model.graph.node)
    return infer_shapes(model) if needed else model


def may_miss_ties(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    """Whether it averages codes of which there may be other numbers than a power of two."""
    kind = kind_of(node)
    if kind == _GLOBAL:
        return not _is_power_of_two(_places(node, graph))
    return kind == _AVERAGE and not _is_power_of_two(_window(node))


def _is_power_of_two(sizes: Sequence[int]) -> bool:
    """Whether the product of *sizes*, in which 0 is an unknown one, is one."""
    count = math.prod(sizes)
    return count > 0 and count & (count - 1) == 0


def _window(node: onnx.NodeProto) -> Sequence[int]:
    """The axes of every window; unknown if windows have fewer elements at borders."""
    found = _attributes(node)
    padded = any(found.get("pads", ())) or found.get("auto_pad", b"NOTSET") not in _NO_PADDING
    cut = padded and not found.get("count_include_pad", 0)
    return (0,) if cut or found.get("ceil_mode", 0) else found["kernel_shape"]


def _places(node: onnx.NodeProto, graph: OnnxGraph) -> Sequence[int]:
    """The axes that a mean over all places is taken of."""
    shape = graph.shape(node.input[0])
    return shape[1:-1] if _attributes(node).get("channels_last", 0) else shape[2:]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
