"""Operations that take a number from elsewhere: which one."""

from collections.abc import Sequence
from math import floor

import numpy as np

from qconvert.explaining.operands import Operand
from qconvert.explaining.results import Applied, Index, Taken
from qconvert.explaining.weights import Source
from qconvert.ir.ops import Concat, Pad, Slice, Transpose, UpSample
from qconvert.ir.stock import Resize


def reshaped(x: Operand, shape: Sequence[int], index: Index) -> Taken:
    """Of the same elements in the same order in another *shape*; folded time is one, too."""
    place = np.ravel_multi_index(index, tuple(shape))
    return Taken(x.at([int(i) for i in np.unravel_index(place, x.array.shape)]))


def transposed(op: Transpose, x: Operand, index: Index) -> Taken:
    """Axis ``i`` of the result is axis ``perm[i]`` of the input."""
    return Taken(x.at([index[op.perm.index(axis)] for axis in range(len(op.perm))]))


def padded(op: Pad, x: Operand, index: Index) -> Taken:
    """Zeros are nobody's."""
    place = [index[0], *(i - before for i, (before, _) in zip(index[1:], op.padding, strict=True))]
    inside = all(0 <= i < n for i, n in zip(place, x.array.shape, strict=True))
    return Taken(x.at(place) if inside else None)


def sliced(op: Slice, x: Operand, index: Index) -> Taken:
    """``begin + i * step`` on every axis, those that were dropped included."""
    left = list(index)
    whole = [0 if axis in op.squeeze else left.pop(0) for axis in range(x.array.ndim)]
    ends = zip(op.begin, op.end, op.step, strict=True)
    ranges = [range(*slice(*e).indices(n)) for e, n in zip(ends, x.array.shape[1:], strict=True)]
    return Taken(x.at([whole[0], *(r[i] for r, i in zip(ranges, whole[1:], strict=True))]))


def upsampled(op: UpSample, x: Operand, index: Index) -> Taken:
    """Every element stands ``factors[i]`` times along spatial axis ``i``."""
    spatial = (i // factor for i, factor in zip(index[1:-1], op.factors, strict=True))
    return Taken(x.at([index[0], *spatial, index[-1]]))


def concatenated(op: Concat, inputs: Sequence[Operand], index: Index) -> Taken:
    """One of the inputs has it."""
    at = index[op.axis]
    for x in inputs:
        length = x.array.shape[op.axis]
        if at < length:
            return Taken(x.at([*index[: op.axis], at, *index[op.axis + 1 :]]))
        at -= length
    raise IndexError(index)


def looked_up(table: Source, x: Operand, index: Index) -> Taken:
    """A row of a table, by the number in the input."""
    row = x.at(index[:-1])
    return Taken(table.at((int(row.number), index[-1])), row)


def selected(inputs: Sequence[Operand], index: Index) -> Taken:
    """The second input where the first is not 0, else the third, or 0."""
    condition = inputs[0].at(inputs[0].broadcast(index))
    chosen = inputs[1:2] if condition.number else inputs[2:3]
    return Taken(chosen[0].at(chosen[0].broadcast(index)) if chosen else None, condition)


def resized(op: Resize, x: Operand, index: Index) -> Taken | Applied:
    """The nearest pixel, or a mean of up to four, weighted by distance."""
    rows, columns = (_pixels(op, axis, index[axis + 1]) for axis in (0, 1))
    places = [(index[0], row, column, index[-1]) for row in rows for column in columns]
    if len(places) == 1:
        return Taken(x.at(places[0]))
    return Applied("mean of the nearest pixels, weighted by distance", tuple(map(x.at, places)))


def _pixels(op: Resize, axis: int, at: int) -> list[int]:
    """The old pixels along an axis that a new one is made of; the centres are computed as there."""
    old, new = op.old[axis], op.new[axis]
    centre = np.float32(at + 0.5) * (np.float32(old) / np.float32(new))
    if op.kind == "nearest":
        return [min(floor(centre), old - 1)]
    below = centre - np.float32(0.5)
    return sorted({max(floor(below), 0), min(int(np.ceil(below)), old - 1)})
