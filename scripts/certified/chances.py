"""Random choices that several kinds of layers share."""

from typing import Final, TypeAlias, TypeVar

import numpy as np

from qconvert.ir import Grid

T = TypeVar("T")
Random: TypeAlias = np.random.Generator

#: Codes beyond are no float32 numbers, so that none can be fed.
LARGEST: Final = 1 << 24


def chance(random: Random, part: float = 0.5) -> bool:
    """True in this part of all cases."""
    return bool(random.random() < part)


def one_of(random: Random, *choices: T) -> T:
    """One of *choices*."""
    return choices[int(random.integers(len(choices)))]


def between(random: Random, first: int, last: int) -> int:
    """A whole number, both ends included."""
    return int(random.integers(first, last, endpoint=True))


def near_bound(random: Random) -> int:
    """What a sum may grow to: mostly a little below 2**24, sometimes a little above."""
    return int(2 ** (random.uniform(20, 23.5) if chance(random) else random.uniform(23.5, 24.2)))


def any_grid(random: Random, largest: int) -> Grid:
    """Codes up to *largest*, of both signs or of one."""
    return (signed_grid if chance(random, 0.4) else one_sided_grid)(random, largest)


def signed_grid(random: Random, largest: int) -> Grid:
    """As many codes below 0 as above, or one more."""
    most = min(largest, LARGEST)
    return Grid(-most, most - between(random, 0, 1), _exponent(random))


def one_sided_grid(random: Random, largest: int) -> Grid:
    """Codes from 0 on, or few far from 0; or the same below it."""
    most = min(largest, LARGEST)
    least = 0 if chance(random, 0.4) else most - min(most, between(random, 0, 8))
    lo, hi = one_of(random, (least, most), (least, most), (-most, -least))
    return Grid(lo, hi, _exponent(random))


def _exponent(random: Random) -> int:
    return between(random, -12, 4)
