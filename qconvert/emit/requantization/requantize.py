"""Weights, biases and multipliers of a convolution that returns the codes of its quantizer."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from qconvert.emit.codes import WeightCodes, encode
from qconvert.emit.grids import rising
from qconvert.emit.requantization.chains import Chain
from qconvert.emit.requantization.epilogue import Epilogue, Integers, Stairs, stairs
from qconvert.emit.requantization.search import Requantization, search
from qconvert.ir import F32, Grid
from qconvert.ir.ops import Conv, Quantize

#: Of weights that no x86 CPU saturates in products with bytes as int8, and as uint8 around 128.
_NARROW, _WIDE = 64, 127
#: Below, float32 holds every partial sum, so that TensorFlow's is this one.
_LARGEST: Final = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Requantized:
    """``rint((weights * x + bias) * multipliers)`` are the codes on *grid*, by channel (axis 0)."""

    weights: Integers
    bias: Integers
    multipliers: F32
    grid: Grid


def requantized(chain: Chain, ends: tuple[int, int], exp: int) -> Requantized | None:
    """What replaces a chain of a convolution behind codes between *ends*, in steps of ``2**exp``.

    ``None`` where some channel has no such numbers, or where TensorFlow's sums can be rounded.
    """
    op, quantize = chain.linear.op, chain.end.op
    if not isinstance(op, Conv) or not isinstance(quantize, Quantize):
        return None
    rank = op.kernel.ndim
    found = encode(op.kernel.transpose(rank - 1, rank - 2, *range(rank - 2)), 0)
    grid = rising(quantize.quantizer)
    if found is None or found.bits > 8 or grid is None:
        return None
    weights, exps = _own_steps(found)
    lo, hi = _sums(weights, min(ends[0], 0), max(ends[1], 0))
    if np.max(hi - lo) > _LARGEST:
        return None
    ops = [node.op for node in chain.between]
    epilogue = Epilogue(exps + exp, op.bias, ops, quantize.quantizer, grid)
    channels = stairs(epilogue, lo, hi)
    for limit in (_NARROW, _WIDE):
        numbers = _searched(channels, weights, grid, limit)
        if numbers is not None:
            return _assembled(weights, numbers, grid)
    return None


def _own_steps(found: WeightCodes) -> tuple[Integers, Integers]:
    """The weights of each channel in their own largest step, and its exponent (channels,)."""
    flat = found.codes.reshape(len(found.codes), -1)
    common = np.gcd.reduce(flat, axis=1)
    steps = np.where(common == 0, 1, common & -common)
    shape = (-1, *[1] * (found.codes.ndim - 1))
    return found.codes // steps.reshape(shape), found.exps + np.log2(steps).astype(np.int64)


def _sums(weights: Integers, lo: int, hi: int) -> tuple[Integers, Integers]:
    """The ends of each channel's sums, for codes between *lo* and *hi*."""
    flat = weights.reshape(len(weights), -1)
    up, down = np.maximum(flat, 0).sum(axis=1), np.maximum(-flat, 0).sum(axis=1)
    return up * lo - down * hi, up * hi - down * lo


def _searched(
    channels: list[Stairs], weights: Integers, grid: Grid, limit: int
) -> list[Requantization] | None:
    largest = abs(weights).reshape(len(weights), -1).max(axis=1, initial=1)
    numbers: list[Requantization] = []
    for one, most in zip(channels, largest.tolist(), strict=True):
        if most > limit:
            return None
        found = search(one, grid, (limit // most).bit_length() - 1)
        if found is None:
            return None
        numbers.append(found)
    return numbers


def _assembled(weights: Integers, numbers: list[Requantization], grid: Grid) -> Requantized:
    factors = np.array([n.factor for n in numbers]).reshape(-1, *[1] * (weights.ndim - 1))
    return Requantized(
        weights * factors,
        np.array([n.bias for n in numbers]),
        np.array([n.multiplier for n in numbers], np.float32),
        grid,
    )
