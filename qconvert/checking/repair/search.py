"""Constants with which a file's operators return TensorFlow's codes, channel by channel."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from qconvert.checking.repair.codes import Codes
from qconvert.checking.repair.constants import Constant, applied
from qconvert.checking.repair.moves import MOST_ULPS, Steps
from qconvert.checking.scans.floats import floats_at, positions_of
from qconvert.checking.scans.programs import unequal
from qconvert.ir import F32
from qconvert.ir.ops import BatchNormalization
from qconvert.reference import apply

#: The steps that are moved: the last product and the last sum.
_MOVED: Final = ("multiply", "add")


@dataclass(frozen=True, slots=True, eq=False)
class Normalization:
    """One of the nodes in a cone: its constants in the file, and those that the model makes.

    One that is fused into an operator has none in the file.
    """

    node: str
    layer: str
    op: BatchNormalization
    constants: Sequence[Constant]
    expected: Steps

    def computed(self, arrays: Sequence[F32], x: F32) -> F32:
        """What becomes of *x* with other numbers: in the file, or where it has none in NumPy."""
        if self.constants:
            return applied(self.constants, arrays, x)
        return apply(replace(self.op, program=tuple(arrays)), x)


def solved(codes: Codes, each: Normalization, channel: int) -> list[float] | None:
    """Numbers of one channel for all steps, as near to the model's as can be.

    ``None`` if with none that are near enough all states get TensorFlow's code.
    """
    rows = _distinct(codes, channel)
    sources = {name: _column(x[rows], channel) for name, x in codes.sources.items()}
    truth = codes.truth[rows, channel]
    for numbers in _candidates(each, channel):
        if not unequal(_results(codes, each, channel, sources, numbers), truth).any():
            return numbers
    return None


def _distinct(codes: Codes, channel: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """One place of each state."""
    columns = np.stack([x[:, channel] for x in codes.sources.values()])
    return np.unique(columns, axis=1, return_index=True)[1]


def _column(x: F32, channel: int) -> F32:
    """The same with 0 in the other channels."""
    alone = np.zeros_like(x)
    alone[:, channel] = x[:, channel]
    return alone


def _candidates(each: Normalization, channel: int) -> Iterator[list[float]]:
    """The model's own numbers first, then those that are ever farther off."""
    kinds = [kind for kind, _ in each.expected]
    places = [len(kinds) - 1 - kinds[::-1].index(kind) for kind in _MOVED if kind in kinds]
    exact = np.array([array[channel] for _, array in each.expected], np.float32)
    ulps = range(-MOST_ULPS, MOST_ULPS + 1)
    for moves in sorted(product(ulps, repeat=len(places)), key=lambda m: sum(map(abs, m))):
        at = positions_of(exact)
        at[places] += moves
        yield floats_at(at).tolist()


def _results(
    codes: Codes,
    each: Normalization,
    channel: int,
    sources: Mapping[str, F32],
    numbers: Sequence[float],
) -> F32:
    arrays = [array.copy() for _, array in each.expected]
    for array, number in zip(arrays, numbers, strict=True):
        array[channel] = number
    values = dict(sources)
    for node in codes.cone.nodes:
        inputs = [values[name] for name in node.inputs]
        if node.name == each.node:
            values[node.name] = each.computed(arrays, inputs[0])
        else:
            values[node.name] = apply(node.op, *inputs)
    return values[codes.cone.end.name][:, channel]
