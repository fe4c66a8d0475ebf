"""Samples with steps that a mask leaves out: random numbers hardly ever make one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Graph, Node
from qconvert.ir.ops import Concat, Merge, Quantize, Reduce, Reshape
from qconvert.ir.stock import StepMask

_Steps: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gap:
    """A step of an input does not count if all that it holds is ``value``.

    A sample has so many ``steps``; ``None`` stands for the length of its first axis. Not ``whole``
    is that of which at least one step has to count: Keras gives NaN for the mean of none.
    """

    value: float
    steps: int | None
    whole: bool = True


def gaps_of(graph: Graph, value: str) -> Iterator[Gap]:
    """The masks that are made of the elements of *value*, unchanged or rounded."""
    for node in _readers(graph, value):
        match node.op:
            case StepMask(value=number):
                yield Gap(number, _count(node), whole=not _is_counted(graph, node.name))
            case Reshape() | Quantize():
                yield from gaps_of(graph, node.name)
            case _:
                pass


def with_gaps(
    sample: F32, gaps: tuple[Gap, ...], other: float, seed: int, source: int, number: int
) -> F32:
    """Sample *number* of input *source* with steps left out in its turn: where, and how.

    *other* is a number that makes a step count.
    """
    turn, pattern = divmod(number, 7)
    gap = gaps[turn % len(gaps)]
    steps = gap.steps or len(sample)
    if sample.size % steps:
        return sample
    generator = np.random.default_rng((seed, source, number, steps))
    rows = sample.reshape(steps, -1).copy()
    rows[_left_out(pattern, steps, generator)] = gap.value
    if pattern == 6:
        # A single feature that is another number, and the step counts.
        rows[:, :1] = sample.reshape(steps, -1)[:, :1]
    if any(not each.whole and np.all(rows == each.value) for each in gaps):
        rows[generator.integers(steps), 0] = other
    return rows.reshape(sample.shape)


def _left_out(pattern: int, steps: int, generator: np.random.Generator) -> _Steps:
    """None, the first, the last, some in the middle, scattered ones, all."""
    begin, end = np.sort(generator.integers(0, steps + 1, 2))
    if pattern == 4:
        scattered: _Steps = generator.random(steps) < 0.5
        return scattered
    ranges = {1: (0, end), 2: (begin, steps), 3: (begin, end), 5: (0, steps), 6: (0, steps)}
    left_out = np.zeros(steps, np.bool_)
    left_out[slice(*ranges.get(pattern, (0, 0)))] = True
    return left_out


def _readers(graph: Graph, value: str) -> Iterator[Node]:
    return (node for node in graph.nodes if value in node.inputs)


def _is_counted(graph: Graph, mask: str) -> bool:
    """Whether the steps of a mask are counted, to divide by their number."""
    for node in _readers(graph, mask):
        match node.op:
            case Reduce(kind="sum"):
                return True
            case Merge(kind="minimum") | Concat() if _is_counted(graph, node.name):
                return True
            case _:
                pass
    return False


def _count(mask: Node) -> int | None:
    lengths = [length for length in mask.shape[1:-1] if length is not None]
    return math.prod(lengths) if len(lengths) == len(mask.shape) - 2 else None
