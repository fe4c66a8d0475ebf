"""Weights of few bits stored in as few, for files that are to be small.

A ``Cast`` makes bytes of them, which ONNX Runtime computes once, when it loads the file: what runs
is the same as of a file with bytes. Dequantized as they are, they would stay out of its integer
kernels, and products of matrices with them would quantize what they multiply (MatMulNBits).
"""

from typing import Any, Final

import numpy.typing as npt
from onnx import TensorProto, helper

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import WeightCodes
from qconvert.emit.values import Codes

#: The first opset that has types of less than a byte.
PACKED_OPSET: Final = 21
_TWO_BITS_OPSET: Final = 25
#: From the narrowest, with the first opset that casts it.
_TYPES: Final = (
    (TensorProto.INT2, -2, 1, _TWO_BITS_OPSET),
    (TensorProto.UINT2, 0, 3, _TWO_BITS_OPSET),
    (TensorProto.INT4, -8, 7, PACKED_OPSET),
    (TensorProto.UINT4, 0, 15, PACKED_OPSET),
)
PACKED_TYPES: Final = frozenset(kind for kind, *_ in _TYPES)
_BYTE, _LARGEST_BYTE = 8, 255
#: Below so many weights the operator takes more than is saved.
FEWEST: Final = 256


def stored_codes(b: Builder, codes: npt.NDArray[Any], name: str) -> Tensor:
    """Constant *codes* of bytes, packed if they are narrow and the file is to be small."""
    kind = _narrow(codes, b.opset) if b.packed and codes.size >= FEWEST else None
    if kind is None:
        return b.constant(codes, name)
    narrow = b.constant(codes.astype(helper.tensor_dtype_to_np_dtype(kind)), name)
    return b.op("Cast", narrow, attributes={"to": helper.np_dtype_to_tensor_dtype(codes.dtype)})


def type_of_weights(b: Builder, weights: WeightCodes, x: Codes | None) -> tuple[str, int]:
    """The integer type, up to 16 bits, and zero point of weights beside the codes *x*.

    On x86 kernels of int8 are the fastest, and those of uint8 exact on all CPUs.
    """
    if weights.bits > _BYTE:
        return "int16", 0
    safe = weights.is_safe(_LARGEST_BYTE if x is None else x.largest)
    if b.vnni and not safe:
        b.need_vnni.add(b.scope)
    return ("int8", 0) if safe or b.vnni else ("uint8", 128)


def _narrow(codes: npt.NDArray[Any], opset: int) -> int | None:
    """The narrowest type that holds them, if one of less than a byte does."""
    lo, hi = int(codes.min()), int(codes.max())
    fitting = (
        t for t, least, most, first in _TYPES if least <= lo and hi <= most and opset >= first
    )
    return next(fitting, None)
