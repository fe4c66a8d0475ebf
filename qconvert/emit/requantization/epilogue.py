"""The codes that TensorFlow's program makes of the sums of a linear layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qconvert.emit.normalization import normalization
from qconvert.emit.requantization.means import divided
from qconvert.ir import F32, Grid, Op, Quantizer
from qconvert.ir.ops import Affine, BatchNormalization, Pool, Relu, Scale
from qconvert.ir.quantizers import QuantizedSigmoid
from qconvert.numerics import quantize_body

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Epilogue:
    """Bias, the ops behind it, and the quantizer onto *grid*; each of them rises or falls.

    A sum ``s`` of kernel ``i`` is the number ``s * 2**exps[i]``, of channel ``i % channels``.
    """

    exps: Integers
    channels: int
    bias: F32 | None
    ops: Sequence[Op]
    quantizer: Quantizer
    grid: Grid

    @property
    def affine(self) -> tuple[Floats, Floats]:
        """By channel a factor and an addend: of those ops that do nothing else, but for rounding.

        What the quantizer does so before it rounds is among it.
        """
        factors, addends = np.ones(self.channels), np.zeros(self.channels)
        for step in (*self.ops, self.quantizer):
            factor, addend = _affine(step)
            factors, addends = factors * factor, addends * factor + addend
        return factors, addends

    def codes(self, sums: Integers) -> Integers:
        """The codes, in steps of the grid, of sums (n, kernels) of up to 24 bits."""
        y = np.ldexp(sums.astype(np.float32), self.exps.astype(np.int32)).astype(np.float32)
        y = y.reshape(-1, self.channels)
        if self.bias is not None:
            y = y + self.bias
        for op in self.ops:
            y = _apply(op, y)
        steps = np.ldexp(quantize_body(self.quantizer, y).astype(np.float64), -self.grid.exp)
        return np.rint(steps).astype(np.int64).reshape(sums.shape)


def _affine(step: Op | Quantizer) -> tuple[float | F32, float | F32]:
    match step:
        case Affine(factor=factor, offset=offset):
            return 1.0 if factor is None else factor, 0.0 if offset is None else offset
        case Pool(window=window):
            return 1 / math.prod(window), 0.0
        case Scale(factor=number):
            return number, 0.0
        case QuantizedSigmoid(use_real_sigmoid=False):
            return 0.5, 0.5
        case _:
            return 1.0, 0.0


def _apply(op: Op, x: F32) -> F32:
    match op:
        case BatchNormalization():
            return _normalized(op, x)
        case Affine(factor=factor, offset=offset):
            y = x if factor is None else x * factor
            return y if offset is None else y + offset
        case Scale(factor=factor):
            return x * np.float32(factor)
        case Relu(max_value=cap):
            return np.clip(x, np.float32(0), None if cap is None else np.float32(cap))
        case Pool():
            return divided(op, x)
        case _:
            raise AssertionError(f"{op} is in no chain")


def _normalized(op: BatchNormalization, x: F32) -> F32:
    steps = normalization(op)
    y = (x if steps.mean is None else x - steps.mean) * steps.factor
    if steps.gamma is None:
        return y + steps.addend
    # As in the file that computes it: the product is exact in float64, and the sum is rounded.
    exact = y.astype(np.float64) * steps.gamma.astype(np.float64) + steps.addend
    return exact.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Stairs:
    """The codes of one channel, which rise from ``first``, at ``lo``, to ``last``, at ``hi``.

    ``thresholds[i]`` is the least sum with a code above ``first + i``. Where it is ``falling``
    all sums are negated.
    """

    lo: int
    hi: int
    first: int
    last: int
    thresholds: Integers
    falling: bool


def stairs(epilogue: Epilogue, lo: Integers, hi: Integers) -> list[Stairs]:
    """What each channel makes of its sums from *lo* to *hi*, by bisection for every code."""
    ends = epilogue.codes(np.stack([lo, hi]))
    falling = ends[0] > ends[1]
    sign = np.where(falling, -1, 1)
    low, high = np.where(falling, -hi, lo), np.where(falling, -lo, hi)
    first, last = ends.min(axis=0), ends.max(axis=0)
    wanted = first + 1 + np.arange(int((last - first).max()))[:, np.newaxis]
    below = np.broadcast_to(low, wanted.shape).copy()
    above = np.broadcast_to(high, wanted.shape).copy()
    while np.any(above - below > 1):
        middle = (below + above) // 2
        reached = epilogue.codes(middle * sign) >= wanted
        below, above = np.where(reached, below, middle), np.where(reached, middle, above)
    return [
        Stairs(int(low[c]), int(high[c]), int(first[c]), int(last[c]), above[:n, c], bool(turned))
        for c, (n, turned) in enumerate(zip(last - first, falling, strict=True))
    ]
