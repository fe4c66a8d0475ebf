"""Inputs of few numbers that are not 0, on which something is still so (delta debugging)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32

_Positions = npt.NDArray[np.intp]


@dataclass(slots=True)
class Budget:
    """How many more times a layer may be evaluated."""

    evaluations: int

    def spend(self) -> bool:
        """Whether there was one left."""
        self.evaluations -= 1
        return self.evaluations >= 0


def shrunk(
    inputs: Mapping[str, F32], holds: Callable[[Mapping[str, F32]], bool], budget: Budget
) -> dict[str, F32]:
    """*inputs* with as many numbers set to 0 as *holds* allows, which is true of *inputs*.

    First halves, then ever smaller parts, at last one number after the other until none can go.
    After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002).
    """
    whole = np.concatenate([array.ravel() for array in inputs.values()])

    def holds_with(kept: _Positions) -> bool:
        return budget.spend() and holds(_split(_only(whole, kept), inputs))

    kept = np.flatnonzero(whole)
    size = len(kept)
    while size:
        before = len(kept)
        kept = _pass(kept, size, holds_with)
        if size > 1:
            size = min(size // 2, max(1, len(kept)))
        elif len(kept) == before:
            break
    return _split(_only(whole, kept), inputs)


def nonzeros(inputs: Mapping[str, F32]) -> int:
    """How many numbers are not 0."""
    return sum(int(np.count_nonzero(array)) for array in inputs.values())


def _pass(kept: _Positions, size: int, holds: Callable[[_Positions], bool]) -> _Positions:
    """Without each part of *size* positions that is not needed, from the first to the last."""
    at = 0
    while at < len(kept):
        fewer = np.delete(kept, slice(at, at + size))
        if holds(fewer):
            kept = fewer
        else:
            at += size
    return kept


def _only(whole: F32, kept: _Positions) -> F32:
    result = np.zeros_like(whole)
    result[kept] = whole[kept]
    return result


def _split(flat: F32, like: Mapping[str, F32]) -> dict[str, F32]:
    """The arrays that *flat* is the concatenation of."""
    ends = np.cumsum([array.size for array in like.values()])
    parts = np.split(flat, ends[:-1])
    return {
        name: part.reshape(array.shape)
        for (name, array), part in zip(like.items(), parts, strict=True)
    }
