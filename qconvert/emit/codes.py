"""Integer codes of weights, recovered from the float32 values that a layer really uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32

#: Codes of weights have 32 bits, all else 64.
Integers: TypeAlias = npt.NDArray[np.signedinteger[Any]]

#: Exact in float32, and therefore in what DequantizeLinear computes.
LARGEST_CODE = 1 << 24
_SMALLEST_EXP = -126
#: What two products of bytes may add up to on x86 CPUs without VNNI, which have 16 bits for that.
_PAIR = (1 << 15) - 1


def largest_beside(x_largest: int) -> int:
    """The largest int8 code of weights whose products with bytes up to *x_largest* never saturate.

    ``2 * x * w`` has to fit into 16 bits: 64 beside all bytes, all of them beside 7 bits.
    """
    return min(127, _PAIR // (2 * max(x_largest, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class WeightCodes:
    """``array == codes * 2**exps`` with one exponent, or one a channel along ``axis``."""

    codes: Integers
    exps: Integers
    axis: int | None

    @property
    def bits(self) -> int:
        """The width of the integer type that keeps kernels exact: 7, 8, 16 or 32.

        Seven bits are int8 codes that products with uint8 cannot saturate: 2 * 255 * 64 < 2**15.
        """
        if self.is_safe(255):
            return 7
        lo, hi = self._ends
        return next(n for n in (8, 16, 32) if -(1 << (n - 1)) <= lo and hi < 1 << (n - 1))

    def stored_as(self, dtype: str, zero: int) -> Integers:
        """The codes with a zero point in a type that holds the sums, which wraps on the way."""
        return np.add(self.codes, zero, dtype=dtype, casting="unsafe")

    def is_safe(self, x_largest: int) -> bool:
        """Whether products with bytes up to *x_largest* saturate on no CPU, as int8."""
        lo, hi = self._ends
        return max(-lo, hi) <= largest_beside(x_largest)

    @property
    def _ends(self) -> tuple[int, int]:
        """The least and the largest code, or 0."""
        return int(self.codes.min(initial=0)), int(self.codes.max(initial=0))


def encode(array: F32, axis: int) -> WeightCodes | None:
    """The narrowest power-of-two grid that holds *array*, or ``None`` if none does.

    One step for the whole tensor is preferred to one a channel (along *axis*).
    """
    if not np.all(np.isfinite(array)):
        return None
    channels = _lowest_by_channel(array, axis)
    tensor = _codes(array, _or_one(channels.min(keepdims=True, initial=_ANY)), None)
    if tensor is not None and tensor.bits == 7:  # nothing is narrower
        return tensor
    channel = _codes(array, _or_one(channels), axis)
    if tensor is None or (channel is not None and channel.bits < tensor.bits):
        return channel
    return tensor


def on_grid(array: F32, exps: Integers) -> Integers | None:
    """``array / 2**exps`` if these are integers that float32 holds exactly."""
    codes = np.empty_like(array, np.int32)
    with np.errstate(over="ignore", under="ignore"):
        for numbers, steps, found in _blocks(array, exps, codes):
            down = -steps
            whole = np.rint(np.ldexp(numbers, down))
            # Back again, for a number far below a step has become 0, which is an integer.
            if np.any(np.abs(whole) > LARGEST_CODE) or np.any(np.ldexp(whole, -down) != numbers):
                return None
            found[...] = whole
    return codes


#: Elements that are taken at once: what is computed on the way to their codes stays in the cache.
_AT_ONCE = 1 << 16
#: Stands for the exponent of 0, which is a multiple of every step.
_ANY = 1 << 20


def _blocks(
    array: F32, exps: Integers, codes: Integers
) -> Iterator[tuple[F32, npt.NDArray[np.int32], Integers]]:
    """Elements with their exponents, in 32 bits as the fast ``ldexp`` wants, and their places."""
    with np.nditer(
        (array, exps.astype(np.int32), codes),
        ("buffered", "external_loop", "zerosize_ok"),
        (("readonly",), ("readonly",), ("writeonly",)),
        buffersize=_AT_ONCE,
    ) as blocks:
        yield from blocks


def lowest_bits(array: F32) -> Integers:
    """The exponent of the lowest set bit of every number."""
    mantissa, exponent = np.frexp(array)
    # float32 and int32 hold all 24 bits, and have frexp and ldexp for many numbers at once.
    whole = (mantissa * np.float32(1 << 24)).astype(np.int32)
    lowest = np.frexp((whole & -whole).astype(np.float32))[1] - 1
    return np.where(whole == 0, np.int32(_ANY), lowest + exponent - 24)


def _lowest_by_channel(array: F32, axis: int) -> Integers:
    """The exponent of the lowest bit of every channel, the other axes being 1 long."""
    if array.ndim == 0:
        return lowest_bits(array)
    others = tuple(i for i in range(array.ndim) if i != axis)
    count = min(array.shape[axis], array.size // _AT_ONCE + 1)
    parts = np.array_split(array, max(count, 1), axis)
    lowest = [lowest_bits(part).min(axis=others, keepdims=True, initial=_ANY) for part in parts]
    return np.concatenate(lowest, axis).astype(np.int64)


def _or_one(exps: Integers) -> Integers:
    """Where every number is 0 the step is 1."""
    return np.where(exps == _ANY, 0, exps)


def _codes(array: F32, exps: Integers, axis: int | None) -> WeightCodes | None:
    if np.any(exps < _SMALLEST_EXP):
        return None
    codes = on_grid(array, exps)
    return None if codes is None else WeightCodes(codes, exps.reshape(-1), axis)
