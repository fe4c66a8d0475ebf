"""Cases that hypothesis draws, and makes as small as it can where one fails."""

import math
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import HypothesisWarning
from hypothesis.strategies import SearchStrategy

from scripts.fuzzing.tally import Budget, Failure, Tally, WrongError

T = TypeVar("T")

_BATCH: Final = 100
#: Kilobytes that no case may take more than all before it.
_MEMORY: Final = 512 << 10


@dataclass(frozen=True, slots=True)
class Drawn(Generic[T]):
    """What is drawn, and what is done with it.

    ``attempt`` returns the outcome, as `Tally` counts it, and raises whatever is wrong.
    ``content`` is a case as the bytes of a file. A case may take so many ``seconds`` of this
    process's processor. One that fails is made smaller, unless ``shrinks`` is false because trying
    it again takes long.
    """

    name: str
    what: str
    inputs: SearchStrategy[T]
    attempt: Callable[[T], str]
    content: Callable[[T], bytes]
    suffix: str
    seconds: float = 10.0
    shrinks: bool = True


def run(target: Drawn[Any], budget: Budget) -> Tally:
    """Try cases until the budget is spent or one fails."""
    trial = _Trial(target, budget)
    part = 0
    while not trial.is_over and not trial.tally.failures:
        trial.batch(budget.seed * 1_000_003 + part)
        part += 1
    return trial.tally


class _Trial:
    """Counts the cases of one target."""

    def __init__(self, target: Drawn[Any], budget: Budget) -> None:
        self.tally = Tally(target.name)
        self._target = target
        self._cases = budget.cases
        self._deadline = time.monotonic() + budget.seconds
        self._last: Any = None
        self._failed = False

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        if self._cases is not None:
            return self.tally.outcomes.total() >= self._cases
        return time.monotonic() >= self._deadline

    def batch(self, seed: int) -> None:
        """Have hypothesis draw some cases."""
        counted = settings(
            max_examples=min(_BATCH, self._cases or _BATCH),
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink)[: 1 + self._target.shrinks],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        try:
            with warnings.catch_warnings():
                # The case is written to a file: how long it is to print does not matter.
                warnings.simplefilter("ignore", HypothesisWarning)
                hypothesis.seed(seed)(counted(given(self._target.inputs)(self._one)))()
        except Exception as error:  # whatever it is, it is what is looked for
            vars(error).pop("__notes__", None)
            content = self._target.content(self._last)
            self.tally.failures.append(
                Failure(traceback.format_exc(), content, self._target.suffix)
            )

    def _one(self, case: Any) -> None:  # noqa: ANN401
        # Hypothesis goes on to the end of its batch; what fails, it has to see fail again.
        if self.is_over and not self._failed:
            return
        self._last = case
        begin, memory = time.monotonic(), _peak()
        try:
            outcome, seconds = self._timed(case)
            self._require_modest(seconds, _peak() - memory)
        except Exception:
            self._failed = True
            raise
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - begin)
        if not self._failed:
            self.tally.outcomes[outcome] += 1

    def _timed(self, case: Any) -> tuple[str, float]:  # noqa: ANN401
        """The outcome, and the seconds of the processor: the least of three, if these are many."""
        least = math.inf
        for _ in range(3):
            spent = time.process_time()
            outcome = self._target.attempt(case)
            least = min(least, time.process_time() - spent)
            if least <= self._target.seconds:
                break
        return outcome, least

    def _require_modest(self, seconds: float, kilobytes: int) -> None:
        if seconds > self._target.seconds:
            raise WrongError(f"a case of {seconds:.2f} s; at most {self._target.seconds} s")
        if kilobytes > _MEMORY:
            raise WrongError(f"a case of {kilobytes >> 10} MiB; at most {_MEMORY >> 10} MiB")


def _peak() -> int:
    """Kilobytes; not ``ru_maxrss``, which begins with that of the process which started this."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
