"""Exact comparison of what several witnesses computed, mergeable over any number of batches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.checking.rounding import Mask
from qconvert.checking.witness import Witness
from qconvert.ir import F32

#: Distance in ulp between a number and NaN: more than any two numbers have.
UNORDERED: Final = 2**32

#: By witness, where its results are not explained by rounding; ``None`` is nowhere.
Misfit: TypeAlias = Mapping[Witness, Mask | None]
EXPLAINED_BY_NOTHING: Final[Misfit] = MappingProxyType({})

#: Who is compared with whom. TensorFlow is the truth; the others tell which side is wrong.
PAIRS: Final[tuple[tuple[Witness, Witness], ...]] = (
    (Witness.TENSORFLOW, Witness.ORT),
    (Witness.TENSORFLOW, Witness.NUMPY),
    (Witness.NUMPY, Witness.ORT),
    (Witness.TENSORFLOW, Witness.DEPLOYED),
    (Witness.ORT, Witness.DEPLOYED),
)


@dataclass(frozen=True, slots=True)
class Example:
    """One place where witnesses differ; ``index`` begins with the number of the sample.

    ``shapes`` is empty, unless the arrays could not be compared because their shapes differ.
    """

    index: tuple[int, ...]
    values: tuple[tuple[Witness, float], ...]
    shapes: tuple[tuple[Witness, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """How many of ``elements`` differ, by how much at most, and where first.

    ``beyond`` of the ``differing`` are farther apart than rounding explains: ``first`` is one of
    them, if there are any.
    """

    elements: int = 0
    differing: int = 0
    beyond: int = 0
    largest: float = 0.0
    largest_ulp: int = 0
    first: Example | None = None

    def merge(self, other: "Difference") -> "Difference":
        """The difference over both sets of elements; associative and exact."""
        return Difference(
            self.elements + other.elements,
            self.differing + other.differing,
            self.beyond + other.beyond,
            max(self.largest, other.largest),
            max(self.largest_ulp, other.largest_ulp),
            self._first_with(other),
        )

    def _first_with(self, other: "Difference") -> Example | None:
        """The first example of both; one of what rounding does not explain goes before others."""
        if bool(self.beyond) != bool(other.beyond):
            return self.first if self.beyond else other.first
        return _earlier(self.first, other.first)


def compare(
    pair: tuple[Witness, Witness],
    arrays: Mapping[Witness, F32],
    start: int = 0,
    misfits: Misfit = EXPLAINED_BY_NOTHING,
) -> Difference:
    """Compare the arrays of *pair*; the first example tells the values of all *arrays*.

    Row 0 of the arrays is sample *start*. NaN equals NaN and 0 equals -0; a shape mismatch is
    a difference of all elements. *misfits* tells of some witnesses where rounding does not explain
    their results; of others it explains none.
    """
    a, b = (arrays[witness] for witness in pair)
    if a.shape != b.shape:
        return _shape_mismatch(pair, a, b, start)
    unequal = a != b
    if unequal.any():
        unequal &= ~(np.isnan(a) & np.isnan(b))
    differing = int(np.count_nonzero(unequal))
    if not differing:
        return Difference(elements=a.size)
    x, y = a[unequal], b[unequal]
    unexplained = unequal & _misfitting(pair, misfits, a.shape)
    beyond = int(np.count_nonzero(unexplained))
    flat = int(np.argmax(unexplained if beyond else unequal))
    largest, ulp = _largest(x, y), _largest_ulp(x, y)
    example = _example(arrays, a.shape, flat, start)
    return Difference(a.size, differing, beyond, largest, ulp, example)


def compare_all(
    arrays: Mapping[Witness, F32], start: int = 0, misfits: Misfit = EXPLAINED_BY_NOTHING
) -> dict[tuple[Witness, Witness], Difference]:
    """`compare` for every pair of which both witnesses are there."""
    present = (pair for pair in PAIRS if pair[0] in arrays and pair[1] in arrays)
    return {pair: compare(pair, arrays, start, misfits) for pair in present}


def _earlier(a: Example | None, b: Example | None) -> Example | None:
    if a is None or b is None:
        return a or b
    return b if b.index < a.index else a


def _misfitting(pair: tuple[Witness, Witness], misfits: Misfit, shape: tuple[int, ...]) -> Mask:
    result = np.zeros(shape, np.bool_)
    for witness in pair:
        mask = misfits.get(witness, np.ones(shape, np.bool_))
        if mask is not None:
            result = result | mask
    return result


def _largest(x: F32, y: F32) -> float:
    with np.errstate(invalid="ignore"):
        distance = np.abs(x.astype(np.float64) - y.astype(np.float64))
    return math.inf if np.isnan(distance).any() else float(distance.max())


def _largest_ulp(x: F32, y: F32) -> int:
    distance = np.abs(_ordinal(x) - _ordinal(y))
    distance[np.isnan(x) | np.isnan(y)] = UNORDERED
    return int(distance.max())


def _ordinal(x: F32) -> npt.NDArray[np.int64]:
    """Number the floats in their order, both zeros 0."""
    bits = x.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _example(
    arrays: Mapping[Witness, F32], shape: tuple[int, ...], flat: int, start: int
) -> Example:
    index = tuple(int(i) for i in np.unravel_index(flat, shape))
    values = ((witness, float(x[index])) for witness, x in arrays.items() if x.shape == shape)
    return Example((start + index[0], *index[1:]) if index else (), tuple(values))


def _shape_mismatch(pair: tuple[Witness, Witness], a: F32, b: F32, start: int) -> Difference:
    # An empty array against a missing axis still has to count as a difference.
    size = max(a.size, b.size, 1)
    shapes = tuple(zip(pair, (a.shape, b.shape), strict=True))
    return Difference(size, size, size, math.inf, UNORDERED, Example((start,), (), shapes))
