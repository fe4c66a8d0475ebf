"""The integers behind weights whose scale is no power of two."""

from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32
from qconvert.ir.ops import Conv, ConvTranspose, Dense

_Linear = TypeVar("_Linear", bound=Dense | Conv | ConvTranspose)

#: Codes of more bits are indistinguishable from any numbers at all.
_LARGEST_CODE: Final = 1 << 10
#: A weight is its code times the scale, rounded a few times.
_RELATIVE: Final = 4 * 2.0**-24


def codes_and_scales(op: _Linear) -> tuple[_Linear, npt.NDArray[np.float64]]:
    """*op* with integers for weights, and what each output channel's are multiplied by.

    The op itself and ones, where a channel's weights are no integers of few bits, or where they
    are multiples of a power of two, which needs no scale. The bias stays as it is.
    """
    axis = -2 if isinstance(op, ConvTranspose) else -1
    columns = np.moveaxis(op.kernel, axis, -1)
    flat = columns.reshape(-1, columns.shape[-1])
    ones = np.ones(flat.shape[-1])
    if _on_grid(flat):
        return op, ones
    found = [scale for column in flat.T if (scale := _scale(column)) is not None]
    if len(found) < len(ones):
        return op, ones
    scales = np.array(found)
    codes = np.rint(flat / scales).astype(np.float32).reshape(columns.shape)
    return replace(op, kernel=np.moveaxis(codes, -1, axis)), scales


def _on_grid(kernel: F32) -> bool:
    """Whether few bits hold every weight as a multiple of one power of two."""
    exponent = np.frexp(abs(kernel).max(initial=0.0))[1] - 16
    codes = np.ldexp(kernel.astype(np.float64), -exponent)
    return bool(np.all(codes == np.rint(codes)))


def _scale(column: F32) -> float | None:
    """The largest number that all weights are near multiples of."""
    sizes = np.unique(abs(column[column != 0]).astype(np.float64))
    if not len(sizes):
        return 1.0
    smallest = float(sizes[0])
    for divisor in range(1, _LARGEST_CODE + 1):
        scale = _refined(sizes, smallest / divisor)
        codes = np.rint(sizes / scale)
        if codes[-1] > _LARGEST_CODE:
            return None
        if np.all(abs(sizes - codes * scale) <= _RELATIVE * sizes):
            return scale
    return None


def _refined(sizes: npt.NDArray[np.float64], scale: float) -> float:
    """The scale by the largest weight, which knows it best."""
    code = np.rint(sizes[-1] / scale)
    return float(sizes[-1] / code)
