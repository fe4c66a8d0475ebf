"""Weights, biases and multipliers of a convolution that returns the codes of its quantizer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from qconvert.emit.codes import WeightCodes, safe_factors
from qconvert.emit.grids import rising
from qconvert.emit.requantization.chains import Chain
from qconvert.emit.requantization.epilogue import Epilogue, Integers, Stairs, stairs
from qconvert.emit.requantization.exact import exact, scaled
from qconvert.emit.requantization.search import Requantization, search
from qconvert.emit.values import Codes
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Grid, Op
from qconvert.ir.ops import Conv, ConvTranspose, Pool, Quantize, Relu

#: The largest weight that one byte holds, whichever its type, and half of one.
_WIDE, _PACKED = 127, 7
#: Below, float32 holds every partial sum, so that TensorFlow's is this one.
_LARGEST: Final = 1 << 24
_BYTE: Final = 255


@dataclass(frozen=True, slots=True, eq=False)
class Requantized:
    """``rint((weights * x * 2**shift + bias) * multipliers)``, clipped, are the codes on *grid*.

    By channel, which is axis 0; the codes of *x* are to be shifted to the left. The ``grid`` is all
    of the quantizer's, for what comes behind has to be right for each of its codes, as it is by
    itself; ``ends`` are those to which the results are clipped.
    """

    weights: Integers
    bias: Integers
    multipliers: F32
    grid: Grid
    ends: tuple[int, int]
    shift: int


def requantized(
    chain: Chain, weight: Weight, x: Codes, *, packed: bool = False, vnni: bool = False
) -> Requantized | None:
    """What replaces a chain behind the codes *x*; it begins with sums of products with *weight*.

    Weights of few bits stay so, if that is possible, where they are to be *packed*. ``None`` where
    some kernel has no such numbers, or where TensorFlow's sums can be rounded.
    """
    quantize = chain.end.op
    if not isinstance(quantize, Quantize):
        return None
    found, grid = weight.as_bytes, rising(quantize.quantizer)
    if found is None or grid is None:
        return None
    weights, exps = own_steps(found)
    lo, hi = reach(weights, *x.ends)
    if np.max(hi - lo) > _LARGEST:
        return None
    bias, ops = _behind_sums(chain)
    channels = chain.linear.shape[-1]
    assert channels is not None
    epilogue = Epilogue(exps + x.exp, channels, bias, ops, quantize.quantizer, grid)
    kernels = stairs(epilogue, lo, hi)
    clipped = grid
    if any(isinstance(each, Relu) for each in ops):
        # Its ends are inside the quantizer's, and clip as well.
        clipped = Grid(min(k.first for k in kernels), max(k.last for k in kernels), grid.exp)
    candidates = exact(epilogue, kernels, clipped)
    as_they_are = [number for number in candidates if number is not None and number.factor == 1]
    if len(as_they_are) == len(kernels):
        most = _PACKED // _largest(weights) if packed else _narrow(weights, x.largest)
        return _assembled(weights, _in_one_step(kernels, as_they_are, most), grid, clipped, 0)
    for shift, factors in _ways(weights, x, packed=packed, vnni=vnni):
        numbers = _found(kernels, candidates, clipped, factors, shift)
        if numbers is not None:
            return _assembled(weights, numbers, grid, clipped, shift)
    return None


def _behind_sums(chain: Chain) -> tuple[F32 | None, list[Op]]:
    """A bias, and the ops between the sums and the quantizer."""
    op, ops = chain.linear.op, [node.op for node in chain.between]
    if isinstance(op, Pool):
        return None, [op, *ops]
    return op.bias if isinstance(op, Conv | ConvTranspose) else None, ops


def _ways(
    weights: Integers, x: Codes, *, packed: bool, vnni: bool
) -> Iterator[tuple[int, Integers]]:
    """Shifts of the codes and the largest factor of each kernel: what runs fastest first."""
    largest = _largest(weights)
    wide = _WIDE // largest
    narrow = wide if vnni else _narrow(weights, x.largest)
    # The bits above the codes of an unsigned x, for it costs a pass over these.
    free = [n for n in range(1, _BYTE.bit_length()) if x.ends[1] << n <= _BYTE and not x.zero]
    if packed:
        yield from ((shift, _PACKED // largest) for shift in (0, *free))
    yield 0, narrow
    yield from ((shift, _narrow(weights, x.ends[1] << shift)) for shift in free)
    if np.any(narrow < wide):
        yield 0, wide


def _largest(weights: Integers) -> Integers:
    """Of each channel, and at least 1."""
    found: Integers = abs(weights).reshape(len(weights), -1).max(axis=1, initial=1)
    return found


def _in_one_step(
    kernels: list[Stairs], numbers: list[Requantization], most: Integers
) -> list[Requantization]:
    """The exact *numbers* with one multiplier, if factors of up to *most* are enough.

    A file holds it once, and OpenVINO knows no others. They differ by powers of two.
    """
    least = min(number.multiplier for number in numbers)
    found: list[Requantization] = []
    for one, number, limit in zip(kernels, numbers, most.tolist(), strict=True):
        alike = scaled(one, number, int(number.multiplier / least))
        if alike is None or alike.factor > max(limit, 1):
            return numbers
        found.append(alike)
    return found


def _narrow(weights: Integers, x_largest: int) -> Integers:
    """The largest factors, of either sign, with which weights saturate on no CPU as int8."""
    return np.minimum(safe_factors(weights, x_largest), safe_factors(-weights, x_largest))


def own_steps(found: WeightCodes) -> tuple[Integers, Integers]:
    """The weights of each channel in their own largest step, and its exponent (channels,)."""
    flat = found.codes.reshape(len(found.codes), -1)
    common = np.gcd.reduce(flat, axis=1)
    steps = np.where(common == 0, 1, common & -common)
    shape = (-1, *[1] * (found.codes.ndim - 1))
    return found.codes // steps.reshape(shape), found.exps + np.log2(steps).astype(np.int64)


def reach(weights: Integers, lo: int, hi: int) -> tuple[Integers, Integers]:
    """The ends of each channel's sums of products with codes from *lo* to *hi*, or 0 as padding."""
    lo, hi = min(lo, 0), max(hi, 0)
    flat = weights.reshape(len(weights), -1)
    up, down = np.maximum(flat, 0).sum(axis=1), np.maximum(-flat, 0).sum(axis=1)
    return up * lo - down * hi, up * hi - down * lo


def _found(
    kernels: list[Stairs],
    candidates: list[Requantization | None],
    grid: Grid,
    largest: Integers,
    shift: int,
) -> list[Requantization] | None:
    """By kernel its exact numbers, or what a search finds, with factors up to the *largest*."""
    numbers: list[Requantization] = []
    for one, candidate, most in zip(kernels, candidates, largest.tolist(), strict=True):
        factors = [n << shift for n in range(most, 0, -1)]
        found = None if candidate is None else scaled(one, candidate, 1 << shift)
        if found is None or found.factor > max(factors, default=0):
            found = search(one, grid, factors)
        if found is None:
            return None
        numbers.append(found)
    return numbers


def _assembled(
    weights: Integers, numbers: list[Requantization], grid: Grid, clipped: Grid, shift: int
) -> Requantized:
    factors = np.array([n.factor >> shift for n in numbers]).reshape(-1, *[1] * (weights.ndim - 1))
    return Requantized(
        weights * factors,
        np.array([n.bias for n in numbers]),
        np.array([n.multiplier for n in numbers], np.float32),
        grid,
        (clipped.lo, clipped.hi),
        shift,
    )
