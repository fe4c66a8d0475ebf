"""Values that are functions of one integer a channel: what tables of an epilogue run over.

The sum of a linear layer is a lattice even where float32 rounds it: behind an input of
``uint8/255``, with a scale that is no power of two, with a bias off the grid.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.exactness.certificate import BIAS_LAST
from qconvert.exactness.linear import Sums, sums
from qconvert.exactness.reach import (
    Divided,
    Ints,
    Reach,
    TooWideError,
    Values,
    exact_sums,
    hull,
    product_fits,
    shifted,
)
from qconvert.exactness.scales import codes_and_scales
from qconvert.ir import F32, Node
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Pool

Floats: TypeAlias = npt.NDArray[np.float64]

#: Relative error of one rounding.
_UNIT: Final = 2.0**-24
#: Of a weight that is a code times a scale: it was rounded a few times on the way.
_JITTER: Final = 4 * _UNIT
#: Of an input: a division, or a product with a reciprocal.
_INPUT: Final = 2 * _UNIT


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Elements at ``code * scale / divisor + offset``, by channel of the last axis.

    Correct programs are no farther than ``radius`` from that number. Where it is 0 the product
    is a float32, and the division and the sum round once each. All arrays are (channels,).
    """

    lo: Ints
    hi: Ints
    scale: Floats
    divisor: int
    offset: F32
    radius: Floats
    assumptions: tuple[str, ...] = ()

    @property
    def counts(self) -> Ints:
        """How many numbers every channel has."""
        return self.hi - self.lo + 1

    def at(self, codes: Ints) -> tuple[F32, Floats | None]:
        """The numbers of codes (..., channels), and how far from these programs may be."""
        exact = codes * self.scale
        if not self.radius.any():
            return (exact.astype(np.float32) / np.float32(self.divisor)) + self.offset, None
        number = exact / self.divisor + self.offset
        return number.astype(np.float32), self.radius + abs(number) * 2 * _UNIT


def lattice_of(
    name: str, channels: int, values: Mapping[str, Values], producers: Mapping[str, Node]
) -> Lattice | None:
    """The lattice of a value with so many channels, if it has so many and lies on one."""
    value, node = values.get(name), producers.get(name)
    try:
        if isinstance(value, Reach):
            return _of_reach(value, channels)
        if node is None:
            return None
        x = values.get(node.inputs[0])
        match node.op:
            case Dense() | Conv() | ConvTranspose() if isinstance(x, Reach | Divided):
                return _of_linear(node.op, x)
            case Pool(kind="mean") if isinstance(x, Reach):
                return _of_mean(node.op, x, channels)
            case _:
                return None
    except TooWideError:
        return None


def product_sums(node: Node, values: Mapping[str, Values]) -> Sums | None:
    """What a convolution adds up before its bias, in one step a channel, if that is exact."""
    x = values.get(node.inputs[0])
    if not isinstance(node.op, Conv) or not isinstance(x, Reach):
        return None
    try:
        found = _by_channel(sums(node.op, x))
    except TooWideError:
        return None
    largest = np.maximum(found.positive, found.negative)
    return found if np.all(exact_sums(largest, found.exp)) else None


def _of_reach(value: Reach, channels: int) -> Lattice | None:
    flat = hull(value, tuple(range(value.lo.ndim - 1)))
    if flat.lo.size not in (1, channels):
        return None
    lo, hi, exp = (np.broadcast_to(a.ravel(), (channels,)) for a in (flat.lo, flat.hi, flat.exp))
    return _lattice(lo, hi, exp)


def _lattice(lo: Ints, hi: Ints, exp: Ints, divisor: int = 1) -> Lattice:
    zeros = np.zeros(len(lo))
    return Lattice(lo, hi, np.ldexp(1.0, exp), divisor, zeros.astype(np.float32), zeros)


def _of_mean(op: Pool, x: Reach, channels: int) -> Lattice | None:
    """An exact sum, divided once; of windows that are whole everywhere."""
    if any(any(ends) for ends in op.padding):
        return None
    count = math.prod(op.window)
    one = _of_reach(x, channels)
    if one is None:
        return None
    product_fits(x.magnitude, count)
    lo, hi = one.lo * count, one.hi * count
    exp = np.frexp(one.scale)[1].astype(np.int64) - 1
    exact = np.all(exact_sums(np.maximum(-lo, hi), exp))
    return _lattice(lo, hi, exp, count) if exact else None


def _of_linear(op: Dense | Conv | ConvTranspose, x: Reach | Divided) -> Lattice | None:
    inside, divisor = (x.codes, x.divisor) if isinstance(x, Divided) else (x, 1)
    codes, scale = codes_and_scales(op)
    flat = _by_channel(sums(codes, inside))
    channels = len(flat.lo)
    bias = np.zeros(channels, np.float32) if op.bias is None else op.bias
    exact = Lattice(
        flat.lo, flat.hi, np.ldexp(scale, flat.exp), divisor, bias, np.zeros(channels), (BIAS_LAST,)
    )
    rounded = divisor > 1 or np.any(scale != 1)
    if not rounded and np.all(exact_sums(np.maximum(flat.positive, flat.negative), flat.exp)):
        return exact
    largest = (flat.positive + flat.negative) * exact.scale / divisor
    products = op.kernel.size // channels
    relative = _gamma(products + 1) + rounded * (_JITTER + _INPUT)
    radius = relative * (1 + _gamma(2)) * (largest + abs(bias.astype(np.float64)))
    return replace(exact, radius=radius, assumptions=())


def _by_channel(found: Sums) -> Sums:
    """One interval a channel, whatever the position, in the finest of its steps."""
    shape = np.broadcast_shapes(found.lo.shape, found.exp.shape)
    exp = np.broadcast_to(found.exp, shape).reshape(-1, shape[-1])
    finest = exp.min(axis=0)
    parts = (
        shifted(np.broadcast_to(a, shape).reshape(-1, shape[-1]), exp - finest)
        for a in (found.lo, found.hi, found.positive, found.negative)
    )
    lo, hi, positive, negative = parts
    return Sums(lo.min(axis=0), hi.max(axis=0), positive.max(axis=0), negative.max(axis=0), finest)


def _gamma(roundings: int) -> float:
    """Higham's gamma_n."""
    return roundings * _UNIT / (1 - roundings * _UNIT)
