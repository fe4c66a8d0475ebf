"""A value that an operation reads, and single numbers of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from qconvert.exactness import Reach
from qconvert.explaining.exact import step_of
from qconvert.explaining.results import Element, Index
from qconvert.ir import F32


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """A value for so many ``samples``; ``reach`` is all that it can be, if that is known."""

    name: str
    array: F32
    samples: int
    reach: Reach | None = None

    def at(self, index: Sequence[int]) -> Element:
        """One number of it."""
        return Element(self.name, self.shown(index), float(self.array[tuple(index)]))

    def padding(self, index: Sequence[int]) -> Element:
        """A 0 beside it."""
        return Element(self.name, self.shown(index), 0.0, padding=True)

    def shown(self, index: Sequence[int]) -> Index:
        """An index without the batch, if that is the first axis."""
        whole = len(self.array) == self.samples
        return tuple(int(i) for i in (index[1:] if whole else index))

    def stored(self, index: Index, sample: int) -> Index:
        """The index with the batch, for one that is shown."""
        return (sample, *index) if len(index) < self.array.ndim else index

    def along(self, axes: Sequence[int], index: Sequence[int]) -> Iterator[Index]:
        """The indices that differ from *index* along some axes alone."""
        lengths = enumerate(self.array.shape)
        yield from product(*(range(n) if i in axes else (index[i],) for i, n in lengths))

    def broadcast(self, index: Index) -> Index:
        """What is read of it for the element *index* of a result that it is broadcast to."""
        shape = self.array.shape
        behind = index[len(index) - len(shape) :]
        return tuple(0 if n == 1 else i for n, i in zip(shape, behind, strict=True))

    def exp(self, indices: Sequence[Index]) -> int | None:
        """The e of the steps ``2**e`` on which these elements lie, as far as that is known."""
        steps = [step_of(float(self.array[index]) for index in indices)]
        if self.reach is not None:
            steps += [self._exp(self.reach, index) for index in indices]
        return min((step for step in steps if step is not None), default=None)

    def _exp(self, reach: Reach, index: Index) -> int | None:
        """That of all numbers which the element can be."""
        lo, hi, exp = (
            int(each[tuple(min(i, n - 1) for i, n in zip(index, each.shape, strict=True))])
            for each in (reach.lo, reach.hi, reach.exp)
        )
        return exp if lo or hi else None
