"""Random layers without kernels: pools, sums, products, quantizers, loops."""

from typing import Literal

import numpy as np

from qconvert.ir import F32, Graph, Grid, Input, Node, Output, grid_of
from qconvert.ir.ops import (
    Affine,
    Dense,
    Merge,
    Op,
    Pool,
    Quantize,
    Recurrence,
    Reduce,
    Relu,
    Scale,
)
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.ir.stock import Divide, MatMul, PRelu, WithConstant
from scripts.certified.chances import Random, any_grid, between, chance, near_bound, one_of
from scripts.certified.layer import Source
from scripts.certified.linear import Drawn
from scripts.certified.quantizers import any_quantizer, of_all_sizes

_ELEMENTS = 32


def pool(random: Random) -> Drawn:
    """A window's mean or maximum."""
    axes = between(random, 1, 2)
    window = tuple(between(random, 1, 4 if axes == 1 else 2) for _ in range(axes))
    strides = tuple(between(random, 1, 2) for _ in range(axes))
    ends = tuple((0, between(random, 0, k - 1) if chance(random, 0.3) else 0) for k in window)
    kind: Literal["max", "mean"] = "mean" if chance(random, 0.7) else "max"
    shape = (*(between(random, 4, 5) for _ in range(axes)), between(random, 1, 3))
    grid = _summed(random, int(np.prod(window)) if kind == "mean" else 1)
    return [Source(shape, grid)], Pool(kind, window, strides, ends)


def reduce(random: Random) -> Drawn:
    """Over some of the axes."""
    shape = tuple(between(random, 2, 4) for _ in range(between(random, 1, 3)))
    axes = tuple(i for i in range(1, 1 + len(shape)) if chance(random, 0.6)) or (1,)
    kind = one_of(random, *_REDUCTIONS)
    count = int(np.prod([shape[axis - 1] for axis in axes]))
    grid = _summed(random, count if kind in ("mean", "sum") else 1)
    return [Source(shape, grid)], Reduce(kind, axes, keepdims=chance(random))


_REDUCTIONS: tuple[Literal["max", "min", "mean", "sum"], ...] = ("max", "min", "mean", "sum", "sum")


def merge(random: Random) -> Drawn:
    """Two or more values elementwise."""
    kind = one_of(random, *_MERGES)
    count = one_of(random, 2, 2, 3, 4) if kind != "subtract" else 2
    sizes = [near_bound(random) for _ in range(count)]
    if kind == "multiply":
        grids = [any_grid(random, max(1, int(size ** (1 / count)))) for size in sizes]
    else:
        exp = between(random, -8, 2)
        grids = [
            Grid(g.lo, g.hi, exp - between(random, 0, 2))
            for g in (any_grid(random, max(1, size // count)) for size in sizes)
        ]
    shape = (between(random, 1, 3), between(random, 2, 6))
    return [Source(shape, grid) for grid in grids], Merge(kind)


_MERGES: tuple[Literal["add", "subtract", "multiply", "average", "maximum", "minimum"], ...] = (
    "add",
    "add",
    "subtract",
    "multiply",
    "multiply",
    "average",
    "maximum",
    "minimum",
)


def matmul(random: Random) -> Drawn:
    """Products of two values."""
    rows, depth, columns = (between(random, 1, 5) for _ in range(3))
    largest = near_bound(random) // depth
    first = max(1, min(largest, 1 << between(random, 1, 12)))
    grids = any_grid(random, first), any_grid(random, max(1, largest // (first + 1)))
    return [Source((rows, depth), grids[0]), Source((depth, columns), grids[1])], MatMul()


def affine(random: Random) -> Drawn:
    """A factor and an addend a channel, or one of both."""
    channels = between(random, 2, 6)
    factor = _constants(random, channels) if chance(random, 0.8) else None
    offset = _constants(random, channels) if factor is None or chance(random) else None
    return [Source((3, channels), _multiplied(random))], Affine(factor, offset)


def scale(random: Random) -> Drawn:
    """One factor."""
    return [Source((_ELEMENTS,), _multiplied(random))], Scale(float(_constants(random, 1)[0]))


def with_constant(random: Random) -> Drawn:
    """One operation with a constant."""
    kind = one_of(random, *_OPERATIONS)
    constant = _constants(random, 4)
    if kind == "divide":
        constant = np.where(constant == 0, np.float32(2), constant)
    first = kind == "subtract" and chance(random)
    return [Source((4,), _multiplied(random))], WithConstant(kind, constant, first)


_OPERATIONS: tuple[Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"], ...] = (
    "add",
    "subtract",
    "multiply",
    "divide",
    "maximum",
    "minimum",
)


def rectifier(random: Random) -> Drawn:
    """Plain, capped, with a threshold or with a slope."""
    slope = one_of(random, 0.25, 0.5, 0.3, 3.0)
    ops: tuple[Op, ...] = (
        Relu(),
        Relu(max_value=6.0),
        Relu(threshold=0.75),
        Relu(slope=slope),
        PRelu(np.full((1,), slope, np.float32)),
    )
    grid = any_grid(random, near_bound(random) // between(random, 1, 4))
    return [Source((_ELEMENTS,), grid)], one_of(random, *ops)


def quotient(random: Random) -> Drawn:
    """One value by another, which is never 0."""
    divisor = Grid(1, between(random, 2, 1 << 12), between(random, -6, 2))
    return [Source((8,), any_grid(random, near_bound(random))), Source((8,), divisor)], Divide()


def quantizer(random: Random) -> Drawn:
    """Any quantizer on numbers of all sizes."""
    found = any_quantizer(random, between(random, -3, 6))
    known = grid_of(found)
    grid = of_all_sizes(random, between(random, -8, 0) if known is None else known.exp)
    return [Source((_ELEMENTS,), grid)], Quantize(found)


def recurrence(random: Random) -> Drawn:
    """``quantizer(x @ kernel + state @ recurrent + bias)`` of a few steps."""
    inputs, units = between(random, 1, 4), between(random, 1, 3)
    bits = one_of(random, 4, 8, 8, 12)
    state = QuantizedBits(bits, 1, alpha=1.0) if chance(random, 0.7) else QuantizedRelu(bits, 1)
    exp = between(random, -8, -2)
    kernels = [
        np.ldexp(random.integers(-127, 128, (n, units)), exp).astype(np.float32)
        for n in (inputs, units)
    ]
    bias = np.ldexp(random.integers(-9, 10, units), exp - one_of(random, 2, 2, 30)).astype(
        np.float32
    )
    body = Graph(
        "step",
        (Input("x", (None, inputs)), Input("s", (None, units))),
        (
            Node("in", Dense(kernels[0], bias if chance(random) else None), ("x",), (None, units)),
            Node("again", Dense(kernels[1], None), ("s",), (None, units)),
            Node("sum", Merge("add"), ("in", "again"), (None, units)),
            Node("state", Quantize(state), ("sum",), (None, units)),
        ),
        (Output("s", "state"),),
        (),
    )
    grid = any_grid(random, 1 << between(random, 1, 14))
    source = Source((between(random, 2, 3), inputs), Grid(grid.lo, grid.hi, -8))
    return [source], Recurrence(body, reverse=chance(random))


def _summed(random: Random, count: int) -> Grid:
    return any_grid(random, max(1, near_bound(random) // count - between(random, 0, 1)))


def _multiplied(random: Random) -> Grid:
    return any_grid(random, max(1, near_bound(random) >> between(random, 0, 12)))


def _constants(random: Random, count: int) -> F32:
    """Powers of two, numbers of few bits, or of all that float32 has."""
    match between(random, 0, 3):
        case 0:
            return np.ldexp(np.float32(one_of(random, -1, 1)), random.integers(-8, 9, count))
        case 1 | 2:
            whole = random.integers(-1 << between(random, 1, 12), 1 << 12, count)
            return np.ldexp(whole.astype(np.float32), between(random, -12, 2))
        case _:
            return random.uniform(-4, 4, count).astype(np.float32)
