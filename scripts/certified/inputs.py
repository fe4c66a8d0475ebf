"""What small layers are tried on: extremes, sums at their bounds, all of a small domain, others."""

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.exactness.reach import of_grid
from qconvert.ir import F32, Grid, Op
from qconvert.ir.ops import Conv, ConvTranspose, Dense
from scripts.certified.layer import MAIN, Small
from scripts.certified.terms import matrix
from tests.exactness.samples import draw

Ints: TypeAlias = npt.NDArray[np.int64]

#: Samples a layer: one batch for all layers of a session.
ROWS: Final = 32
#: Outputs whose sums are driven to both bounds.
_DRIVEN: Final = 4
#: Kinds whose elements are all computed alike, each by itself.
_ELEMENTWISE: Final = ("Quantizer", "Rectifier", "Scale")


def inputs_of(random: np.random.Generator, layer: Small) -> dict[str, F32]:
    """An array of `ROWS` samples for each input."""
    shapes = {x.name: tuple(n or 1 for n in x.shape[1:]) for x in layer.graph.inputs}
    all_of_them = _exhaustive(layer, shapes)
    if all_of_them is not None:
        return all_of_them
    found = {name: _drawn(random, layer.domains[name], shape) for name, shape in shapes.items()}
    op = next(node.op for node in layer.graph.nodes if node.name == MAIN)
    if isinstance(op, Dense | Conv | ConvTranspose):
        _drive(random, op, layer.domains, found)
    return found


def _drawn(random: np.random.Generator, grid: Grid, shape: tuple[int, ...]) -> F32:
    """Both ends everywhere, then numbers between them, often the ends."""
    size = (ROWS, *shape)
    values = draw(random, of_grid(grid, len(size)), size)
    values[0], values[1] = _floats(np.array([grid.lo, grid.hi]), grid)
    return values


def _exhaustive(layer: Small, shapes: dict[str, tuple[int, ...]]) -> dict[str, F32] | None:
    """All there is, if that is little; or all codes, if the elements do not meet each other."""
    sizes = [prod(shape) for shape in shapes.values()]
    codes = [range(layer.domains[name].lo, layer.domains[name].hi + 1) for name in shapes]
    if prod(len(each) ** size for each, size in zip(codes, sizes, strict=True)) <= ROWS:
        every = [each for each, size in zip(codes, sizes, strict=True) for _ in range(size)]
        rows = np.resize(np.array(list(product(*every)), np.int64), (ROWS, len(every)))
        return _shaped(layer, shapes, np.split(rows, np.cumsum(sizes)[:-1], axis=1))
    if layer.kind in _ELEMENTWISE and len(codes[0]) <= ROWS * sizes[0]:
        return _shaped(layer, shapes, [np.resize(np.array(codes[0]), ROWS * sizes[0])])
    return None


def _shaped(layer: Small, shapes: dict[str, tuple[int, ...]], parts: list[Ints]) -> dict[str, F32]:
    return {
        name: _floats(codes, layer.domains[name]).reshape(ROWS, *shape)
        for (name, shape), codes in zip(shapes.items(), parts, strict=True)
    }


def _drive(
    random: np.random.Generator, op: Op, domains: Mapping[str, Grid], inputs: dict[str, F32]
) -> None:
    """Make some rows of *inputs* such that a sum becomes largest or smallest, or nearly so."""
    sizes = [x[0].size for x in inputs.values()]
    ends = [(domains[name].lo, domains[name].hi) for name in inputs]
    lo, hi = np.repeat(np.array(ends, np.int64), sizes, axis=0).T
    shape = next(iter(inputs.values())).shape[1:] if len(sizes) == 1 else (sum(sizes),)
    codes = _witnesses(random, matrix(op, shape), lo, hi)
    parts = np.split(codes, np.cumsum(sizes)[:-1], axis=1)
    for (name, x), part in zip(inputs.items(), parts, strict=True):
        # Behind the two rows of ends alone.
        x[2 : 2 + len(part)] = _floats(part, domains[name]).reshape(-1, *x.shape[1:])


def _witnesses(random: np.random.Generator, weights: F32, lo: Ints, hi: Ints) -> Ints:
    """Codes (samples, elements) at the ends that the signs of weights choose, and beside them.

    In the last third only the terms of one sign are at their ends, so that others follow a
    partial sum that is as large as can be.
    """
    chosen = weights[random.permutation(len(weights))[:_DRIVEN]]
    upper, lower = np.where(chosen > 0, hi, lo), np.where(chosen > 0, lo, hi)
    ends = np.concatenate([upper, lower])
    inwards = np.where(ends == lo, 1, -1) * random.integers(0, 4, ends.shape)
    beside = np.clip(ends + inwards * (random.random(ends.shape) < 0.5), lo, hi)
    anywhere = random.integers(lo, hi, chosen.shape, endpoint=True)
    ups = np.where(chosen * upper > 0, upper, anywhere)
    downs = np.where(chosen * lower < 0, lower, anywhere)
    return np.concatenate([ends, beside, ups, downs])


def _floats(codes: Ints, grid: Grid) -> F32:
    return np.ldexp(codes.astype(np.float64), grid.exp).astype(np.float32)
