"""Values drawn from a `Reach`, and whether results lie in one."""

import numpy as np

from qconvert.exactness.reach import Reach
from qconvert.ir import F32


def grid(lo: int, hi: int, exp: int, shape: tuple[int, ...]) -> Reach:
    """One interval for all elements of a value of *shape*, batch included."""
    ones = (1,) * len(shape)
    return Reach(*(np.full(ones, n, np.int64) for n in (lo, hi, exp)))


def random_reach(random: np.random.Generator, shape: tuple[int, ...]) -> Reach:
    """Intervals that change along a random choice of the axes; batch axis of length 1."""
    lengths = tuple(1 if i == 0 or random.random() < 0.4 else n for i, n in enumerate(shape))
    lo = random.integers(-6, 7, lengths)
    hi = lo + random.integers(0, 7, lengths)
    return Reach(lo, hi, random.integers(-3, 3, lengths))


def draw(random: np.random.Generator, reach: Reach, shape: tuple[int, ...]) -> F32:
    """Elements anywhere in the intervals, often at their ends."""
    lo, hi, exp = (np.broadcast_to(a, shape) for a in (reach.lo, reach.hi, reach.exp))
    inner = random.integers(lo, hi, endpoint=True)
    end = np.where(random.random(shape) < 0.5, lo, hi)
    codes = np.where(random.random(shape) < random.random(), end, inner)
    return np.ldexp(codes.astype(np.float64), exp).astype(np.float32)


def inside(y: F32, reach: Reach) -> bool:
    """Whether all elements are multiples of the steps, within the intervals."""
    lo, hi, exp = (np.broadcast_to(a, y.shape) for a in (reach.lo, reach.hi, reach.exp))
    codes = np.ldexp(y.astype(np.float64), -exp)
    return bool(np.all((codes == np.rint(codes)) & (lo <= codes) & (codes <= hi)))
