"""Windows that a file gathers among codes, held to be those of a convolution.

A convolution can be one product of matrices, of which each row has all that one window covers, by
a table in the file. It is read back place by place: what meets the n-th weight has to be the very
place that the convolution has there, or the padding.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.checking.deployed.kernels import LINEAR, attribute, input_of, kind_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.ir import F32, Shape
from qconvert.ir.ops import Conv, Padding

_Places: TypeAlias = npt.NDArray[np.int64]

#: In the place of padding, and of one that is not the code of 0.
_PADDING, _OTHER = 0, -1


def convolution_of(
    kernel: F32, product: onnx.NodeProto, file: OnnxGraph, op: Conv, shapes: tuple[Shape, Shape]
) -> F32 | None:
    """The *kernel* of a product of matrices, [in, out], as that of the convolution *op*.

    Not a number are weights that some window of the file multiplies by another place than *op*;
    ``None`` if the product does not read windows in the form that `export` gives them. *shapes*
    are those of the input and the result of *op*.
    """
    sizes, places = ([n or 0 for n in shape[1:-1]] for shape in shapes)
    if op.groups > 1 or kernel.size != op.kernel.size or not all((*sizes, *places)):
        return None
    found = _found(product, file, op, sizes, places)
    own = _windows(_padded(sizes, op.padding), op)
    if found is None or found.size != own.size:
        return None
    window = op.kernel.shape[:-2]
    right = np.all(found.reshape(-1, *window) == own.reshape(-1, *window), axis=0)
    weights = kernel.reshape(op.kernel.shape)
    return np.where(right[..., np.newaxis, np.newaxis], weights, np.float32(np.nan))


def _padded(sizes: Sequence[int], padding: Padding, filler: int = _PADDING) -> _Places:
    """The places of an input, counted from 1, and what is around them."""
    places = np.arange(1, math.prod(sizes) + 1).reshape(sizes)
    return np.pad(places, padding, constant_values=filler)


def _windows(padded: _Places, op: Conv) -> _Places:
    """All windows of *op* one after the other: (*places of the result, *window)."""
    window = op.kernel.shape[:-2]
    extents = [(n - 1) * step + 1 for n, step in zip(window, op.dilations, strict=True)]
    every = np.lib.stride_tricks.sliding_window_view(padded, extents)
    steps = (*op.strides, *op.dilations)
    return every[tuple(slice(None, None, step) for step in steps)]


def _found(
    product: onnx.NodeProto, file: OnnxGraph, op: Conv, sizes: Sequence[int], places: Sequence[int]
) -> _Places | None:
    """The places that the rows of the file's matrix have, in their order."""
    window, inputs = op.kernel.shape[:-2], op.kernel.shape[-2]
    name, table = product.input[0], None
    if math.prod(window) > 1 or max(op.strides) > 1:
        gather = file.maker(_reshaped(name, file, [*places, math.prod(window) * inputs]))
        if gather is None or gather.op_type != "Gather" or attribute(gather, "axis", 0) != 1:
            return None
        table = file.constant(gather.input[1])
        around = (sum(each) for each in op.padding)
        count = math.prod(n + more for n, more in zip(sizes, around, strict=True))
        name = _reshaped(gather.input[0], file, [count, inputs])
        if table is None or table.min() < 0 or table.max() >= count:
            return None
    padded = _as_padded(name, product, file, op, sizes)
    if padded is None or table is None:
        return padded
    taken: _Places = padded.reshape(-1)[table]
    return taken


def _reshaped(name: str, file: OnnxGraph, sizes: list[int]) -> str:
    """What is reshaped into a tensor with axes of these *sizes* behind the batch, or nothing."""
    node = file.maker(name)
    if node is None or node.op_type != "Reshape" or attribute(node, "allowzero", 0):
        return ""
    shape = file.constant(node.input[1])
    return node.input[0] if shape is not None and shape.tolist() == [0, *sizes] else ""


def _as_padded(
    name: str, product: onnx.NodeProto, file: OnnxGraph, op: Conv, sizes: Sequence[int]
) -> _Places | None:
    """The places of the tensor that is gathered from, of as many as *op* has with its padding."""
    if not any(map(any, op.padding)):
        return _padded(sizes, op.padding) if name else None
    node = file.maker(name)
    if node is None or node.op_type != "Pad" or node.attribute:
        return None
    around, filler = file.constant(node.input[1]), file.constant(input_of(node, 2))
    zero = file.constant(input_of(product, LINEAR[kind_of(product)].x_zero))
    if around is None or around.shape != (2 * len(sizes) + 4,) or input_of(node, 3):
        return None
    batch, *axes, channels = around.reshape(2, -1).T.tolist()
    fits = [sum(axis) for axis in axes] == [sum(axis) for axis in op.padding]
    if any(batch + channels) or not fits or around.min() < 0:
        return None
    is_zero = zero is not None and bool(np.all(zero == (0 if filler is None else filler)))
    return _padded(sizes, tuple(map(tuple, axes)), _PADDING if is_zero else _OTHER)
