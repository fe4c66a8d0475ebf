"""Inputs and outputs that are integers, where the user wants these (``--io quantized``)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.metadata import InterfaceCodes
from qconvert.emit.values import Codes, Value, from_codes, natural
from qconvert.errors import UsageError
from qconvert.ir import Graph, Grid, Input, Quotients, Shape, grid_of
from qconvert.ir.ops import Concat, Quantize, Reshape, Slice, Transpose
from qconvert.ir.quantizers import QuantizedBits, QuantizedLinear, QuantizedRelu
from qconvert.ir.stock import Resize

#: What the user says that an input's codes stand for.
Meaning: TypeAlias = Grid | Quotients

#: From the preferred to the last.
_TYPES: Final = ("uint8", "int8", "uint16", "int16")
#: The first opset that dequantizes 16 bits.
_INT16_OPSET: Final = 21
_BYTE_ZERO: Final = 128


def input_codes(
    graph: Graph, meanings: Mapping[str, Meaning], opset: int
) -> dict[str, InterfaceCodes]:
    """The integers that inputs are to be given as, of those of which it is known.

    What the user says of an input counts, else the grid of the quantizers that alone read it.
    """
    found: dict[str, InterfaceCodes] = {}
    for source in graph.inputs:
        meaning = meanings.get(source.name)
        codes = _quantized(graph, source) if meaning is None else _declared(source.name, meaning)
        if codes is not None and not (_is_wide(codes) and opset < _INT16_OPSET):
            found[source.name] = codes
        elif meaning is not None:
            raise UsageError(
                "QC002", f"input {source.name!r}: codes of 16 bits need opset {_INT16_OPSET}"
            )
    return found


def input_value(b: Builder, name: str, shape: Shape, codes: InterfaceCodes | None) -> Value:
    """An input, of integers as the numbers that they stand for."""
    layout = natural(len(shape))
    if codes is None:
        return Value(b.input(name, shape), layout)
    stored = b.input(name, shape, codes.type)
    if codes.divisor != 1:
        # The operations of whoever feeds pixels to Keras, and therefore its numbers.
        x = b.op("Cast", stored, attributes={"to": onnx.TensorProto.FLOAT})
        return Value(b.op("Div", x, _divisor(b, codes.divisor)), layout)
    # All that the type holds, for nothing in the file keeps users to less.
    info, zero = np.iinfo(codes.type), codes.zero_point
    ends = int(info.min) - zero, int(info.max) - zero
    value = from_codes(b, Codes(stored, codes.type, zero, codes.exp, ends), layout)
    return _as_unsigned(b, value) if codes.type == "int8" else value


def _divisor(b: Builder, divisor: int) -> Tensor:
    """A number that no optimizer can see: ONNX Runtime would divide the product of a MatMul."""
    stored = b.constant(np.array(divisor, np.int32), "divisor")
    return b.op("DequantizeLinear", stored, b.scalar(1.0))


def output_codes(value: Value) -> InterfaceCodes | None:
    """The integers that an output is made of, if it has some."""
    codes = value.codes
    if codes is None:
        return None
    lo, hi = (end + codes.zero for end in codes.ends)
    return InterfaceCodes(codes.dtype, lo, hi, codes.exp, codes.zero)


def returned_codes(graph: Graph) -> frozenset[str]:
    """The values that outputs are made of, but for movements, and so have codes if they can."""
    found = set(graph.returned)
    pending = [graph.makers[name] for name in found if name in graph.makers]
    while pending:
        node = pending.pop()
        if isinstance(node.op, Reshape | Transpose | Slice | Concat | Resize):
            found.update(node.inputs)
            pending += [graph.makers[name] for name in node.inputs if name in graph.makers]
    return frozenset(found)


def _as_unsigned(b: Builder, value: Value) -> Value:
    """The same numbers as uint8, of which ONNX Runtime has all kernels."""
    assert value.codes is not None
    zero = b.constant(np.array(_BYTE_ZERO, np.uint8), "zero")
    scale = b.scalar(float(np.ldexp(1.0, value.codes.exp)))
    codes = b.op("QuantizeLinear", value.tensor, scale, zero)
    moved = replace(value.codes, tensor=codes, dtype="uint8", zero=_BYTE_ZERO)
    return from_codes(b, moved, value.layout)


def _declared(name: str, meaning: Meaning) -> InterfaceCodes:
    kind = _type_of(meaning.lo, meaning.hi)
    if kind is None:
        raise UsageError(
            "QC012",
            f"input {name!r}: no integers of up to 16 bits are those from {meaning.lo} to "
            f"{meaning.hi}",
        )
    if isinstance(meaning, Quotients):
        return InterfaceCodes(kind, meaning.lo, meaning.hi, divisor=meaning.divisor)
    return InterfaceCodes(kind, meaning.lo, meaning.hi, meaning.exp)


def _quantized(graph: Graph, source: Input) -> InterfaceCodes | None:
    """As the quantizers of an input would round it; none if they differ, or others read it."""
    grids = set(_grids(graph, source.name))
    if len(grids) != 1 or any(output.value == source.name for output in graph.outputs):
        return None
    (grid,) = grids
    kind = None if grid is None else _type_of(grid.lo, grid.hi)
    if grid is None or kind is None:
        return None
    # As the file has bytes everywhere.
    kind, zero = ("uint8", _BYTE_ZERO) if kind == "int8" else (kind, 0)
    return InterfaceCodes(kind, grid.lo + zero, grid.hi + zero, grid.exp, zero)


def _grids(graph: Graph, value: str) -> Iterator[Grid | None]:
    """What each reader of a value rounds it to, so that rounding it before changes nothing."""
    for node in graph.nodes:
        if value in node.inputs:
            match node.op:
                case Quantize(quantizer=QuantizedBits() | QuantizedLinear() | QuantizedRelu() as q):
                    yield grid_of(q)
                case _:
                    yield None


def _type_of(lo: int, hi: int) -> str | None:
    fitting = (t for t in _TYPES if np.iinfo(t).min <= lo and hi <= np.iinfo(t).max)
    return next(fitting, None)


def _is_wide(codes: InterfaceCodes) -> bool:
    return np.iinfo(codes.type).bits == 16 and codes.divisor == 1
