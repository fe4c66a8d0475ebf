"""Two arrays of one shape, number by number."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.differing.results import Change, Kind, Numbers

Array: TypeAlias = npt.NDArray[Any]


def numbers_between(before: Array, after: Array, step: float | None = None) -> Numbers | None:
    """What differs between arrays of one shape; ``None`` if nothing does. 0 equals -0, NaN NaN."""
    before, after = _as_numbers(before), _as_numbers(after)
    other = (before != after) & ~(_is_nan(before) & _is_nan(after))
    count = int(np.count_nonzero(other))
    if not count:
        return None
    first = tuple(int(i) for i in np.argwhere(other)[0])
    with np.errstate(all="ignore"):
        distance = np.abs(after.astype(np.float64) - before.astype(np.float64))
    largest = float(np.max(distance, initial=0.0, where=~np.isnan(distance)))
    steps = None if step is None else largest / step
    pair = float(before[first]), float(after[first])
    return Numbers(before.size, count, largest, steps, first, *pair)


def array_changes(
    layer: str, what: str, before: Array, after: Array, step: float | None = None
) -> list[Change]:
    """None, or one: another shape, or other numbers."""
    if before.shape != after.shape:
        return [Change(layer, Kind.CHANGED, what, _sizes(before), _sizes(after))]
    found = numbers_between(before, after, step)
    return [] if found is None else [Change(layer, Kind.CHANGED, what, numbers=found)]


def _as_numbers(array: Array) -> Array:
    """Types of four bits and less, and the floats of machine learning, as float32."""
    return array if array.dtype.kind in "fiub" else array.astype(np.float32)


def _is_nan(array: Array) -> Array:
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, np.bool_)


def _sizes(array: Array) -> str:
    return f"shape {'x'.join(map(str, array.shape)) or 'scalar'}"
