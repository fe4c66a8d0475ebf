"""A convolution of codes whose sums no quantizer rounds alone: integers, which become floats.

``ConvInteger`` returns the sums of products of codes as int32. Up to 24 bits, times the product of
both steps, they are the float32 numbers that every float kernel of exact sums returns.
"""

import math
from typing import Final

import numpy as np

from qconvert.emit.builder import Builder
from qconvert.emit.codes import Integers
from qconvert.emit.lowering.linear import conv_attributes, plus
from qconvert.emit.lowering.linear_layer import LinearLayer
from qconvert.emit.lowering.sums import as_float, powers, steps_of_sums
from qconvert.emit.lowering.windows import window_sums
from qconvert.emit.packing import stored_codes
from qconvert.emit.values import Value, channels_first, per_channel, relayout
from qconvert.emit.weights import Weight
from qconvert.ir import Shape
from qconvert.ir.ops import Conv

#: Zero points of weights, of 2, 4 and 8 bits. All are uint8: ONNX Runtime multiplies int8 ones with
#: uint8 thrice as slowly, and on ARM not at all; two uint8 saturate nowhere.
_ZEROS: Final = (2, 8, 128)
#: What pays for the passes over the results and, but for windows of one element, over the input:
#: measured with ONNX Runtime 1.32 on Zen 4, batches of 1 and 32. A sample is one matrix product.
_FEWEST_TERMS, _FEWEST_TERMS_OF_ONE = 256, 64
_FEWEST_CHANNELS, _FEWEST_PLACES, _FEWEST_PRODUCTS = 16, 16, 1 << 20


def conv_sums(op: Conv, layer: LinearLayer, x: Value, b: Builder) -> Value | None:
    """*op*; ``None`` where it may round, or floats are as fast."""
    y = window_sums(op, layer, x, b)
    return _by_convolution(op, layer.weight, x, layer.node.shape, b) if y is None else y


def _by_convolution(op: Conv, weight: Weight, x: Value, shape: Shape, b: Builder) -> Value | None:
    if x.codes is None or x.codes.dtype != "uint8" or not _is_faster(op, shape):
        return None
    found = weight.codes
    exps = None if found is None else steps_of_sums(found, x.codes)
    if found is None or exps is None:
        return None
    x = relayout(b, x, channels_first(x.rank))
    assert x.codes is not None
    zero = _zero(found.codes)
    y = b.op(
        "ConvInteger",
        x.codes.tensor,
        stored_codes(b, found.stored_as("uint8", zero), "kernel"),
        b.constant(np.array(x.codes.zero, np.uint8), "zero"),
        b.constant(np.array(zero, np.uint8), "zero"),
        attributes=conv_attributes(op),
    )
    # No DequantizeLinear: ONNX Runtime moves one with one scale behind what follows, to int32
    # codes that it has no QuantizeLinear for.
    scales = powers(exps)
    scale = scales.reshape(()) if found.axis is None else per_channel(scales, x.layout)
    y = b.op("Mul", as_float(b, y), b.constant(scale, "scale"))
    return plus(b, Value(y, x.layout), op.bias)


def _zero(codes: Integers) -> int:
    """The least with which signed *codes* are unsigned, so that few bits stay few."""
    return next(n for n in _ZEROS if -n <= codes.min() and codes.max() < n)


def _is_faster(op: Conv, shape: Shape) -> bool:
    """Sizes that are not known count as 1."""
    *window, inputs, channels = op.kernel.shape
    terms, places = math.prod(window) * inputs, math.prod(n or 1 for n in shape[1:-1])
    fewest = _FEWEST_TERMS_OF_ONE if math.prod(window) == 1 else _FEWEST_TERMS
    enough = terms >= fewest and channels >= _FEWEST_CHANNELS and places >= _FEWEST_PLACES
    # ONNX Runtime gathers windows of three axes slowly, and groups one by one.
    usual = op.groups == 1 and len(window) <= 2
    return usual and enough and terms * channels * places >= _FEWEST_PRODUCTS
