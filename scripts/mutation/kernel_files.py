"""Bugs in kernels that round by themselves, in the file of the model `requantized`."""

from collections.abc import Callable
from typing import Final

import numpy as np

from scripts.mutation.edits import (
    Array,
    attribute,
    constant,
    dropped,
    operand,
    together,
)
from scripts.mutation.file_mutant import FileMutant

_MODEL: Final = "requantized"
#: Where a QLinearConv has its numbers.
_X_SCALE, _X_ZERO, _WEIGHTS, _SCALES, _ZEROS, _Y_SCALE, _Y_ZERO, _BIAS = range(1, 9)


def _of_channel(channel: int, change: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The numbers of one channel alone."""

    def changed(array: Array) -> Array:
        array[channel] = change(array[channel])
        return array

    return changed


def _units_in_the_last_place(count: int) -> Callable[[Array], Array]:
    def changed(scales: Array) -> Array:
        return np.asarray((scales.view(np.int32) + count).view(np.float32))

    return changed


def _first_less(weights: Array) -> Array:
    """The first weight that is not 0 a step nearer to it."""
    at = np.flatnonzero(weights)[0]
    weights.flat[at] -= np.sign(weights.flat[at])
    return weights


def _exchanged(first: int, second: int) -> Callable[[Array], Array]:
    """Two channels in each other's place."""

    def changed(array: Array) -> Array:
        array[[first, second]] = array[[second, first]]
        return array

    return changed


KERNELS: Final = (
    FileMutant(
        "weight-in-a-kernel", "G14", _MODEL, "conv",
        operand("normalized/Gather", 0, _first_less),
    ),
    FileMutant(
        "some-ulps-of-a-scale", "G29", _MODEL, "wide_conv",
        operand("wide/QLinearConv", _SCALES, _of_channel(3, _units_in_the_last_place(4096))),
    ),
    FileMutant(
        "scales-exchanged", "G08", _MODEL, "gains_padded",
        operand("padded/QLinearConv", _SCALES, _exchanged(0, 1)),
    ),
    FileMutant(
        "bias-of-one-more", "G09", _MODEL, "wide_conv",
        operand("wide/QLinearConv", _BIAS, _of_channel(2, lambda bias: bias + 1)),
    ),
    FileMutant(
        "bias-of-one-less", "G09", _MODEL, "gains_padded",
        operand("padded/QLinearConv", _BIAS, _of_channel(3, lambda bias: bias - 1)),
    ),
    FileMutant(
        "kernel-biases-exchanged", "G08", _MODEL, "gains_padded",
        operand("padded/QLinearConv", _BIAS, _exchanged(0, 1)),
    ),
    FileMutant(
        "falls-no-more", "G15", _MODEL, "gains_conv",
        operand("normalized/Gather", 0, _of_channel(1, np.negative)),
    ),
    FileMutant(
        "inputs-of-another-group", "G16", _MODEL, "depthwise",
        operand("by_channel/Where", 0, lambda own: own[::-1]),
    ),
    FileMutant(
        "scale-of-what-comes-in", "G07", _MODEL, "normalized",
        operand("normalized/QLinearConv", _X_SCALE, lambda scale: scale * np.float32(2)),
    ),
    FileMutant(
        "scale-of-what-goes-out", "G07", _MODEL, "wide_conv",
        operand("wide/QLinearConv", _Y_SCALE, lambda scale: scale * np.float32(2)),
    ),
    FileMutant(
        "zero-of-what-comes-in", "G07", _MODEL, "normalized",
        operand("normalized/QLinearConv", _X_ZERO, lambda zero: zero - 1),
    ),
    FileMutant(
        "zero-of-what-goes-out", "G07", _MODEL, "wide_conv",
        operand("wide/QLinearConv", _Y_ZERO, lambda zero: zero - 1),
    ),
    FileMutant(
        "zero-of-weights", "G07", _MODEL, "pooled_conv",
        operand("pooled/QLinearConv", _ZEROS, lambda zeros: zeros + 1),
    ),
    FileMutant(
        "bias-of-a-branch", "G09", "joins", "second_branch",
        operand("joined/QLinearConv_1", _BIAS, _of_channel(2, lambda bias: bias + 40)),
    ),
    FileMutant(
        "filler-around-a-branch", "G11", "joins", "rounded_kept",
        constant("around_kept/Pad", 2, np.uint8(1)),
    ),
    FileMutant(
        "places-of-the-shift", "G07", _MODEL, "wide",
        operand("wide/BitShift", 1, lambda places: places + 1),
    ),
    FileMutant(
        "shift-lost", "G07", _MODEL, "wide",
        dropped("wide/BitShift"),
    ),
    FileMutant(
        "kernel-unclipped", "G11", _MODEL, "gains_conv",
        dropped("normalized/Clip"),
    ),
    FileMutant(
        "upper-end-in-a-kernel", "G11", _MODEL, "capped_conv",
        operand("capped/Clip", 2, lambda end: end - 1),
    ),
    FileMutant(
        "lower-end-in-a-kernel", "G11", _MODEL, "pooled_conv",
        operand("pooled/Clip", 1, lambda end: end + 1),
    ),
    FileMutant(
        "kernel-padded-behind", "G01", _MODEL, "padded",
        attribute("padded/QLinearConv", "pads", [0, 0, 2, 2]),
    ),
    FileMutant(
        "place-beside-its-own", "G16", _MODEL, "padded_conv",
        operand("padded/Gather", 1, _exchanged(0, 1)),
    ),
    FileMutant(
        "zeros-between-windows-lost", "G01", _MODEL, "wide_conv",
        operand("wide/Gather", 1, lambda places: places % places.max()),
    ),
    FileMutant(
        "phases-turned", "G17", _MODEL, "spread",
        attribute("spread/Transpose_1", "perm", [0, 1, 4, 2, 3, 5]),
    ),
    FileMutant(
        "surplus-in-front", "G17", _MODEL, "spread",
        together(
            operand("spread/Slice", 1, lambda starts: np.add(starts, [1, 0])),
            operand("spread/Slice", 2, lambda ends: np.add(ends, [1, 0])),
        ),
    ),
)  # fmt: skip
