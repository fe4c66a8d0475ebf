"""The meaning of every quantizer."""

from typing import Final, assert_never

import numpy as np

from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    Quantizer,
    Ternary,
)
from qconvert.ir.types import F32
from qconvert.numerics.automatic_scale import automatic_bits
from qconvert.numerics.bounded import hard_function, sigmoid, tanh
from qconvert.numerics.fixed_point import bits, relu
from qconvert.numerics.levels import binary, ternary
from qconvert.numerics.power_of_two import po2, relu_po2

_SMALLEST_NORMAL: Final = np.finfo(np.float32).smallest_normal


def quantize(quantizer: Quantizer, x: F32) -> F32:
    """What QKeras 0.9.0 returns for *x* in eager mode, operation by operation in float32.

    Like TensorFlow it takes denormal inputs as 0, and overflows to infinities and NaN silently.
    """
    with np.errstate(all="ignore"):
        return _quantize(quantizer, np.where(np.abs(x) < _SMALLEST_NORMAL, np.float32(0), x))


def _quantize(quantizer: Quantizer, x: F32) -> F32:
    match quantizer:
        case QuantizedBits(alpha=str()):
            return automatic_bits(quantizer, x)
        case QuantizedBits():
            return bits(quantizer, x)
        case QuantizedRelu():
            return relu(quantizer, x)
        case QuantizedTanh():
            return tanh(quantizer, x)
        case QuantizedSigmoid():
            return sigmoid(quantizer, x)
        case QuantizedPo2():
            return po2(quantizer, x)
        case QuantizedReluPo2():
            return relu_po2(quantizer, x)
        case Binary():
            return binary(quantizer, x)
        case Ternary():
            return ternary(quantizer, x)
        case HardFunction():
            return hard_function(quantizer, x)
        case _:
            assert_never(quantizer)
