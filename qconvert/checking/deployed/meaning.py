"""What the codes of a tensor stand for, by the operators of a file that make them."""

import math
from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import onnx

from qconvert.checking.deployed.casting import MOVING, bytes_before
from qconvert.checking.deployed.kernels import input_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.saturation import highest
from qconvert.emit.metadata import ModelMetadata

#: The step, and the code of 0.
Meaning: TypeAlias = tuple[float, int]

#: Where operators that make codes have their scale and zero point.
_MAKERS: Final = {"QuantizeLinear": (1, 2), "QLinearConv": (6, 7)}
#: These return some of the codes, or nearest ones, or 0.
_KEEPING: Final = MOVING | {"Clip", "Gather", "Pad", "Resize"}
_BYTE: Final = np.iinfo(np.uint8).max


def given_codes(metadata: ModelMetadata) -> dict[str, Meaning]:
    """The meanings of a file's inputs, of those that are codes in steps of a power of two."""
    return {
        each.tensor: (math.ldexp(1.0, each.codes.exp), each.codes.zero_point)
        for each in metadata.inputs
        if each.codes is not None and each.codes.divisor == 1
    }


def told_codes(metadata: ModelMetadata) -> dict[str, Meaning]:
    """Besides these, what the file tells of the codes of layers, as which they are compared."""
    layers = ((each.codes.tensor, each.codes) for each in metadata.layers if each.codes)
    return given_codes(metadata) | {
        tensor: (math.ldexp(1.0, codes.exp), codes.zero_point)
        for tensor, codes in layers
        if isinstance(codes.exp, int)
    }


def stated(node: onnx.NodeProto, places: tuple[int, int], file: OnnxGraph) -> Meaning | None:
    """The scale and zero point that an operator has at these *places*, if they are numbers."""
    scale, zero = (file.constant(input_of(node, place)) for place in places)
    if scale is None or zero is None or not scale.size == zero.size == 1:
        return None
    return float(np.squeeze(scale)), int(np.squeeze(zero))


def meaning_of(name: str, file: OnnxGraph, given: Mapping[str, Meaning]) -> Meaning | None:
    """The meaning of a tensor, or ``None`` if it is not known; *given* are those that are told."""
    if name in given:
        return given[name]
    node = file.maker(name)
    if node is None:
        return None
    if node.op_type in _MAKERS and not node.domain:
        return stated(node, _MAKERS[node.op_type], file)
    if node.op_type == "Concat":
        parts = {meaning_of(part, file, given) for part in node.input}
        return parts.pop() if len(parts) == 1 else None
    if node.op_type == "Cast":
        return meaning_of(bytes_before(node, file), file, given)
    before = meaning_of(node.input[0], file, given) if node.input else None
    if node.op_type == "BitShift" and before is not None:
        bits = file.constant(input_of(node, 1))
        fits = bits is not None and before[1] == 0 and highest(node.input[0], file) << bits <= _BYTE
        return (before[0] / (1 << int(bits)), 0) if fits and bits is not None else None
    return before if node.op_type in _KEEPING else None
