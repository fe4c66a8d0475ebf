"""Results that layers are made to compute from, so that each is tried on all that can come to it.

In a run from the inputs of a model, what reaches a layer behind others is what these make of
them: seldom an extreme, a tie or a single number that is not 0. Here every layer gets results of
the layers before it that are drawn from their reach; all layers are tried in one run.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.checking.inputs import Batch
from qconvert.checking.radius import TINY
from qconvert.exactness import Analysis, Reach
from qconvert.ir import F32, Graph, Grid, Op, grid_of
from qconvert.ir.ops import Quantize, Recurrence
from qconvert.ir.stock import StepMask
from qconvert.reference import evaluate
from qconvert.runners.certified import exact_in_any_order

Codes = npt.NDArray[np.int64]

_PATTERNS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """The inputs of a batch, and the results that the readers of some layers get instead."""

    inputs: Batch
    forced: Mapping[str, F32] = field(default_factory=dict)


def forced_trials(
    graph: Graph, analysis: Analysis, batch: Batch, layers: Set[str], coded: Set[str], seed: int
) -> Iterator[Trial]:
    """The batch with all of *layers* forced, and, if that is another, with those that are *coded*.

    Between the latter ONNX Runtime runs the kernels that it runs in the deployed file.
    """
    drawn = _drawn(graph, analysis, batch, layers, seed)
    forced: dict[str, F32] = {}
    if drawn:
        certified = exact_in_any_order(graph, analysis, batch, drawn)
        values = evaluate(graph, batch, {}, drawn, certified)
        every = {x.name: _flushed(drawn.get(x.value, values[x.value])) for x in graph.layers}
        forced = {name: every[name] for name in every if name in layers}
        yield Trial(batch, forced)
    by_codes = {x.name: drawn[x.value] for x in graph.layers if x.value in drawn}
    some = {name: value for name, value in by_codes.items() if name in coded & layers}
    if some and not _equal(some, forced):
        yield Trial(batch, some)


def _equal(some: Mapping[str, F32], others: Mapping[str, F32]) -> bool:
    """Whether both force the same, bit by bit, so that one run shows it."""
    return some.keys() == others.keys() and all(
        value.tobytes() == others[name].tobytes() for name, value in some.items()
    )


def _flushed(x: F32) -> F32:
    """Without denormal numbers, for which TensorFlow computes with 0 where it gets one."""
    return np.where(abs(x) < TINY, np.float32(0), x)


def can_be_forced(graph: Graph, tensors: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The layers whose value is neither an input nor an output of the model.

    Nor what decides which steps count: of the chosen inputs, not all are left out by all means.
    *tensors* hold the results in the file. Where one holds several values that are the same (of
    equal operations on one input, or with an axis moved), these cannot be forced apart.
    """
    kept = {source.name for source in graph.inputs} | graph.returned
    kept |= {name for node in graph.nodes if isinstance(node.op, StepMask) for name in node.inputs}
    held: dict[str, set[str]] = {}
    for layer in graph.layers:
        for name in tensors.get(layer.name, ()):
            held.setdefault(name, set()).add(layer.value)
    # What the file tells of layers that the model has not is nobody's.
    alone = {
        name for name, names in tensors.items() if all(len(held.get(n, ())) == 1 for n in names)
    }
    kept |= _repeated(graph)
    # A layer that does nothing returns what it is given: the forced result, as if it were its own.
    owners = Counter(layer.value for layer in graph.layers)
    kept |= {value for value, count in owners.items() if count > 1}
    return {x.name for x in graph.layers if x.value not in kept and x.name in alone}


def _repeated(graph: Graph) -> set[str]:
    """The values that some other value is equal to, by the operations that compute both."""
    first: dict[object, str] = {}
    same: dict[str, str] = {}
    for node in graph.nodes:
        inputs = tuple(same.get(name, name) for name in node.inputs)
        same[node.name] = first.setdefault((_content(node.op), inputs), node.name)
    repeated = {one for name, one in same.items() if name != one}
    return {name for name, one in same.items() if one in repeated}


def _content(op: Op) -> object:
    """Something that is equal for equal operations; a loop is equal to none but itself."""
    if isinstance(op, Recurrence):
        return id(op)
    if not is_dataclass(op):
        return op
    parts = ((part.name, getattr(op, part.name)) for part in fields(op))
    return type(op), tuple(
        (name, x.shape, x.tobytes()) if isinstance(x, np.ndarray) else (name, x)
        for name, x in parts
    )


def _drawn(
    graph: Graph, analysis: Analysis, batch: Batch, layers: Set[str], seed: int
) -> dict[str, F32]:
    """By value, numbers anywhere in its reach, where that is known."""
    size = len(next(iter(batch.values())))
    shapes = shapes_in(graph, batch)
    result: dict[str, F32] = {}
    for i, layer in enumerate(graph.layers):
        reach = analysis.values.get(layer.value)
        if layer.name in layers and isinstance(reach, Reach) and layer.value not in result:
            random = np.random.default_rng((seed, i))
            shape = (size, *shapes[layer.value][1:])
            result[layer.value] = draw(reach, shape, random, _grids_behind(graph, layer.value))
    return result


def shapes_in(graph: Graph, batch: Batch) -> dict[str, tuple[int, ...]]:
    """The shapes of all values for one sample of *batch*."""
    values = evaluate(graph, {name: array[:1] for name, array in batch.items()})
    return {name: value.shape for name, value in values.items()}


def draw(
    reach: Reach, shape: tuple[int, ...], random: np.random.Generator, grids: list[Grid]
) -> F32:
    """Samples of *shape* from a reach, with a purpose in turn: see `_pattern`."""
    lo, hi, exp = (np.broadcast_to(a, (1, *shape[1:]))[0] for a in (reach.lo, reach.hi, reach.exp))
    rows = [_pattern(k, lo, hi, exp, random, grids) for k in range(shape[0])]
    codes = np.clip(np.stack(rows), lo, hi)
    values: F32 = np.ldexp(codes.astype(np.float64), exp).astype(np.float32)
    return values


def _pattern(
    number: int,
    lo: Codes,
    hi: Codes,
    exp: Codes,
    random: np.random.Generator,
    grids: list[Grid],
) -> Codes:
    anywhere: Codes = random.integers(lo, hi, endpoint=True)
    match number % _PATTERNS:
        case 0:
            return anywhere
        case 1:
            return _near_ties(exp, random, grids) if grids else anywhere
        case 2:
            return np.where(random.random(lo.shape) < 0.5, lo, hi)
        case 3:
            # Few numbers that are not 0, so that none hides another.
            return np.where(random.random(lo.shape) < 2 / max(2, lo.size), anywhere, 0)
        case 4:
            # All codes in turn, and others at every place.
            places = number // _PATTERNS * lo.size + np.arange(lo.size)
            return lo + places.reshape(lo.shape) % (hi - lo + 1)
        case 5:
            return hi if random.random() < 0.5 else lo
        case 6:
            return _near_ties(exp, random, grids) if grids else np.zeros_like(lo)
        case _:
            small = np.minimum(np.maximum(abs(lo), abs(hi)), 3)
            return random.integers(-small, small, endpoint=True)


def _near_ties(exp: Codes, random: np.random.Generator, grids: list[Grid]) -> Codes:
    """Codes at, below and above the ties of a quantizer that reads them."""
    grid = grids[int(random.integers(len(grids)))]
    ties = random.integers(grid.lo - 1, grid.hi, exp.shape, endpoint=True) + 0.5
    steps: Codes = np.floor(np.ldexp(ties, grid.exp - exp)).astype(np.int64)
    return steps + random.integers(-1, 1, exp.shape, endpoint=True)


def _grids_behind(graph: Graph, value: str) -> list[Grid]:
    quantizers = (
        node.op.quantizer for node in graph.readers[value] if isinstance(node.op, Quantize)
    )
    found = (grid_of(quantizer) for quantizer in quantizers)
    return [grid for grid in found if grid is not None and math.isfinite(grid.step)]
