"""Convolutions of few channels, at several places of a row at once.

ONNX Runtime's integer kernels take as long to begin at a place of the result as to multiply some
hundred codes, and longest for fewer than 16 channels. So places that lie beside each other have
theirs together, with a kernel that is as wide as all their windows, and 0 beside each of them. The
sums are the same, and with the channels last they lie where those of single places do.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.packing import stored_codes
from qconvert.emit.values import Value, from_codes, natural, relayout
from qconvert.ir.ops import Conv

#: Measured with ONNX Runtime 1.32 on Zen 4, windows of 1 to 5 places, 1 to 32 inputs, 2 to 48
#: outputs: half of what it takes to begin at a place, in products, for each row of its window, and
#: beside them if channels are few. A product counts 2.5 times what it takes there, for CPUs without
#: VNNI.
_PRODUCTS_OF_A_ROW, _PRODUCTS_OF_FEW = 100, 800
_FEW_CHANNELS, _MOST_CHANNELS, _MOST_PLACES = 16, 128, 8


def places_abreast(op: Conv, width: int | None) -> int:
    """How many places of a row, *width* of the result, are computed fastest together.

    They divide it: what a row had too many of would have to be cut off.
    """
    *rows, last, inputs, outputs = op.kernel.shape
    height = math.prod(rows)
    if op.groups > 1 or op.dilations[-1] > 1 or width is None:
        return 1
    # A window of one place is not gathered.
    most = _PRODUCTS_OF_A_ROW * height if height * last > 1 else 0
    most += _PRODUCTS_OF_FEW if outputs < _FEW_CHANNELS else 0
    products = height * op.strides[-1] * inputs * outputs
    count = 1
    # Twice as many add their number of products with 0 to each, and halve its share of a beginning.
    while count < _MOST_PLACES and count**2 * products <= most:
        if width % (2 * count) or 2 * count * outputs > _MOST_CHANNELS:
            break
        count *= 2
    return count


def widened(op: Conv, count: int) -> Conv:
    """*op* with the strides for *count* places of a row at once."""
    *strides, stride = op.strides
    return replace(op, strides=(*strides, count * stride))


def widened_kernel(
    b: Builder, codes: npt.NDArray[Any], zero: int, stride: int, count: int
) -> Tensor:
    """Weights (outputs, inputs, *window) as (count * outputs, inputs, *wider window).

    The file holds them once, and the code *zero* behind each row; ONNX Runtime makes the others
    once, when it loads the file.
    """
    *shape, last = codes.shape
    ended = np.pad(codes, [(0, 0)] * len(shape) + [(0, 1)], constant_values=zero)
    wide = last + (count - 1) * stride
    places = np.arange(wide) - stride * np.arange(count)[:, np.newaxis]
    table = np.where((places >= 0) & (places < last), places, last).astype(np.int32)
    rows = b.op(
        "Gather",
        stored_codes(b, ended, "kernel"),
        b.constant(table, "places"),
        attributes={"axis": len(shape)},
    )
    perm = [len(shape), *range(len(shape)), len(shape) + 1]
    by_place = b.op("Transpose", rows, attributes={"perm": perm})
    return b.op("Reshape", by_place, b.integers([count * shape[0], *shape[1:], wide], "shape"))


def side_by_side(b: Builder, y: Value, shape: Sequence[int | None]) -> Value:
    """*y*, in which places of a row share one, as a value of *shape*, in Keras's order."""
    *_, width, channels = shape
    assert width is not None and channels is not None
    y = relayout(b, y, natural(y.rank))
    assert y.codes is not None
    moved = b.integers([*[0] * (y.rank - 2), width, channels], "shape")
    return from_codes(b, replace(y.codes, tensor=b.op("Reshape", y.codes.tensor, moved)), y.layout)
