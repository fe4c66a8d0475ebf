"""QKeras's own quantizers, for those that are drawn."""

from typing import Any, TypeAlias

from qconvert.ir import Quantizer
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    Ternary,
)

#: QKeras has no types.
_Theirs: TypeAlias = Any


def theirs(q: Quantizer) -> _Theirs | None:
    """What QKeras 0.9.0 calls *q*; None if it has no such quantizer."""
    import qkeras

    match q:
        case QuantizedBits(integer=integer) | QuantizedRelu(integer=integer) if integer < 0:
            # With TensorFlow 2.21 it cannot compute these powers of two.
            return None
        case QuantizedBits():
            return qkeras.quantized_bits(
                q.bits,
                q.integer,
                int(q.symmetric),
                q.keep_negative,
                q.alpha,
                qnoise_factor=q.qnoise_factor,
            )
        case QuantizedRelu():
            return qkeras.quantized_relu(
                q.bits,
                q.integer,
                int(q.use_sigmoid),
                q.negative_slope,
                is_quantized_clip=q.is_quantized_clip,
            )
        case QuantizedTanh():
            return qkeras.quantized_tanh(q.bits, symmetric=q.symmetric)
        case QuantizedSigmoid():
            return qkeras.quantized_sigmoid(q.bits, symmetric=q.symmetric)
        case Binary():
            return qkeras.binary(q.use_01, q.alpha)
        case Ternary():
            return qkeras.ternary(q.alpha, q.threshold)
        case HardFunction():
            return getattr(qkeras, q.value)
        case _:
            return None
