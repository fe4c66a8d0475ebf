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
_BYTE_BITS, _LARGEST_BYTE = 8, 255
#: The ends of int8, and those of the 16 bits in which x86 CPUs without VNNI add two products.
_LOWEST_INT8, _HIGHEST_INT8 = -(1 << 7), (1 << 7) - 1
_LOWEST_SUM, _HIGHEST_SUM = -(1 << 15), (1 << 15) - 1
#: What no `_width` is less than.
_NARROWEST = _BYTE_BITS, False


@dataclass(frozen=True, slots=True, eq=False)
class WeightCodes:
    """``array == codes * 2**exps`` with one exponent, or one by output channel.

    The channels are on the axis ``outputs``.
    """

    codes: Integers
    exps: Integers
    outputs: int

    @property
    def axis(self) -> int | None:
        """That of the exponents, if there is more than one."""
        return None if self.exps.size == 1 else self.outputs

    @property
    def bits(self) -> int:
        """The width of the integer type that holds them: 8, 16 or 32."""
        lo, hi = self._ends
        return next(n for n in (_BYTE_BITS, 16, 32) if -(1 << (n - 1)) <= lo and hi < 1 << (n - 1))

    def stored_as(self, dtype: str, zero: int) -> Integers:
        """The codes with a zero point in a type that holds the sums, which wraps on the way."""
        return np.add(self.codes, zero, dtype=dtype, casting="unsafe")

    def is_safe(self, x_largest: int) -> bool:
        """Whether products with bytes up to *x_largest* saturate on no CPU, as int8."""
        lo, hi = self._ends
        if lo < _LOWEST_INT8 or hi > _HIGHEST_INT8:
            return False
        if 2 * max(-lo, hi) * x_largest <= _HIGHEST_SUM:  # which takes no search by channel
            return True
        return all(map(np.all, _safe_factors(self.codes, x_largest, self.outputs)))

    @property
    def _ends(self) -> tuple[int, int]:
        """The least and the largest code, or 0."""
        return int(self.codes.min(initial=0)), int(self.codes.max(initial=0))


def encode(array: F32, axis: int) -> WeightCodes | None:
    """The narrowest power-of-two grid that holds *array*, or ``None`` if none does.

    One step for the whole tensor is preferred to one a channel (along *axis*), unless that makes
    narrower codes, or such that saturate nowhere.
    """
    if not np.all(np.isfinite(array)):
        return None
    channels = _lowest_by_channel(array, axis)
    tensor = _codes(array, _or_one(channels.min(keepdims=True, initial=_ANY)), axis)
    width = None if tensor is None else _width(tensor)
    if width == _NARROWEST:
        return tensor
    channel = _codes(array, _or_one(channels), axis)
    if width is None or (channel is not None and _width(channel) < width):
        return channel
    return tensor


def _width(found: WeightCodes) -> tuple[int, bool]:
    """The bits, and whether products with bytes saturate somewhere: the less, the better."""
    return found.bits, not found.is_safe(_LARGEST_BYTE)


def safe_factors(codes: Integers, x_largest: int) -> Integers:
    """By channel (axis 0) the largest factor, up to 127, with which *codes* are safe as int8.

    x86 CPUs without VNNI add products with bytes, of up to *x_largest*, in pairs. Which two meet
    depends on the kernel: so any two of a channel have to fit into 16 bits together, and any one
    of them beside a padding of 0.
    """
    return np.concatenate(list(_safe_factors(codes, x_largest, 0)))


def _safe_factors(codes: Integers, x_largest: int, axis: int) -> Iterator[Integers]:
    """The same of some channels after the others, which are on any axis."""
    for part in _parts(codes, axis):
        rows = np.moveaxis(part, axis, 0).reshape(part.shape[axis], -1)
        ends = np.partition(np.pad(rows, ((0, 0), (0, 2))), (1, -2), axis=1).astype(np.int64)
        limits = (
            (ends[:, 0], _LOWEST_INT8),
            (ends[:, -1], _HIGHEST_INT8),
            (ends[:, :2].sum(axis=1) * x_largest, _LOWEST_SUM),
            (ends[:, -2:].sum(axis=1) * x_largest, _HIGHEST_SUM),
        )
        # With the padding each has the sign of its limit, or is 0.
        yield np.minimum.reduce([limit // np.where(n, n, np.sign(limit)) for n, limit in limits])


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
    lowest = [
        lowest_bits(part).min(axis=others, keepdims=True, initial=_ANY)
        for part in _parts(array, axis)
    ]
    return np.concatenate(lowest, axis).astype(np.int64)


def _parts(array: npt.NDArray[Any], axis: int) -> list[npt.NDArray[Any]]:
    """So many channels each that few elements are taken at once."""
    count = min(array.shape[axis], array.size // _AT_ONCE + 1)
    return np.array_split(array, max(count, 1), axis)


def _or_one(exps: Integers) -> Integers:
    """Where every number is 0 the step is 1."""
    return np.where(exps == _ANY, 0, exps)


def _codes(array: F32, exps: Integers, axis: int) -> WeightCodes | None:
    if np.any(exps < _SMALLEST_EXP):
        return None
    codes = on_grid(array, exps)
    return None if codes is None else WeightCodes(codes, exps.reshape(-1), axis)
