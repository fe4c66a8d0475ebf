"""The constants of an ONNX file between a linear layer and a quantizer, one number a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.scaled_sums import Operand, innermost
from qconvert.emit.codes import WeightCodes, encode
from qconvert.ir import F32

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

#: Operators that compute with one, and what they do with it.
_STEPS: Final = {"Sub": "subtract", "Mul": "multiply", "Add": "add", "Sum": "add"}


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """What one operator computes with: its operand at that place, in the operator's own type.

    The file may hold it as integers, ``dequantized``.
    """

    kind: str
    node: onnx.NodeProto
    place: int
    stored: Floats
    dequantized: bool = False

    @property
    def flat(self) -> Floats:
        """One number a channel, as it is stored."""
        return self.stored.reshape(-1)

    @property
    def numbers(self) -> F32:
        """The same as float32."""
        return self.flat.astype(np.float32)


def constants_in(file: OnnxGraph, cone: Sequence[onnx.NodeProto]) -> list[Constant]:
    """Those of a layer's operators, in the order of its program."""
    return [
        _constant(_STEPS[node.op_type], innermost(Operand(node, place), file), file)
        for node in cone
        if node.op_type in _STEPS and file.constant(node.output[0]) is None
        for place, name in enumerate(node.input)
        if file.constant(name) is not None
    ]


def _constant(kind: str, operand: Operand, file: OnnxGraph) -> Constant:
    stored = file.constant(operand.name)
    assert stored is not None
    return Constant(kind, operand.node, operand.place, stored, _is_dequantized(file, operand.name))


def _is_dequantized(file: OnnxGraph, name: str) -> bool:
    maker = file.maker(name)
    return maker is not None and maker.op_type == "DequantizeLinear"


def applied(constants: Sequence[Constant], arrays: Sequence[F32], x: F32) -> F32:
    """What the file's operators make of *x* (..., channels) with other numbers: rounded as there.

    Numbers of float64 are those of one rounding to float32 at the end.
    """
    wide: Floats = x
    for constant, array in zip(constants, arrays, strict=True):
        dtype = constant.stored.dtype
        wide = _step(constant.kind, wide.astype(dtype), array.astype(dtype))
    result: F32 = wide.astype(np.float32)
    return result


def _step(kind: str, x: Floats, constant: Floats) -> Floats:
    match kind:
        case "subtract":
            return x - constant
        case "multiply":
            return x * constant
        case _:
            return x + constant


def replaced(model: onnx.ModelProto, layer: str, changes: Sequence[tuple[Constant, F32]]) -> None:
    """Have operators of *model*, of which the constants are, compute with other numbers.

    Each gets a constant of its own, called after its layer: what others share stays.
    """
    for constant, numbers in changes:
        name = unused(model, f"{layer}/{constant.kind}")
        array = numbers.astype(constant.stored.dtype).reshape(constant.stored.shape)
        codes = encode(numbers.reshape(array.shape), 0) if constant.dequantized else None
        if codes is None:
            model.graph.initializer.append(numpy_helper.from_array(array, name))
            constant.node.input[constant.place] = name
        else:
            _put_dequantized(model, constant, name, codes)
    drop_unused(model)


def _put_dequantized(
    model: onnx.ModelProto, constant: Constant, name: str, codes: WeightCodes
) -> None:
    """A constant as ``export`` writes it: no optimizer folds it into the operator before."""
    scales = np.ldexp(np.float32(1), codes.exps.astype(np.int32)).astype(np.float32)
    stored = {
        f"{name}_codes": codes.codes.astype(np.int32),
        f"{name}_scale": scales.reshape(()) if codes.axis is None else scales,
    }
    for each, array in stored.items():
        model.graph.initializer.append(numpy_helper.from_array(array, each))
    read = constant.node.input[constant.place]
    (maker,) = (node for node in model.graph.node if read in node.output)
    readers = sum(read in node.input for node in model.graph.node)
    if readers == 1 and bool(maker.attribute) == (codes.axis is not None):
        # Nobody else's: it stays the operator that ``export`` draws.
        del maker.input[:]
        maker.input.extend(stored)
        return
    node = helper.make_node("DequantizeLinear", list(stored), [name], name=name)
    if codes.axis is not None:
        node.attribute.append(helper.make_attribute("axis", codes.axis))
    model.graph.node.insert(0, node)
    constant.node.input[constant.place] = name


def drop_unused(model: onnx.ModelProto) -> None:
    """Constants, dequantized or not, that nothing reads any more."""
    used = {name for node in model.graph.node for name in node.input}
    used |= {value.name for value in model.graph.output}
    for node in [x for x in model.graph.node if not used.intersection(x.output)]:
        model.graph.node.remove(node)
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)


def unused(model: onnx.ModelProto, name: str) -> str:
    """*name*, or a longer one that nothing is called yet."""
    taken = {tensor.name for tensor in model.graph.initializer}
    taken |= {name for node in model.graph.node for name in (*node.input, *node.output)}
    while name in taken:
        name += "_"
    return name
