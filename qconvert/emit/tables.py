"""Quantizers of real functions as tables of ``numerics``: no runtime's logarithm or tanh is asked.

Where the input is known by its codes, every code has its entry. Else a function of few values is
a staircase. Both are TensorFlow's results inside a tensor; for the last seven elements at most it
calls other functions, which near a tie may give another code.
"""

import numpy as np
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.staircase import staircase
from qconvert.emit.thresholds import WIDEST, is_clear, thresholds
from qconvert.emit.values import Codes, Value
from qconvert.ir import Quantizer
from qconvert.ir.quantizers import QuantizedSigmoid, QuantizedTanh, QuantizedUlaw
from qconvert.numerics import quantize_body

_INT32 = {"to": onnx.TensorProto.INT32}


def by_codes(b: Builder, codes: Codes, quantizer: Quantizer) -> Tensor:
    """The quantized tensor, one entry of a table for every code that the bytes can hold."""
    info = np.iinfo(codes.dtype)
    stored = np.arange(info.min, info.max + 1)
    numbers = np.ldexp((stored - codes.zero).astype(np.float32), codes.exp)
    # An index below 0 counts from the end.
    table = np.roll(quantize_body(quantizer, numbers), info.min)
    index = b.op("Cast", codes.tensor, attributes=_INT32)
    return b.op("Gather", b.constant(table, "values"), index)


def real_function(b: Builder, x: Value, q: QuantizedTanh | QuantizedSigmoid) -> Tensor:
    """What is to be rounded to the quantized tanh or sigmoid, if it is not that already.

    The function itself where every runtime's rounds alike, and where it has too many codes for a
    table.
    """
    if q.bits > WIDEST or (x.reach is not None and is_clear(q, x.reach)):
        return b.op("Tanh" if isinstance(q, QuantizedTanh) else "Sigmoid", x.tensor)
    if x.codes is not None and x.integer:
        return by_codes(b, x.codes, q)
    return staircase(b, x.tensor, *thresholds(q))


def ulaw(b: Builder, x: Value, q: QuantizedUlaw) -> Tensor:
    """The rounding of ``clip(x/2 + 1/2, 0, 1)``, then a table of all its results."""
    if x.codes is not None and x.integer:
        return by_codes(b, x.codes, q)
    m = 2 ** (q.bits - 1)
    places = np.ldexp((2 * np.arange(m + 1) - m).astype(np.float32), q.integer - q.bits + 1)
    half = b.op("Mul", x.tensor, b.scalar(2.0 ** (-q.integer - 1)))
    share = b.op("Clip", b.op("Add", half, b.scalar(0.5)), b.scalar(0.0), b.scalar(1.0))
    index = b.op("Cast", b.op("Round", b.op("Mul", share, b.scalar(m))), attributes=_INT32)
    return b.op("Gather", b.constant(quantize_body(q, places), "values"), index)
