"""Convolutions of few channels, at several places of a row at once.

ONNX Runtime's integer kernels take as long to begin at a place of the result as to multiply some
hundred codes, and round 16 sums at a time, or four, or each. So places that lie beside each other
have theirs together, with a kernel that is as wide as all their windows, and 0 beside each of them.
The sums are the same, and with the channels last they lie where those of single places do; what a
row that they do not divide has too many of is cut off.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.values import Value, from_codes, natural, relayout
from qconvert.ir.ops import Conv

#: Nanoseconds that ONNX Runtime 1.32 takes on Zen 4, fitted to windows of 1 to 5 places, 1 to 16
#: inputs, 1 to 16 outputs and rows of 7 to 33 places, batches of 1 and 32: to begin at a place, to
#: gather each row of its window, and to round 16 sums, four of what is left, and each of the rest.
_BEGIN, _ROW, _SIXTEEN, _FOUR, _ONE = 3.0, 5.0, 4.0, 3.0, 3.0
#: A product counts half as much again as there, for CPUs without VNNI take 2.5 times as long.
_PRODUCT = 0.007
#: To cut off what a row has too many of.
_CUT = 30.0
_MOST_CHANNELS, _MOST_PLACES = 128, 8


def places_abreast(op: Conv, width: int | None) -> int:
    """How many places of a row, *width* of the result, are computed fastest together.

    Of a convolution with groups, as one with zeros between these.
    """
    if op.dilations[-1] > 1 or width is None:
        return 1
    most = min(_MOST_PLACES, width, max(1, _MOST_CHANNELS // op.kernel.shape[-1]))
    return min(range(1, most + 1), key=lambda count: _time_of_row(op, width, count))


def _time_of_row(op: Conv, width: int, count: int) -> float:
    """About how long a row takes, *count* places at once."""
    shape: tuple[int, ...] = op.kernel.shape
    *rows, last, inputs, outputs = shape
    inputs *= op.groups
    height = math.prod(rows)
    wide = last + (count - 1) * op.strides[-1]
    channels = count * outputs
    # A window of one place is not gathered, and in a series there are no rows to be.
    begin = _BEGIN + (_ROW * height if rows and height * wide > 1 else 0)
    rounding = _SIXTEEN * (channels // 16) + _FOUR * (channels % 16 // 4) + _ONE * (channels % 4)
    products = _PRODUCT * height * wide * inputs * channels
    cut = _CUT if width % count else 0
    return -(-width // count) * (begin + rounding + products) + cut


def widened(op: Conv, count: int, width: int | None) -> Conv:
    """*op* for *count* places of a row of *width* at once, zeros behind it for those beyond."""
    *strides, stride = op.strides
    *padding, (before, after) = op.padding
    beyond = -(width or 0) % count
    return replace(
        op,
        strides=(*strides, count * stride),
        padding=(*padding, (before, after + beyond * stride)),
    )


def ended(codes: npt.NDArray[Any], zero: int) -> npt.NDArray[Any]:
    """Weights with the code *zero* behind each row, which `widened_kernel` has between places."""
    return np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, 1)], constant_values=zero)


def widened_kernel(
    b: Builder, stored: Tensor, sizes: Sequence[int], stride: int, count: int
) -> Tensor:
    """Weights of *sizes* (outputs, inputs, *window) as (count * outputs, inputs, *wider window).

    The file holds them once, *stored* with a zero behind each row; ONNX Runtime makes the others
    once, when it loads the file.
    """
    *shape, last = sizes
    wide = last + (count - 1) * stride
    places = np.arange(wide) - stride * np.arange(count)[:, np.newaxis]
    table = np.where((places >= 0) & (places < last), places, last).astype(np.int32)
    rows = b.op(
        "Gather",
        stored,
        b.constant(table, "places"),
        attributes={"axis": len(shape)},
    )
    perm = [len(shape), *range(len(shape)), len(shape) + 1]
    by_place = b.op("Transpose", rows, attributes={"perm": perm})
    return b.op("Reshape", by_place, b.integers([count * shape[0], *shape[1:], wide], "shape"))


def side_by_side(b: Builder, y: Value, shape: Sequence[int | None], count: int) -> Value:
    """*y*, in which *count* places of a row share one, as a value of *shape*, in Keras's order."""
    *_, width, channels = shape
    assert width is not None and channels is not None
    y = relayout(b, y, natural(y.rank))
    assert y.codes is not None
    beyond = -width % count
    moved = b.integers([*[0] * (y.rank - 2), width + beyond, channels], "shape")
    tensor = b.op("Reshape", y.codes.tensor, moved)
    if beyond:
        start, end = b.integers([0], "starts"), b.integers([width], "ends")
        tensor = b.op("Slice", tensor, start, end, b.integers([y.rank - 2], "axes"))
    return from_codes(b, replace(y.codes, tensor=tensor), y.layout)
