"""From a batch on which a layer differs to one sample of few numbers, and one element."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from qconvert.checking.radius import Radius
from qconvert.checking.witness import Witness
from qconvert.errors import WitnessError
from qconvert.ir import F32
from qconvert.reproducing.collect import Case
from qconvert.reproducing.isolate import Isolated, differing
from qconvert.reproducing.shrink import Budget, nonzeros, shrunk

#: How often a layer is evaluated to find smaller inputs of a batch.
EVALUATIONS: Final = 2000
#: Elements that the inputs are reduced for, of which the one with the fewest is kept.
_ELEMENTS: Final = 8
#: Samples of a batch that are tried one by one.
_SAMPLES: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """One sample for a layer by itself: what it should give, and what the file gives.

    ``index`` is an element that differs, ``None`` if the shapes do; or, if the file is ``right``,
    one that the reference has wrong. ``sample`` is ``None`` for numbers that were drawn.
    """

    isolated: Isolated
    inputs: Mapping[str, F32]
    expected: F32
    rounding: Radius
    index: tuple[int, ...] | None
    by: Witness
    sample: int | None
    right: bool


def reduced(cases: Sequence[Case], evaluations: int = EVALUATIONS) -> Reduced | None:
    """The smallest case found; ``None`` if the layer by itself does not differ."""
    disputed = [case for case in cases if case.truth is not None]
    found: list[Reduced] = []
    for case in disputed or cases:
        small = _reduced(case, evaluations)
        found += [] if small is None else [small]
        if small is not None and nonzeros(small.inputs) <= 1:
            break
    return min(found, key=lambda result: nonzeros(result.inputs), default=None)


def _reduced(case: Case, evaluations: int) -> Reduced | None:
    try:
        if case.truth is not None:
            return _unreduced(case, case.truth)
        for optimized in (False, True):
            for row in _rows(case, optimized=optimized):
                found = _smallest(case, row, Budget(evaluations), optimized=optimized)
                if found is not None:
                    return found
    except WitnessError:
        # ONNX Runtime does not run the part; whoever asked gets the whole.
        return None
    return None


def _rows(case: Case, *, optimized: bool) -> Iterator[int]:
    """The samples that differ, those of the fewest numbers first."""
    mask = case.isolated.differs(case.inputs, optimized=optimized)
    rows = np.flatnonzero(mask.any(axis=tuple(range(1, mask.ndim))))
    yield from sorted(rows.tolist(), key=lambda row: nonzeros(_sample(case, row)))[:_SAMPLES]


def _smallest(case: Case, row: int, budget: Budget, *, optimized: bool) -> Reduced | None:
    """The sample with fewer numbers, unless the file computes it from others than the graph."""
    isolated, inputs = case.isolated, _sample(case, row)
    places = np.argwhere(isolated.differs(inputs, optimized=optimized)).tolist()
    if not places:
        return None
    some = [tuple(place) for place in places[:: -(-len(places) // _ELEMENTS)]]
    if not isolated.alike:
        return _result(case, row, inputs, some[0])
    found: list[Reduced] = []
    for at in [None] if _misshapen(isolated, inputs, optimized=optimized) else some:
        holds = partial(_differs_at, isolated, at, optimized)
        found.append(_result(case, row, shrunk(inputs, holds, budget), at))
    return min(found, key=lambda result: nonzeros(result.inputs))


def _differs_at(
    isolated: Isolated, at: tuple[int, ...] | None, optimized: bool, inputs: Mapping[str, F32]
) -> bool:
    try:
        if at is None:
            return _misshapen(isolated, inputs, optimized=optimized)
        return bool(isolated.differs(inputs, optimized=optimized)[at])
    except WitnessError:
        # Such as an index that is out of bounds now: not what is to be shown.
        return False


def _misshapen(isolated: Isolated, inputs: Mapping[str, F32], *, optimized: bool) -> bool:
    """Whether the file's result has another shape."""
    return isolated.found(inputs, optimized=optimized).shape != isolated.expected(inputs)[0].shape


def _result(
    case: Case, row: int, inputs: Mapping[str, F32], index: tuple[int, ...] | None
) -> Reduced:
    expected, rounding = case.isolated.expected(inputs)
    sample = None if case.drawn else case.start + row
    return Reduced(
        case.isolated, inputs, expected, rounding, index, Witness.NUMPY, sample, right=False
    )


def _unreduced(case: Case, truth: F32) -> Reduced | None:
    """A whole sample, as TensorFlow is not asked again; the file may be right and NumPy wrong."""
    ours, radius = case.isolated.expected(case.inputs)
    rounding = radius if ours.shape == truth.shape else np.zeros(truth.shape)
    files = [case.isolated.found(case.inputs, optimized=optimized) for optimized in (False, True)]
    for result, right in (*((file, False) for file in files), (ours, True)):
        places = np.argwhere(differing(result, truth, rounding))
        if len(places):
            row, *rest = map(int, places[0])
            return Reduced(
                case.isolated,
                _sample(case, row),
                truth[row : row + 1],
                rounding[row : row + 1],
                (0, *rest) if result.shape == truth.shape else None,
                Witness.TENSORFLOW,
                None if case.drawn else case.start + row,
                right,
            )
    return None


def _sample(case: Case, row: int) -> dict[str, F32]:
    return {name: np.ascontiguousarray(x[row : row + 1]) for name, x in case.inputs.items()}
