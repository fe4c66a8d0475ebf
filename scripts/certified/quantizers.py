"""Random quantizers whose results are codes, and inputs that reach their ties and their ends."""

from collections.abc import Callable
from typing import Final, TypeAlias

from qconvert.exactness import Reach
from qconvert.ir import Grid, Quantizer
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedLinear,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    Ternary,
)
from scripts.certified.chances import LARGEST, Random, between, chance, one_of

Make: TypeAlias = Callable[[Random, int], Quantizer]

_HARD: Final = (
    HardFunction.BINARY_SIGMOID,
    HardFunction.BINARY_TANH,
    HardFunction.HARD_SIGMOID,
    HardFunction.HARD_TANH,
)


def activation(random: Random) -> Quantizer:
    """A quantizer as models have it before a layer, with a grid."""
    bits, integer = one_of(random, 2, 4, 8, 8, 12, 16), between(random, -2, 3)
    if chance(random):
        return QuantizedRelu(bits, integer)
    return QuantizedBits(bits, integer, chance(random), chance(random, 0.8), alpha=1.0)


def any_quantizer(random: Random, integer: int) -> Quantizer:
    """Of every kind; the range of those that have one ends at ``2**integer``."""
    return one_of(random, *_KINDS)(random, integer)


def behind(random: Random, reach: Reach) -> Quantizer:
    """Any quantizer, with a range like that of *reach*."""
    top = int(reach.exp.max()) + reach.magnitude.bit_length()
    return any_quantizer(random, max(-20, min(20, top - between(random, 0, 3))))


def around(random: Random, grid: Grid) -> Grid:
    """Numbers on a finer grid, so that there are ties, and a little further out."""
    finer = between(random, 1, 3)
    beyond = 3 << finer
    return Grid((grid.lo << finer) - beyond, (grid.hi << finer) + beyond, grid.exp - finer)


def of_all_sizes(random: Random, exp: int) -> Grid:
    """Up to about 2**24 steps of ``2**exp``, in coarser or finer steps."""
    finer = between(random, -4, 8)
    largest = min(LARGEST, (LARGEST << finer if finer > 0 else LARGEST >> -finer))
    largest >>= between(random, 0, 22) if chance(random) else 0
    lo = -largest if chance(random, 0.8) else 0
    return Grid(lo, max(1, largest - between(random, -1, 1) * (largest < LARGEST)), exp - finer)


def _bits(random: Random, integer: int) -> Quantizer:
    bits = one_of(random, 1, 2, 3, 4, 6, 8, 8, 12, 16)
    alpha = one_of(random, None, 1.0, 1.0, 2.0, 0.25, 0.3)
    noise = one_of(random, 1.0, 1.0, 1.0, 1.0, 0.5)
    return QuantizedBits(
        bits, integer, chance(random), chance(random, 0.8), alpha=alpha, qnoise_factor=noise
    )


_KINDS: Final[tuple[Make, ...]] = (
    _bits,
    _bits,
    _bits,
    lambda random, integer: QuantizedRelu(one_of(random, 1, 2, 4, 8, 8, 16), integer),
    lambda random, integer: QuantizedRelu(
        one_of(random, 3, 4, 8),
        integer,
        use_sigmoid=chance(random, 0.1),
        negative_slope=one_of(random, 0.0, 0.0, 0.0, 0.25),
        is_quantized_clip=chance(random, 0.2),
    ),
    lambda random, integer: QuantizedLinear(
        one_of(random, 1, 2, 4, 8, 16),
        integer,
        chance(random),
        chance(random, 0.8),
        alpha=one_of(random, None, 0.5),
    ),
    lambda random, _: QuantizedTanh(one_of(random, 2, 4, 8, 12), chance(random)),
    lambda random, _: QuantizedSigmoid(one_of(random, 2, 4, 8, 12), chance(random)),
    lambda random, integer: Binary(
        chance(random), one_of(random, None, 1.0, 2.0 ** min(integer, 8))
    ),
    lambda random, _: Ternary(one_of(random, None, 1.0, 0.5, 4.0), one_of(random, None, 0.5, 0.75)),
    lambda random, _: one_of(random, *_HARD),
)
