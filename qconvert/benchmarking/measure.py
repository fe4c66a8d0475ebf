"""Programs take turns, so that a slow spell of the machine hits all of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy.typing as npt

from qconvert.benchmarking.running import Program, Running
from qconvert.errors import LimitError, WitnessError
from qconvert.modelfile import Limits

Told: TypeAlias = Callable[[str], None]
#: So long a turn takes, or one call if that takes longer.
TURN: Final = 0.1


@dataclass(slots=True)
class Measured:
    """What one program took: seconds a call of each round by number of samples.

    ``converted`` is the size of the file that it made of the model; ``failure`` is why there is
    nothing, or nothing more, ``uncompared`` why there are no ``results`` beside the figures.
    """

    program: Program
    startup: float | None = None
    converted: int | None = None
    peak: int | None = None
    rounds: dict[int, list[float]] = field(default_factory=dict)
    results: list[npt.NDArray[Any]] | None = None
    failure: WitnessError | None = None
    uncompared: LimitError | None = None


def measure(
    programs: Sequence[Program],
    threads: int,
    rounds: int,
    told: Told,
    compared: Limits | None = None,
) -> tuple[Measured, ...]:
    """Run the *programs* by turns, each in its process, with so many threads (0: its default).

    Their results are taken where they are to be *compared*, up to these limits.
    """
    found = tuple(map(Measured, programs))
    with ExitStack() as stack:
        running: list[tuple[Measured, Running]] = []
        for each in found:
            # One after the other, so that none is slowed down by others while it starts.
            told(f"starting {each.program.name}")
            with _noting(each):
                running.append((each, _started(each, threads, stack)))
        for number in range(rounds):
            told(f"round {number + 1} of {rounds}")
            for each, program in running:
                with _noting(each):
                    _turn(each, program)
        for each, program in running:
            with _noting(each):
                _last(each, program, compared)
    return found


def _started(each: Measured, threads: int, stack: ExitStack) -> Running:
    program = stack.enter_context(Running(each.program, threads))
    started = program.startup()
    each.startup, each.converted = started.seconds, started.converted
    return program


def _turn(each: Measured, program: Running) -> None:
    if each.failure is None:
        for batch in each.program.inputs:
            each.rounds.setdefault(batch, []).append(program.time(batch, TURN))


def _last(each: Measured, program: Running, compared: Limits | None) -> None:
    """What is asked at the end: results take memory that the program alone does not."""
    if each.failure is None:
        each.peak = program.peak()
        if compared is not None:
            try:
                each.results = program.results(max(each.program.inputs), compared)
            except LimitError as error:
                each.uncompared = error


@contextmanager
def _noting(each: Measured) -> Iterator[None]:
    """Whatever a program does, the others go on."""
    try:
        yield
    except WitnessError as error:
        each.failure = error
