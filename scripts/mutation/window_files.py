"""Bugs in windows that a file gathers, in the file of the model `windows`."""

from collections.abc import Callable
from typing import Final

import numpy as np

from scripts.mutation.edits import Array, Edit, operand
from scripts.mutation.file_mutant import FileMutant

_MODEL: Final = "windows"
_STRIDED, _DILATED, _ONE = "strided_windows", "dilated_windows", "windows_of_one"


def _one_more(*place: int) -> Callable[[Array], Array]:
    """One place of a part of a table is the next one."""

    def change(array: Array) -> Array:
        array[place] += 1
        return array

    return change


def _rows(layer: str, change: Callable[[Array], Array]) -> Edit:
    return operand(f"{layer}/Add", 0, change)


def _columns(layer: str, change: Callable[[Array], Array]) -> Edit:
    return operand(f"{layer}/Add", 1, change)


WINDOWS: Final = (
    FileMutant(
        "one-window-elsewhere", "G01", _MODEL, _STRIDED,
        _columns(_STRIDED, _one_more(0, 3, 0, 1)),
    ),
    FileMutant(
        "row-of-windows-elsewhere", "G01", _MODEL, _DILATED,
        _rows(_DILATED, _one_more(3, 0, 1, 0)),
    ),
    FileMutant(
        "columns-of-windows-turned", "G08", _MODEL, _DILATED,
        _columns(_DILATED, lambda columns: columns[..., ::-1]),
    ),
    FileMutant(
        "windows-padded-with-another-code", "G07", _MODEL, _STRIDED,
        operand(f"{_STRIDED}/Pad", 2, lambda zero: zero - 1),
    ),
    FileMutant(
        "windows-padded-behind", "G01", _MODEL, _STRIDED,
        operand(f"{_STRIDED}/Pad", 1, lambda _: np.array([0, 0, 0, 0, 0, 1, 3, 0])),
    ),
    FileMutant(
        "windows-of-the-next-column", "G01", _MODEL, _ONE,
        _columns(_ONE, lambda columns: np.minimum(columns + 1, columns.max())),
    ),
    FileMutant(
        "weight-of-a-window", "G14", _MODEL, _DILATED,
        operand(f"{_DILATED}/MatMulInteger", 1, _one_more(-1, -1)),
    ),
    FileMutant(
        "zero-of-windows", "G07", _MODEL, _DILATED,
        operand(f"{_DILATED}/MatMulInteger", 2, lambda zero: zero - 1),
    ),
    FileMutant(
        "step-of-windows-doubled", "G07", _MODEL, _STRIDED,
        operand(f"{_STRIDED}/Mul", 1, lambda steps: steps * np.float32(2)),
    ),
    FileMutant(
        "sums-shifted-farther", "G15", _MODEL, "gains_shifted",
        operand("gains_shifted/Add", 1, lambda shift: shift + np.float32(2**-3)),
    ),
)  # fmt: skip
