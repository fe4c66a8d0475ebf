"""A convolution of codes as one product of matrices: a row has all that one window covers.

With the channels last each element of a window is a run of bytes, and these runs are gathered by a
table of places that is the same for all samples. The file holds one small constant an axis of it,
whose sum ONNX Runtime computes once, when it loads the file. The product is the fastest that it has
of bytes, if the weights are int8, and nothing is transposed in front of it or behind.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import WeightCodes
from qconvert.emit.lowering.dense_sums import exact_steps, numbers, row_sums
from qconvert.emit.lowering.linear import pads, plus
from qconvert.emit.lowering.linear_layer import LinearLayer
from qconvert.emit.values import Value, natural, relayout
from qconvert.emit.weights import Weight
from qconvert.ir.ops import Conv

#: What pays, beside floats and ``ConvInteger``: measured with ONNX Runtime 1.32 on Zen 4, batches
#: of 1 and 8, between neighbours that have the channels first, and last. Products of an input with
#: an output, of windows of one element, which others need not gather either, and of three axes.
_FEWEST_PRODUCTS, _FEWEST_PRODUCTS_OF_ONE, _FEWEST_PRODUCTS_OF_VOLUMES = 1024, 4096, 256
_FEWEST_CHANNELS, _FEWEST_PLACES = 16, 4
#: Axes of a window that is a volume.
_VOLUME: Final = 3


def window_sums(op: Conv, layer: LinearLayer, x: Value, b: Builder) -> Value | None:
    """*op* with all its windows gathered; ``None`` where it may round, or others are as fast.

    Sums that one op alone reads are left to that.
    """
    sizes, places = ([n or 0 for n in shape[1:-1]] for shape in (layer.given, layer.node.shape))
    if not all((*sizes, *places)) or not _is_faster(op, math.prod(places)):
        return None
    rows = _rows(layer.weight, x, b)
    factor = np.ones(op.kernel.shape[-1], np.float32) if layer.factor is None else layer.factor
    exps = None if rows is None else exact_steps(rows, factor, x)
    if rows is None or exps is None:
        return None
    x = _windows(op, x, sizes, places, b)
    sums = row_sums(rows, exps, x, b)
    left = sums if layer.is_read_once and op.bias is None else None
    return plus(b, Value(numbers(b, sums), x.layout, sums=left), op.bias)


def _is_faster(op: Conv, places: int) -> bool:
    *window, inputs, outputs = op.kernel.shape
    wide = min(inputs, outputs) >= _FEWEST_CHANNELS and inputs * outputs >= _fewest_products(window)
    return op.groups == 1 and wide and places >= _FEWEST_PLACES


def _fewest_products(window: Sequence[int]) -> int:
    if math.prod(window) == 1:
        return _FEWEST_PRODUCTS_OF_ONE
    return _FEWEST_PRODUCTS_OF_VOLUMES if len(window) == _VOLUME else _FEWEST_PRODUCTS


def _rows(weight: Weight, x: Value, b: Builder) -> WeightCodes | None:
    """The weights of a window, [out, window * in], if they are int8 beside the bytes of *x*."""
    found = weight.as_bytes
    if x.codes is None or x.codes.dtype != "uint8" or found is None:
        return None
    if not (b.vnni or found.is_safe(x.codes.largest)):
        return None
    last = np.moveaxis(found.codes, 1, -1)
    return replace(found, codes=last.reshape(len(last), -1))


def _windows(op: Conv, x: Value, sizes: Sequence[int], places: Sequence[int], b: Builder) -> Value:
    """The codes of *x* by place of the result: (batch, *places, window * inputs), inputs last."""
    x = relayout(b, x, natural(x.rank))
    assert x.codes is not None
    *window, inputs, _ = op.kernel.shape
    tensor = _padded(op, x, b)
    if math.prod(window) > 1 or max(op.strides) > 1:
        padded = [n + sum(each) for n, each in zip(sizes, op.padding, strict=True)]
        flat = b.op("Reshape", tensor, b.integers([0, math.prod(padded), inputs], "shape"))
        tensor = b.op("Gather", flat, _table(op, padded, places, b), attributes={"axis": 1})
        shape = [0, *places, math.prod(window) * inputs]
        tensor = b.op("Reshape", tensor, b.integers(shape, "shape"))
    return Value("", x.layout, replace(x.codes, tensor=tensor))


def _padded(op: Conv, x: Value, b: Builder) -> Tensor:
    """With codes of 0 around the spatial axes."""
    assert x.codes is not None
    if not any(map(any, op.padding)):
        return x.codes.tensor
    around = b.integers(pads(((0, 0), *op.padding, (0, 0))), "padding")
    zero = b.constant(np.array(x.codes.zero, x.codes.dtype), "zero")
    return b.op("Pad", x.codes.tensor, around, zero)


def _table(op: Conv, padded: Sequence[int], places: Sequence[int], b: Builder) -> Tensor:
    """By place and element of its window, which of all places of the *padded* input that is."""
    window, rank = op.kernel.shape[:-2], len(padded)
    table: Tensor | None = None
    for axis, (stride, dilation) in enumerate(zip(op.strides, op.dilations, strict=True)):
        starts, offsets = np.arange(places[axis]) * stride, np.arange(window[axis]) * dilation
        found = (starts[:, np.newaxis] + offsets) * math.prod(padded[axis + 1 :])
        shape = np.ones(2 * rank, int)
        shape[[axis, rank + axis]] = found.shape
        part = b.constant(found.reshape(shape).astype(np.int32), "places")
        table = part if table is None else b.op("Add", table, part)
    assert table is not None
    return table
