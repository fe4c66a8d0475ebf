"""The meaning of every quantizer."""

from typing import assert_never

import numpy as np

from qconvert.ir.quantizers import (
    Binary,
    FrozenScale,
    HardFunction,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Quantizer,
    Ternary,
)
from qconvert.ir.types import F32
from qconvert.numerics.automatic_scale import automatic_bits
from qconvert.numerics.bounded import hard_function, sigmoid, tanh, ulaw
from qconvert.numerics.eigen import LANES
from qconvert.numerics.fixed_point import bits, frozen_bits, hswish, relu
from qconvert.numerics.levels import binary, ternary
from qconvert.numerics.linear import linear
from qconvert.numerics.power_of_two import po2, relu_po2
from qconvert.numerics.straight_through import flushed


def quantize(quantizer: Quantizer, x: F32) -> F32:
    """What QKeras returns for *x* in eager mode, operation by operation in float32.

    QKeras 0.9.0, or master for what that lacks.
    Like TensorFlow it takes denormal inputs as 0, and overflows to infinities and NaN silently.
    """
    with np.errstate(all="ignore"):
        return _quantize(quantizer, flushed(x))


def quantize_body(quantizer: Quantizer, x: F32) -> F32:
    """As `quantize` in the body of a long tensor: not as TensorFlow computes the last elements."""
    padded = np.append(x.ravel(), np.ones(-x.size % LANES, np.float32))
    return quantize(quantizer, padded)[: x.size].reshape(x.shape)


def _quantize(quantizer: Quantizer, x: F32) -> F32:
    match quantizer:
        case QuantizedBits(post_training_scale=FrozenScale() as frozen):
            return frozen_bits(quantizer, x, frozen)
        case QuantizedBits(alpha=str()):
            return automatic_bits(quantizer, x)
        case QuantizedBits():
            return bits(quantizer, x)
        case QuantizedLinear():
            return linear(quantizer, x)
        case QuantizedHswish():
            return _quantize(quantizer.rounding, hswish(quantizer, x))
        case QuantizedUlaw():
            return ulaw(quantizer, x)
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
