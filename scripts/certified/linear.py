"""Random layers with kernels, their sums near the largest that float32 holds."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Grid, Op, grid_of
from qconvert.ir.ops import Conv, ConvTranspose, Dense
from scripts.certified.chances import (
    LARGEST,
    Random,
    any_grid,
    between,
    chance,
    near_bound,
    one_of,
    one_sided_grid,
    signed_grid,
)
from scripts.certified.layer import Source
from scripts.certified.quantizers import activation, around

Ints: TypeAlias = npt.NDArray[np.int64]
F64: TypeAlias = npt.NDArray[np.float64]
Drawn: TypeAlias = tuple[list[Source], Op]


def dense(random: Random) -> Drawn:
    """Over the last axis of a vector, or of each of several."""
    inputs, units = between(random, 1, 24), between(random, 1, 5)
    steps = (between(random, 2, 3),) if chance(random, 0.2) else ()
    codes = kernel_codes(random, inputs, units)
    return _drawn(random, (*steps, inputs), codes, lambda kernel, bias: Dense(kernel, bias))


def mixed(random: Random) -> Drawn:
    """A vector of two parts, whose steps and intervals differ."""
    sizes, units = (between(random, 1, 8), between(random, 1, 8)), between(random, 1, 4)
    codes = kernel_codes(random, sum(sizes), units)
    finer = between(random, 0, 6)
    largest = near_bound(random) // max(1, 2 * int(np.abs(codes).sum(axis=0).max()))
    coarse, fine = (any_grid(random, max(1, n)) for n in (largest >> finer, largest))
    fine = replace(fine, exp=coarse.exp - finer)
    sources = [Source((n,), grid) for n, grid in zip(sizes, (coarse, fine), strict=True)]
    return sources, Dense(np.ldexp(codes.astype(np.float32), between(random, -8, 2)), None)


def conv(random: Random) -> Drawn:
    """Of one or two axes, with strides or dilations, padding and groups."""
    axes, groups = between(random, 1, 2), one_of(random, 1, 1, 1, 2)
    lengths, window, strides, dilations = _geometry(random, axes)
    ends = tuple((between(random, 0, 1), between(random, 0, 1)) for _ in range(axes))
    inputs, outputs = between(random, 1, 3), between(random, 1, 3)
    codes = kernel_codes(random, *window, inputs, groups * outputs)

    def op(kernel: F32, bias: F32 | None) -> Op:
        return Conv(kernel, bias, strides, dilations, ends, groups)

    return _drawn(random, (*lengths, groups * inputs), codes, op, padded=any(map(any, ends)))


def depthwise(random: Random) -> Drawn:
    """A window for each channel."""
    lengths, window, strides, dilations = _geometry(random, 2)
    ends = tuple((between(random, 0, 1), between(random, 0, 1)) for _ in range(2))
    channels, multiplier = between(random, 2, 4), between(random, 1, 2)
    codes = kernel_codes(random, *window, 1, channels * multiplier)

    def op(kernel: F32, bias: F32 | None) -> Op:
        return Conv(kernel, bias, strides, dilations, ends, channels)

    return _drawn(random, (*lengths, channels), codes, op, padded=any(map(any, ends)))


def conv_transpose(random: Random) -> Drawn:
    """Of one or two axes, with the ends cut off or not."""
    axes = between(random, 1, 2)
    lengths, window, strides, _ = _geometry(random, axes)
    cropping = tuple((between(random, 0, k - 1), 0) for k in window)
    codes = kernel_codes(random, *window, between(random, 1, 3), between(random, 1, 3))

    def op(kernel: F32, bias: F32 | None) -> Op:
        turned = np.ascontiguousarray(np.swapaxes(kernel, -1, -2))
        return ConvTranspose(turned, bias, strides, (1,) * axes, cropping)

    return _drawn(random, (*lengths, codes.shape[-2]), codes, op, padded=True)


def kernel_codes(random: Random, *shape: int) -> Ints:
    """Of few or many bits, some of them 0, sometimes one that is much larger than the others."""
    largest = 1 << between(random, 0, 10)
    codes = random.integers(-largest, largest, shape, endpoint=True)
    codes[random.random(shape) < one_of(random, 0.0, 0.0, 0.5)] = 0
    if chance(random, 0.15):
        codes.flat[int(random.integers(codes.size))] = between(random, -(1 << 20), 1 << 20)
    return codes


def _geometry(
    random: Random, axes: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Lengths, window, strides and dilations; Keras allows no strides with dilations."""
    lengths = tuple(between(random, 3, 5) for _ in range(axes))
    window = tuple(between(random, 1, 3 if axes == 1 else 2) for _ in range(axes))
    strides = tuple(between(random, 1, 2) for _ in range(axes))
    if chance(random, 0.2) and max(window) < 3:
        return lengths, window, (1,) * axes, (2,) * axes
    return lengths, window, strides, (1,) * axes


def _drawn(
    random: Random,
    shape: tuple[int, ...],
    codes: Ints,
    make: Callable[[F32, F32 | None], Op],
    *,
    padded: bool = False,
) -> Drawn:
    """A kernel with these codes, an input that brings its sums near the bound, and a bias."""
    columns = codes.reshape(-1, codes.shape[-1])
    source, grid = _source(random, shape, columns)
    exps = random.integers(-8, 3, columns.shape[-1] if chance(random) else 1)
    exps = np.broadcast_to(exps, columns.shape[-1:])
    kernel = np.ldexp(codes.astype(np.float64), exps).astype(np.float32)
    lo, hi = (min(grid.lo, 0), max(grid.hi, 0)) if padded else (grid.lo, grid.hi)
    if chance(random, 0.35):
        return [source], make(kernel, None)
    bias = np.ldexp(_bias(random, columns, (lo, hi)), exps + grid.exp)
    return [source], make(kernel, bias.astype(np.float32))


def _source(random: Random, shape: tuple[int, ...], columns: Ints) -> tuple[Source, Grid]:
    """The input, and the grid of what the layer takes: behind a quantizer that of its codes."""
    if chance(random, 0.2):
        quantizer = activation(random)
        grid = grid_of(quantizer)
        if grid is not None:
            return Source(shape, around(random, grid), quantizer), grid
    up, down = np.maximum(columns, 0).sum(axis=0), np.maximum(-columns, 0).sum(axis=0)
    # Of inputs of one sign only weights of one sign add up.
    signed = chance(random, 0.4)
    gain = int((up + down if signed else np.maximum(up, down)).max())
    largest = max(1, near_bound(random) // max(1, gain))
    grid = signed_grid(random, largest) if signed else one_sided_grid(random, largest)
    return Source(shape, grid), grid


def _bias(random: Random, columns: Ints, ends: tuple[int, int]) -> F64:
    """Small, on a finer grid or on none, or what just fills float32 or passes it."""
    outputs = columns.shape[-1]
    match between(random, 0, 9):
        case 0 | 1:
            bias: F64 = np.asarray(random.integers(-400, 401, outputs) / 4)
        case 2 | 3:
            bias = np.asarray(random.integers(-100, 101, outputs) / 1)
        case 4:
            bias = np.asarray(random.uniform(-100, 100, outputs))
        case _:
            sign = one_of(random, -1, 1)
            fill = LARGEST - largest_sums(sign * columns, ends) + random.integers(-4, 3, outputs)
            bias = sign * np.maximum(fill, 0) / 1
    # What is no float32 number becomes the one beside it.
    return bias.astype(np.float32).astype(np.float64)


def largest_sums(columns: Ints, ends: tuple[int, int]) -> Ints:
    """For inputs between *ends*: the sum of the largest positive values of all products."""
    lo, hi = ends
    sums: Ints = np.maximum(np.maximum(columns * lo, columns * hi), 0).sum(axis=0)
    return sums
