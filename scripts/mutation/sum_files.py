"""Bugs in convolutions that sum integers, in the file of the model `sums`."""

from typing import Final

import numpy as np

from scripts.mutation.edits import Array, attribute, operand
from scripts.mutation.file_mutant import FileMutant

_MODEL: Final = "sums"
#: Where a ConvInteger has its numbers.
_WEIGHTS, _X_ZERO, _ZERO = range(1, 4)


def _one_more(codes: Array) -> Array:
    codes.flat[-1] += 1
    return codes


def _doubled(scale: Array) -> Array:
    return scale * np.float32(2)


def _turned(array: Array) -> Array:
    """The channels in reverse."""
    return array[::-1]


SUMS: Final = (
    FileMutant(
        "weight-in-a-sum", "G14", _MODEL, "strided_sums",
        operand("strided_sums/ConvInteger", _WEIGHTS, _one_more),
    ),
    FileMutant(
        "zero-of-summed-weights", "G07", _MODEL, "strided_sums",
        operand("strided_sums/ConvInteger", _ZERO, lambda zero: zero - 1),
    ),
    FileMutant(
        "zero-of-what-is-summed", "G07", _MODEL, "one_scale",
        operand("one_scale/ConvInteger", _X_ZERO, lambda zero: zero - 1),
    ),
    FileMutant(
        "scale-behind-sums", "G07", _MODEL, "one_scale",
        operand("one_scale/Mul", 1, _doubled),
    ),
    FileMutant(
        "scales-behind-sums-turned", "G08", _MODEL, "strided_sums",
        operand("strided_sums/Mul", 1, _turned),
    ),
    FileMutant(
        "last-bit-of-a-scale-behind-sums", "G29", _MODEL, "one_scale",
        operand("one_scale/Mul", 1, lambda scale: np.nextafter(scale, np.float32(1))),
    ),
    FileMutant(
        "bias-behind-sums", "G09", _MODEL, "strided_sums",
        operand("strided_sums/Add", 1, _turned),
    ),
    FileMutant(
        "sums-padded-in-front", "G01", _MODEL, "strided_sums",
        attribute("strided_sums/ConvInteger", "pads", [1, 1, 0, 0]),
    ),
)  # fmt: skip
