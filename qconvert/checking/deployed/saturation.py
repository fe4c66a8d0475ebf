"""Whether an integer kernel is exact on x86 CPUs that have no VNNI.

There one instruction, VPMADDUBSW, multiplies two unsigned bytes with two signed ones and adds the
products in 16 bits, which saturate. Which products it adds depends on how the runtime lays the
factors out, so that any two of a sum count as neighbours here.
"""

from typing import Any, Final

import numpy as np
import onnx

from qconvert.checking.deployed.casting import MOVING, bytes_before
from qconvert.checking.deployed.kernels import (
    LINEAR,
    attribute,
    codes_of,
    input_of,
    is_conv,
    kind_of,
)
from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph

_NEEDED: Final = "on x86 needs a CPU with VNNI"
_SATURATES: Final = ": else pairs of 8-bit products saturate"
#: Has ONNX Runtime store signed kernels as unsigned codes where there is no VNNI.
_OPTION: Final = " or the session option session.x64quantprecision=1"

_INT8, _UINT8 = np.dtype(np.int8), np.dtype(np.uint8)
_INT16: Final = np.iinfo(np.int16)
#: The code of 0 where unsigned codes stand for signed ones.
_MIDDLE: Final = 128


def condition_of(node: onnx.NodeProto, graph: OnnxGraph) -> str:
    """What has to hold where a linear operator is to be exact; empty if nothing has to."""
    if not _may_saturate(node, graph):
        return ""
    option = "" if node.op_type == "ConvInteger" else _OPTION
    return f"{_NEEDED}{option}{_SATURATES}"


def _may_saturate(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    """Whether two products of unsigned and signed codes can exceed 16 bits.

    Codes of one signedness are multiplied otherwise. Of data, and of a kernel that is not
    constant, all codes count that their type has and a ``Clip`` leaves.
    """
    places = LINEAR.get(kind_of(node))
    if places is None or not places.integer:
        return False
    # ONNX Runtime exchanges the factors of the raw convolution.
    swapped = node.op_type == "ConvInteger"
    x_type, kernel_type = (_INT8, _UINT8) if swapped else (_UINT8, _INT8)
    x_zero, zero = (graph.constant(input_of(node, p)) for p in (places.x_zero, places.zero))
    kernel = codes_of(node, graph)
    if _known_other(x_type, x_zero) or _known_other(kernel_type, zero, kernel):
        return False
    pairs = (0, 510) if swapped else (-256, 254)
    if kernel is not None:
        pairs = _pairs(node, kernel)
    x_ends = (-128, 127) if swapped else (0, _largest(node.input[0], graph, x_zero))
    ends = [x * pair for x in x_ends for pair in pairs]
    return min(ends) < _INT16.min or max(ends) > _INT16.max


def avoids_saturation(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    """Whether a kernel is unsigned around 128, and could saturate if it were signed."""
    places = LINEAR.get(kind_of(node))
    if places is None or not places.integer or attribute(node, "group", 1) != 1:
        # Of groups neither is known to be slower.
        return False
    x_zero, zero = (graph.constant(input_of(node, p)) for p in (places.x_zero, places.zero))
    kernel = codes_of(node, graph)
    if kernel is None or kernel.dtype != _UINT8 or _known_other(_UINT8, x_zero):
        return False
    if zero is None or not bool(np.all(zero == _MIDDLE)):
        return False
    low, high = _pairs(node, kernel.astype(np.int64) - _MIDDLE)
    most = _largest(node.input[0], graph, x_zero)
    return most * low < _INT16.min or most * high > _INT16.max


def _known_other(wanted: np.dtype[Any], *arrays: Array | None) -> bool:
    """Whether codes are known not to be of the *wanted* type; zero points have that of codes."""
    return any(array is not None and array.dtype != wanted for array in arrays)


def _pairs(node: onnx.NodeProto, kernel: Array) -> tuple[int, int]:
    """The lowest and the highest sum of two codes of a channel, or of one and a padding of 0."""
    by_channel = np.moveaxis(kernel, 0 if is_conv(node) else -1, 0)
    codes = by_channel.reshape(len(by_channel), -1).astype(np.int64)
    padded = np.sort(np.pad(codes, ((0, 0), (0, 2))), axis=1)
    return int(padded[:, :2].sum(axis=1).min()), int(padded[:, -2:].sum(axis=1).max())


def _largest(name: str, graph: OnnxGraph, zero: Array | None) -> int:
    """The largest of unsigned codes, among them the zero point, which borders are padded with."""
    padding = 0 if zero is None else int(zero.max())
    return max(padding, highest(name, graph))


def highest(name: str, graph: OnnxGraph) -> int:
    """The largest code that a ``Clip`` leaves of a tensor, or of all that is joined in it."""
    byte = int(np.iinfo(np.uint8).max)
    node = graph.maker(name)
    if node is None:
        return byte
    match node.op_type:
        case "Clip":
            high = graph.constant(input_of(node, 2))
            return byte if high is None else int(high)
        case "Concat":
            return max(highest(part, graph) for part in node.input)
        case "BitShift":
            bits = graph.constant(input_of(node, 1))
            return byte if bits is None else min(highest(node.input[0], graph) << int(bits), byte)
        case "Pad":
            filler = graph.constant(input_of(node, 2))
            return max(highest(node.input[0], graph), 0 if filler is None else int(filler))
        case "Cast":
            before = bytes_before(node, graph)
            return highest(before, graph) if before else byte
        case kind if kind in MOVING or kind in ("Gather", "Resize"):
            return highest(node.input[0], graph)
        case _:
            return byte
