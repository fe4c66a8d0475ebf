"""Samples with steps that a mask leaves out: random numbers hardly ever make one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Graph, Node
from qconvert.ir.ops import Quantize, Reshape
from qconvert.ir.stock import StepMask

_Steps: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gap:
    """A step of an input does not count if all that it holds is ``value``.

    A sample has so many ``steps``; ``None`` stands for the length of its first axis.
    """

    value: float
    steps: int | None


def gaps_of(graph: Graph, value: str) -> Iterator[Gap]:
    """The masks that are made of the elements of *value*, unchanged or rounded."""
    for node in graph.nodes:
        if value in node.inputs:
            match node.op:
                case StepMask(value=number):
                    yield Gap(number, _count(node))
                case Reshape() | Quantize():
                    yield from gaps_of(graph, node.name)
                case _:
                    pass


def with_gaps(sample: F32, gaps: tuple[Gap, ...], seed: int, source: int, number: int) -> F32:
    """Sample *number* of input *source* with steps left out in its turn: where, and how."""
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


def _count(mask: Node) -> int | None:
    lengths = [length for length in mask.shape[1:-1] if length is not None]
    return math.prod(lengths) if len(lengths) == len(mask.shape) - 2 else None
