"""Random layers that move, repeat, join or select elements."""

import numpy as np

from qconvert.ir import Grid, Op
from qconvert.ir.ops import Concat, Pad, Reshape, Slice, Transpose, UpSample
from qconvert.ir.stock import Embedding, FoldTime, Resize, StepMask, UnfoldTime, Where
from scripts.certified.chances import Random, any_grid, between, chance, near_bound, one_of
from scripts.certified.layer import Source
from scripts.certified.linear import Drawn


def movement(random: Random) -> Drawn:
    """Elements in other places."""
    op = one_of(random, *_MOVEMENTS)
    return [Source((2, 4, 3), any_grid(random, near_bound(random)))], op


_MOVEMENTS: tuple[Op, ...] = (
    Reshape((8, 3)),
    Reshape((24,)),
    Transpose((0, 3, 1, 2)),
    Pad(((0, 0), (1, 2), (0, 0))),
    Slice((1, None, None), (None, 3, None), (1, 2, 1), squeeze=(1,)),
    UpSample((2, 1)),
    Resize((2, 4), (3, 2), "nearest"),
    FoldTime(),
    UnfoldTime(4),
)


def concat(random: Random) -> Drawn:
    """Two or three values side by side, whose steps differ."""
    channels = [between(random, 1, 4) for _ in range(between(random, 2, 3))]
    sources = [Source((2, n), any_grid(random, near_bound(random))) for n in channels]
    return sources, Concat(2)


def choice(random: Random) -> Drawn:
    """Of one value or another, or of a value or 0."""
    values = [
        Source((3, 4), any_grid(random, near_bound(random))) for _ in range(1 + chance(random))
    ]
    return [Source((3, 1), Grid(0, 1, 0)), *values], Where()


def mask(random: Random) -> Drawn:
    """Steps that have a number other than one."""
    grid = any_grid(random, between(random, 1, 8))
    return [Source((4, 2), grid)], StepMask(grid.step * one_of(random, 0, grid.lo, grid.hi))


def table(random: Random) -> Drawn:
    """Rows by number."""
    rows, width = between(random, 2, 9), between(random, 1, 4)
    codes = random.integers(-255, 256, (rows, width))
    numbers = np.ldexp(codes.astype(np.float32), random.integers(-8, 2, width))
    return [Source((4,), Grid(0, rows - 1, 0))], Embedding(numbers)
