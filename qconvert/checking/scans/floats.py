"""The finite float32 numbers in order, and sets of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32

Positions: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
#: The results for numbers (n,), element for element.
Program: TypeAlias = Callable[[F32], F32]

#: The largest finite number's.
LAST: Final = 0x7F7FFFFF
#: Of both signs, where 0 and -0 are one.
FINITE: Final = 2 * LAST + 1
#: Beyond so many ranges the nearest are taken together.
_MOST_RANGES: Final = 1 << 12


def positions_of(x: F32) -> Positions:
    """Whole numbers that order float32 numbers as their values do, without gaps; 0 for 0."""
    bits = x.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def floats_at(positions: Positions) -> F32:
    """The numbers at these positions."""
    magnitude = np.abs(positions).astype(np.int32).view(np.float32)
    return np.where(positions < 0, -magnitude, magnitude)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Finite float32 numbers: all from each first to its last position, in order, disjoint."""

    pairs: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> "Ranges":
        """Those of all *pairs*; of very many, with what lies between the nearest."""
        joined: list[tuple[int, int]] = []
        for first, last in sorted(pairs):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(joined[-1][1], last)
            else:
                joined.append((first, last))
        return cls(tuple(_fewer(joined)))

    @classmethod
    def where(cls, mask: Mask, first: int) -> "Ranges":
        """Those where *mask* is true, whose elements are neighbours from position *first* on."""
        edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)) + first
        return cls.of(zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True))

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def __or__(self, other: "Ranges") -> "Ranges":
        return Ranges.of((*self.pairs, *other.pairs))

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(last - first + 1 for first, last in self.pairs)

    @property
    def nearest(self) -> int | None:
        """The smallest magnitude's position."""
        return min((_distance(pair) for pair in self.pairs), default=None)

    def some(self, most: int) -> F32:
        """The ends of ranges, *most* at most: those of the smallest magnitude."""
        ends = {end for pair in self.pairs for end in pair}
        return floats_at(np.array(sorted(ends, key=abs)[:most], np.int64))


NONE: Final = Ranges()


def _distance(pair: tuple[int, int]) -> int:
    first, last = pair
    return 0 if first <= 0 <= last else min(abs(first), abs(last))


def _fewer(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most so many, with the numbers between some that are close to each other."""
    if len(pairs) <= _MOST_RANGES:
        return pairs
    gaps = np.array([b[0] - a[1] for a, b in pairwise(pairs)])
    kept = np.sort(np.argsort(gaps, kind="stable")[len(gaps) - _MOST_RANGES + 1 :])
    starts = [0, *(kept + 1).tolist()]
    ends = [*kept.tolist(), len(pairs) - 1]
    return [(pairs[a][0], pairs[b][1]) for a, b in zip(starts, ends, strict=True)]
