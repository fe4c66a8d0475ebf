"""What a benchmark finds, as data."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qconvert.checking.results import CheckedFile
from qconvert.errors import WitnessError


@dataclass(frozen=True, slots=True)
class Spread:
    """One number of every round: least, median, largest."""

    least: float
    median: float
    largest: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread":
        """Of one number or more."""
        return cls(min(numbers), statistics.median(numbers), max(numbers))


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a call with *batch* samples.

    ``ratio`` is to the measured file in the same round: above 1, that is faster. ``of_peak`` is
    the share of an int8 matrix product's multiplications a second.
    """

    batch: int
    seconds: Spread
    ratio: Spread | None
    of_peak: Spread | None


@dataclass(frozen=True, slots=True)
class Setting:
    """A program with so many threads, 0 for as many as it takes by itself.

    ``startup`` is in seconds, ``peak`` the largest resident memory of its process in bytes;
    ``failure`` is why there are no timings.
    """

    threads: int
    startup: float | None
    peak: int | None
    timings: tuple[Timing, ...]
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Unlike:
    """How many of so many numbers of all outputs differ, and by how much at most.

    ``largest`` is infinite where only one of two numbers is NaN.
    """

    differing: int
    elements: int
    largest: float


@dataclass(frozen=True, slots=True)
class Column:
    """A program beside others; ``bytes`` is the size of its files.

    ``unlike`` compares its outputs with the measured file's, if both are of the same shapes;
    ``uncompared`` is why they are not compared.
    """

    program: str
    bytes: int | None
    settings: tuple[Setting, ...]
    unlike: Unlike | None = None
    uncompared: str | None = None
    failure: str | None = None

    @property
    def ran(self) -> bool:
        """Whether there are figures of it."""
        return any(setting.timings for setting in self.settings)

    @property
    def why_not(self) -> str:
        """The first line of the first reason why there are none."""
        failures = (self.failure, *(setting.failure for setting in self.settings))
        return next((each.splitlines()[0] for each in failures if each), "")


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of the graph that ONNX Runtime makes of the file, and its seconds a call.

    ``layers`` are those that it computes for, as far as the file says; ``integer`` is whether it
    multiplies codes, ``None`` of operators that are no sums of products.
    """

    name: str
    kind: str
    layers: tuple[str, ...]
    seconds: float
    integer: bool | None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A file of ``bytes`` and ``macs`` multiplications a sample, and what runs beside it.

    ``notes`` make one doubt that it is the same model, or tell which batches the file takes.
    ``peak`` are the multiplications a second of an int8 matrix product by number of threads.
    ``operators`` are of one thread and the largest batch.
    """

    file: CheckedFile
    bytes: int
    macs: int | None
    against: CheckedFile | None
    notes: tuple[str, ...]
    rounds: int
    batches: tuple[int, ...]
    columns: tuple[Column, ...]
    peak: Mapping[int, Spread]
    operators: tuple[Operator, ...]
    environment: Mapping[str, str]

    def require_beside(self) -> None:
        """`WitnessError` if the file was to be measured beside its model, and nothing else ran."""
        others = self.columns[1:]
        if self.against is not None and not any(column.ran for column in others):
            reasons = (f"  {column.program}: {column.why_not}" for column in others)
            raise WitnessError("QC732", f"{self.file.path}: no program ran beside it:", *reasons)
