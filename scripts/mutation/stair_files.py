"""Bugs in real functions and powers of two, in the file of the model `stairs`."""

from typing import Final

import numpy as np

from scripts.mutation.edits import Array, becomes, constant, operand, reads
from scripts.mutation.file_mutant import FileMutant

_MODEL: Final = "stairs"


def _next(threshold: Array) -> Array:
    return np.nextafter(threshold, np.float32(9))


STAIRS: Final = (
    FileMutant(
        "threshold-to-and-fro", "G26", _MODEL, "free_tanh",
        operand("free_tanh/GreaterOrEqual_9", 1, _next),
    ),
    FileMutant(
        "number-is-above-itself", "G25", _MODEL, "free_powers",
        becomes("free_powers/GreaterOrEqual_3", "Greater"),
    ),
    FileMutant(
        "digit-of-another", "G26", _MODEL, "free_tanh",
        reads("free_tanh/Where_3", 0, "free_tanh/Xor_7"),
    ),
    FileMutant(
        "digit-without-those-above", "G26", _MODEL, "free_both_powers",
        reads("free_both_powers/Xor_2", 0, "free_both_powers/GreaterOrEqual_3"),
    ),
    FileMutant(
        "digit-too-light", "G26", _MODEL, "free_tanh",
        constant("free_tanh/Where_1", 1, np.float32(0.25)),
    ),
    FileMutant(
        "two-bits-of-a-power", "G26", _MODEL, "powers",
        constant("powers/Mul_1", 1, np.float32(2**22 + 1)),
    ),
    FileMutant(
        "powers-change-half-way", "G26", _MODEL, "powers",
        constant("powers/Mul", 1, np.float32(1)),
    ),
    FileMutant(
        "largest-power-too-small", "G11", _MODEL, "both_powers",
        constant("both_powers/Clip", 2, np.float32(2)),
    ),
    FileMutant("another-function", "G23", _MODEL, "tanh", becomes("tanh/Tanh", "Softsign")),
)  # fmt: skip
