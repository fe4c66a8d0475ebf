"""Why a linear operator of a file does not become one of ONNX Runtime's integer kernels.

That needs bytes on both sides: dequantized ones to compute from, weights of up to 8 bits, and for
convolutions a quantizer that alone reads the result. What stands in the way is read off the graph.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import onnx

from qconvert.checking.deployed.casting import MOVING
from qconvert.checking.deployed.kernels import LINEAR, called, input_of, is_integer, kind_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.emit.codes import encode

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
#: What has an integer kernel, and whether that returns floats where no quantizer reads it.
_RETURNS_FLOATS: Final = {"Conv": False, "Gemm": True, "MatMul": True}
#: What affine functions consist of, a cast to float64 and back among them.
_AFFINE: Final = frozenset({"Add", "Cast", "Mul", "Sub"})
_BYTE: Final = 8


def obstacles(node: onnx.NodeProto, graph: OnnxGraph) -> tuple[str, ...]:
    """What stands in the way, in the order of the computation; each of them suffices."""
    kind = node.op_type
    if is_integer(node):
        return ()
    if kind not in _RETURNS_FLOATS:
        return (f"ONNX Runtime has no integer kernel of {kind}",)
    behind = [] if _RETURNS_FLOATS[kind] else _of_result(node.output[0], graph)
    return (*_of_input(node.input[0], graph), *_of_weights(node, graph), *behind)


def _of_input(name: str, graph: OnnxGraph) -> Iterator[str]:
    maker = graph.maker(name)
    while maker is not None and maker.op_type in MOVING:
        name = maker.input[0]
        maker = graph.maker(name)
    if maker is None:
        yield f"its input {name!r} comes in as floats"
    elif maker.op_type != _DEQUANTIZE:
        yield f"its input is float: {called(maker)} computes it"
    elif (bits := _bits(maker, graph)) != _BYTE:
        yield f"its input has codes of {bits} bits"


def _of_weights(node: onnx.NodeProto, graph: OnnxGraph) -> Iterator[str]:
    name = input_of(node, LINEAR[kind_of(node)].kernel)
    numbers = graph.constant(name)
    if numbers is None:
        maker = graph.maker(name)
        if maker is None or maker.op_type != _DEQUANTIZE:
            yield "both of its factors are computed, the second one in float"
        return
    dequantized = _dequantization(name, graph)
    if dequantized is None:
        on_grid = encode(numbers, 0) or encode(numbers, numbers.ndim - 1)
        yield f"its weights {'are stored as floats' if on_grid else 'lie on no power-of-two grid'}"
    elif (bits := _bits(dequantized, graph)) != _BYTE:
        yield f"its weights are codes of {bits} bits"


def _dequantization(name: str, graph: OnnxGraph) -> onnx.NodeProto | None:
    """What makes floats of a weight's codes, also where a product with 1 follows."""
    maker = graph.maker(name)
    if maker is None or maker.op_type == _DEQUANTIZE:
        return maker
    return _dequantization(maker.input[0], graph) if maker.op_type == "Mul" else None


def _bits(node: onnx.NodeProto, graph: OnnxGraph) -> int:
    """The width of the codes that a (de)quantization has; that of bytes if it is not known."""
    arrays = (graph.constant(input_of(node, place)) for place in (2, 0))
    # Without a zero point, the codes themselves tell it where they are constant.
    found = (8 * a.dtype.itemsize for a in arrays if a is not None and a.dtype != np.float32)
    return next(found, _BYTE)


def _of_result(name: str, graph: OnnxGraph) -> Iterator[str]:
    """Follows a result to its quantizer as long as one operator reads it."""
    between: list[onnx.NodeProto] = []
    readers = graph.readers(name)
    while len(readers) == 1 and readers[0].op_type != _QUANTIZE and not graph.returns(name):
        between += [readers[0]] if readers[0].op_type not in MOVING else []
        name = readers[0].output[0]
        readers = graph.readers(name)
    if between and not (readers and _absorbs(readers[0], between, graph)):
        yield _passed(between)
    widths = {_bits(reader, graph) for reader in readers if reader.op_type == _QUANTIZE}
    if wide := widths - {_BYTE}:
        # Others read it, too: what QKeras returns is the rounded number only within limits.
        yield f"its result is quantized to {max(wide)} bits"
    elif len(readers) > 1 or (readers and graph.returns(name)):
        others = ["the caller"] * graph.returns(name)
        yield f"several read its result: {', '.join([*map(called, readers), *others])}"
    elif not readers:
        yield "no quantizer is behind it"


def _absorbs(quantizer: onnx.NodeProto, between: list[onnx.NodeProto], graph: OnnxGraph) -> bool:
    """Whether a quantizer makes 0 of all that is below: then what does only that is left out."""
    zero = graph.constant(input_of(quantizer, 2))
    lowest = zero is not None and bool(np.all(zero == np.iinfo(zero.dtype).min))
    return lowest and all(node.op_type == "Relu" for node in between)


def _passed(between: list[onnx.NodeProto]) -> str:
    kinds = dict.fromkeys(node.op_type for node in between)
    if set(kinds) == {"Add"} and len(between) == 1:
        return "a bias that is off the grid of its products is added in float"
    if _AFFINE.issuperset(kinds):
        return f"an affine function, as of a batch normalization, is behind it: {', '.join(kinds)}"
    return f"is followed by {', '.join(kinds)} in float"
