"""Weights that are small multiples of one number a channel, as those of ``alpha="auto"`` are."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32

#: The largest code in int8.
_LARGEST: Final = 127
#: Of float32, relatively, with a bit to spare: how far a multiple is from its number as it rounds.
_NEAR: Final = 2.0**-22


@dataclass(frozen=True, slots=True, eq=False)
class Multiples:
    """``array == codes * factors`` in float32; *factors* have the channels, and axes of 1."""

    codes: npt.NDArray[np.int8]
    factors: F32


def multiples(array: F32, axis: int) -> Multiples | None:
    """The codes of *array*, whose channels are on *axis*; ``None`` if a channel has no such number.

    Each number is one rounded product, which is seen of every element.
    """
    channels = np.moveaxis(array, axis, 0)
    factors = np.ones(len(channels), np.float32)
    for i, channel in enumerate(channels):
        factor = _factor(channel)
        if factor is None:
            return None
        factors[i] = factor
    factors = factors.reshape([-1 if i == axis else 1 for i in range(array.ndim)])
    codes = np.rint(array / factors)
    if np.any(abs(codes) > _LARGEST) or np.any(codes.astype(np.float32) * factors != array):
        return None
    return Multiples(codes.astype(np.int8), factors)


def _factor(channel: F32) -> np.float32 | None:
    """The largest number of which all of a *channel* are multiples."""
    numbers = np.unique(abs(channel))
    numbers = numbers[numbers > 0]
    if not numbers.size:
        return np.float32(1)
    if numbers.size > _LARGEST or not np.isfinite(numbers[-1]):
        return None
    parts = numbers.astype(np.float64) / numbers[-1]
    # Different numbers have different codes.
    codes = np.outer(np.arange(numbers.size, _LARGEST + 1), parts)
    fits = np.all(abs(codes - np.rint(codes)) <= codes * _NEAR, axis=1)
    return _rounding_to(numbers, np.rint(codes[np.argmax(fits)])) if fits.any() else None


def _rounding_to(numbers: F32, codes: npt.NDArray[Any]) -> np.float32 | None:
    """The number whose products with *codes* round to *numbers*: next to what their mean tells."""
    middle = np.float32(np.median(numbers / codes))
    beside = (np.nextafter(middle, np.float32(end)) for end in (0, np.inf))
    products = ((factor, codes.astype(np.float32) * factor) for factor in (middle, *beside))
    return next((factor for factor, found in products if np.array_equal(found, numbers)), None)
