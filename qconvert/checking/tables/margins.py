"""Tables of what quantizers return, and where rounding could change it: theorems 6 and 7.

Every value of a cone is a function of one integer a channel, or of two. Beside each result goes
its radius, as in `rounding`: where it is 0, every correct program returns that result. What is
left are the few states next to a quantizer's boundary.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.checking.tables.bisection import searched
from qconvert.checking.tables.branches import near_sums
from qconvert.checking.tables.cones import Cone
from qconvert.checking.tables.states import MOST_DOUBTFUL, Ints, Margins, States, table
from qconvert.exactness import Lattice

#: States of one cone that are all computed, if there is no way to those next to boundaries.
MOST_STATES: Final = 1 << 24
_CHUNK: Final = 1 << 16


def margins(cone: Cone) -> Margins | None:
    """The states of *cone* that are next to a boundary; ``None`` if there are too many to tell."""
    counts = [lattice.counts for lattice in cone.sources.values()]
    total = sum(_product(column) for column in zip(*counts, strict=True))
    if cone.monotone and len(cone.sources) == 1:
        return searched(cone, total)
    near = near_sums(cone, total) if len(cone.sources) == 2 else None
    return _all_of_them(cone, total) if near is None and total <= MOST_STATES else near


def _product(numbers: tuple[np.int64, ...]) -> int:
    result = 1
    for number in numbers:
        result *= int(number)
    return result


def _all_of_them(cone: Cone, total: int) -> Margins | None:
    """Every state of one source, or every pair of two."""
    edges = doubtful = States.none_of(cone)
    largest = 0.0
    for codes, valid in _chunks(cone.sources):
        _, radius = table(cone, codes)
        near = valid & (radius > 0)
        largest = max(largest, float(radius[valid].max(initial=0.0)))
        channels = np.nonzero(near)[1]
        doubtful |= States(channels, {name: each[near] for name, each in codes.items()})
        if len(doubtful) > MOST_DOUBTFUL:
            return None
    return Margins(total, doubtful, largest, edges)


def _chunks(
    sources: Mapping[str, Lattice],
) -> Iterator[tuple[dict[str, Ints], npt.NDArray[np.bool_]]]:
    """All combinations of codes (rows, channels); channels with fewer end in others' company."""
    counts = [lattice.counts for lattice in sources.values()]
    totals = np.prod(np.stack(counts), axis=0)
    rows = max(1, _CHUNK // len(totals))
    for start in range(0, int(totals.max()), rows):
        number = np.arange(start, start + rows)[:, np.newaxis]
        valid = number < totals
        rest = np.minimum(number, totals - 1)
        codes: dict[str, Ints] = {}
        for name, lattice in sources.items():
            rest, place = np.divmod(rest, lattice.counts)
            codes[name] = lattice.lo + place
        yield codes, valid
