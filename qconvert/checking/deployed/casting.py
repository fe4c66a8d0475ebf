"""Operators that move codes, and those that do so as floats.

`emit` casts bytes of which the largest are found faster among floats, and these back.
"""

from typing import Final

import onnx
from onnx import TensorProto, helper

from qconvert.checking.deployed.onnx_graph import OnnxGraph

#: What returns the codes that it is given, in other places.
MOVING: Final = frozenset(
    {
        "Flatten",
        "Identity",
        "MaxPool",
        "NhwcMaxPool",
        "Reshape",
        "Slice",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
#: Besides these, of floats: their blocks of channels.
_REORDERING: Final = frozenset({"ReorderInput", "ReorderOutput"})
#: Where operators that return bytes have a constant of their type.
_OF_TYPE: Final = {"Clip": 1, "QuantizeLinear": 2, "QLinearConv": 7}


def bytes_before(cast: onnx.NodeProto, graph: OnnxGraph) -> str:
    """The tensor of uint8 of which *cast* returns some, which were floats in between.

    Empty if that is not what it does: floats between two codes would be cut off, and codes of
    another type may not be those of this one.
    """
    if _target(cast) != TensorProto.UINT8:
        return ""
    node = graph.maker(cast.input[0])
    while node is not None and node.op_type in MOVING | _REORDERING:
        node = graph.maker(node.input[0])
    if node is None or node.op_type != "Cast" or _target(node) != TensorProto.FLOAT:
        return ""
    return str(node.input[0]) if _are_bytes(node.input[0], graph) else ""


def _are_bytes(name: str, graph: OnnxGraph) -> bool:
    node = graph.maker(name)
    while node is not None and node.op_type in MOVING:
        node = graph.maker(node.input[0])
    if node is None:
        return False
    if node.op_type == "Cast":
        return _target(node) == TensorProto.UINT8
    place = _OF_TYPE.get(node.op_type)
    if place is None or place >= len(node.input):
        return False
    array = graph.constant(node.input[place])
    return array is not None and array.dtype == "uint8"


def _target(cast: onnx.NodeProto) -> int:
    return int(helper.get_node_attr_value(cast, "to"))
