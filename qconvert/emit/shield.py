"""Keeps operators apart that ONNX Runtime would make one of."""

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import WeightCodes, encode
from qconvert.ir import F32


def shielded(b: Builder, x: Tensor) -> Tensor:
    """*x* times a 1 that no optimizer can see, so that it is left as it is."""
    return b.op("Mul", x, hidden_one(b))


def hidden_one(b: Builder) -> Tensor:
    """A 1 that no optimizer can see.

    It is an int32: OpenVINO takes a byte for a quantized weight, and fails.
    """
    return b.hidden(b.scalar(1.0))


def unfolded(b: Builder, array: F32, name: str) -> Tensor:
    """A factor that no optimizer folds into the weights of a product before it, if it can be.

    Of one power of two that would change no result.
    """
    found = encode(array, 0)
    if found is None or is_of_columns(array) or _is_power(array):
        return b.constant(array, name)
    return dequantized_int32(b, found, name)


def is_of_columns(array: F32) -> bool:
    """Whether a factor is one for each column of a product of matrices: none of these are folded.

    Of convolutions, whose channels stand first, the factors have more axes.
    """
    return array.ndim == 1 and array.size > 1


def dequantized_int32(b: Builder, found: WeightCodes, name: str) -> Tensor:
    """Numbers as integers of 32 bits, which no optimizer takes for constants."""
    stored = b.constant(found.codes.astype(np.int32), name)
    return b.op("DequantizeLinear", stored, scales_of(b, found, name), attributes=axis_of(found))


def axis_of(found: WeightCodes) -> dict[str, int]:
    """The attribute of a dequantization."""
    return {} if found.axis is None else {"axis": found.axis}


def scales_of(b: Builder, found: WeightCodes, name: str) -> Tensor:
    """The steps of codes as floats."""
    steps = np.ldexp(np.float32(1), found.exps.astype(np.int32)).astype(np.float32)
    return b.scalar(steps.item()) if found.axis is None else b.constant(steps, f"{name}_scale")


def _is_power(array: F32) -> bool:
    """Whether all numbers are one power of two."""
    mantissas, exponents = np.frexp(array)
    return bool(np.all(mantissas == 0.5)) and np.ptp(exponents) == 0
