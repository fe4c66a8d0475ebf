"""What QKeras does with a quantizer that its user may not expect, in words."""

from collections.abc import Iterator, Sequence

from qconvert.frontend.flavour import Flavour
from qconvert.frontend.quantizer_text import drops_arguments
from qconvert.ir.ops import Op, Quantize
from qconvert.ir.quantizers import (
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    Quantizer,
)


def of_quantizer(identifier: object, quantizer: Quantizer | None) -> Iterator[str]:
    """Notes on *quantizer*, which a file calls *identifier*."""
    if isinstance(identifier, str) and drops_arguments(identifier):
        yield (
            f"{identifier!r}: with a call among them QKeras drops all arguments and computes with"
            " the defaults"
        )
    if quantizer is not None:
        yield from _of_options(quantizer)


def of_activation(
    identifier: object, ops: Sequence[Op], *, qkeras: bool, flavour: Flavour
) -> Iterator[str]:
    """Notes on the *ops* of an activation, which a file calls *identifier*."""
    for op in ops:
        if isinstance(op, Quantize):
            yield from of_quantizer(identifier, op.quantizer)
    match identifier:
        case {"class_name": "function", "config": "hard_sigmoid" | "hard_tanh" as name}:
            if qkeras and flavour.keras3:
                yield (
                    f"Keras 3 reads {name} in this file as its own function; QKeras's of that"
                    " name, which the model may have been trained with, is another"
                )


def _of_options(q: Quantizer) -> Iterator[str]:
    match q:
        case QuantizedHswish(rounding=rounding):
            yield from _of_options(rounding)
        case QuantizedBits(bits=1, alpha="auto_po2"):
            yield "one bit with an automatic power-of-two scale: QKeras makes every number 0"
        case QuantizedRelu(is_quantized_clip=True, relu_upper_bound=float(bound)):
            if bound < 2.0**q.integer * (1 - 2.0 ** (bool(q.negative_slope) - q.bits)):
                yield (
                    f"relu_upper_bound={bound:g} is not applied, because is_quantized_clip is True;"
                    " files do not keep False, with which the model may have been trained"
                )
        case _:
            pass
    factor = _noise(q)
    if factor == 0:
        yield "qnoise_factor=0: QKeras quantizes nothing, at inference too"
    elif factor != 1:
        yield f"qnoise_factor={factor:g}: QKeras mixes in the number before, at inference too"


def _noise(q: Quantizer) -> float:
    match q:
        case QuantizedBits() | QuantizedLinear() | QuantizedRelu():
            return q.qnoise_factor
        case QuantizedPo2() | QuantizedReluPo2():
            return q.qnoise_factor
        case _:
            return 1.0
