"""What an IR value is in the ONNX graph: a float tensor, its axes' order, and its codes.

Layouts live here alone. A value's *layout* says which Keras axis each stored axis is; an op asks
for the layout that it needs (`relayout`) or keeps what it gets. Data movement acts on the integer
codes where there are some, so that a DequantizeLinear stays next to each linear op.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.ir import F32, Grid

#: ``layout[i]`` is the Keras axis that the stored axis ``i`` holds.
Layout: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Codes:
    """An integer tensor that holds ``(code - zero) * 2**exp``, for codes - zero in ``ends``."""

    tensor: Tensor
    dtype: str
    zero: int
    exp: int
    ends: tuple[int, int]

    @property
    def narrow(self) -> bool:
        """Whether the codes are bytes, for which ONNX Runtime has all kernels."""
        return self.dtype in ("int8", "uint8")

    @property
    def largest(self) -> int:
        """The largest code that is stored, zero point included, which borders are padded with."""
        return max(self.ends[1], 0) + self.zero

    @property
    def meaning(self) -> tuple[str, int, int]:
        """What must be equal for the integers of two tensors to mean the same."""
        return self.dtype, self.zero, self.exp


@dataclass(frozen=True, slots=True)
class Sums:
    """An int32 tensor that holds ``sum * 2**exps``, by element of the last axis."""

    tensor: Tensor
    exps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One IR value as stored: the float tensor, and the codes that it was dequantized from.

    Or the sums, in the natural layout, which one op alone reads. All numbers are on the ``reach``,
    if it is known.
    """

    tensor: Tensor
    layout: Layout
    codes: Codes | None = None
    sums: Sums | None = None
    reach: Grid | None = None

    @property
    def rank(self) -> int:
        """Number of axes, batch included."""
        return len(self.layout)

    @property
    def integer(self) -> bool:
        """Whether integer kernels can take this value."""
        return self.codes is not None and self.codes.narrow

    @property
    def grid(self) -> Grid | None:
        """What all numbers are on, if that is known."""
        if self.codes is not None:
            return Grid(*self.codes.ends, self.codes.exp)
        if self.reach is None:
            return None
        # Of numbers beyond 2**24 steps a quantizer may return twice its last one (theorem 4).
        return Grid(2 * self.reach.lo, 2 * self.reach.hi, self.reach.exp)

    def axis(self, keras_axis: int) -> int:
        """Where a Keras axis is stored."""
        return self.layout.index(keras_axis)

    def stored(self, keras_order: Iterable[int]) -> list[int]:
        """Numbers given per Keras axis, in the order of the stored axes."""
        numbers = list(keras_order)
        return [numbers[axis] for axis in self.layout]


def natural(rank: int) -> Layout:
    """Keras's own order."""
    return tuple(range(rank))


def channels_first(rank: int) -> Layout:
    """ONNX's order for convolution and pooling."""
    return (0, rank - 1, *range(1, rank - 1))


def dequantize(b: Builder, codes: Codes) -> Tensor:
    """The float tensor that the codes stand for."""
    scale, zero = b.scalar(2.0**codes.exp), b.constant(np.array(codes.zero, codes.dtype), "zero")
    return b.op("DequantizeLinear", codes.tensor, scale, zero)


def from_codes(b: Builder, codes: Codes, layout: Layout) -> Value:
    """A value that is known by its codes."""
    return Value(dequantize(b, codes), layout, codes)


def move(
    b: Builder, x: Value, layout: Layout, action: Callable[[Tensor], Tensor], *, wide: bool = True
) -> Value:
    """Apply an op that only selects elements; *wide* says that it has kernels for 16-bit codes."""
    if x.codes is None or not (wide or x.codes.narrow):
        return Value(action(x.tensor), layout)
    return from_codes(b, replace(x.codes, tensor=action(x.codes.tensor)), layout)


def relayout(b: Builder, x: Value, layout: Layout) -> Value:
    """The same value with its axes stored in another order."""
    if x.layout == layout:
        return x
    perm = [x.axis(axis) for axis in layout]
    return move(b, x, layout, lambda t: b.op("Transpose", t, attributes={"perm": perm}))


def agree(b: Builder, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values in one layout that most of them need not be transposed to."""
    if len({x.rank for x in values}) > 1:
        return tuple(relayout(b, x, natural(x.rank)) for x in values)
    layouts = [x.layout for x in values]
    layout = max(dict.fromkeys(layouts), key=layouts.count)
    return tuple(relayout(b, x, layout) for x in values)


def per_channel(array: F32, layout: Layout) -> F32:
    """Numbers along Keras's last axis, shaped to broadcast against a tensor in *layout*."""
    behind = len(layout) - 1 - layout.index(len(layout) - 1)
    return array.reshape(array.shape + (1,) * behind)


def broadcast(array: F32, layout: Layout) -> F32:
    """An array that broadcasts in Keras's order, shaped to do so against a tensor in *layout*."""
    padded = array.reshape((1,) * (len(layout) - array.ndim) + array.shape)
    return padded.transpose(layout)


def without_axes(layout: Layout, dropped: tuple[int, ...]) -> Layout:
    """The layout that remains when the Keras axes *dropped* disappear."""
    kept = [axis for axis in layout if axis not in dropped]
    return tuple(sorted(kept).index(axis) for axis in kept)
