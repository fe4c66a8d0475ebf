"""Programs in processes of their own, by turns: what each takes."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MEGABYTE: Final = 1_000_000

#: Bytecode is kept, as of a package that is installed.
ENVIRONMENT: Final = {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONDONTWRITEBYTECODE": "",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a program: wall-clock seconds, and its largest resident memory in bytes.

    ``processor`` are the seconds that the processor had for it, whatever else was running.
    """

    seconds: float
    peak: int
    processor: float


@dataclass(frozen=True, slots=True)
class Program:
    """What is measured, and what it must stay under, where anything was promised."""

    name: str
    command: Sequence[str]
    seconds_limit: float | None = None
    peak_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of a program's runs."""

    program: Program
    median: Sample

    @property
    def within_limits(self) -> bool:
        """Whether the program kept what it promises."""
        seconds, peak = self.program.seconds_limit, self.program.peak_limit
        slow = seconds is not None and self.median.seconds >= seconds
        large = peak is not None and self.median.peak >= peak
        return not slow and not large


def run(command: Sequence[str]) -> Sample:
    """Run *command* to its end and measure it; what it says is shown only where it fails."""
    environment = {**os.environ, **ENVIRONMENT}
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{command} failed:\n{output.read().decode(errors='replace')}")
    return Sample(seconds, peak_bytes(usage.ru_maxrss), usage.ru_utime + usage.ru_stime)


def peak_bytes(maxrss: int) -> int:
    """``ru_maxrss`` in bytes: macOS counts it in bytes, Linux in KiB."""
    return maxrss if sys.platform == "darwin" else maxrss * 1024


def measure(measured: Sequence[Program], runs: int) -> tuple[Result, ...]:
    """Run each program *runs* times, by turns, after one round that only warms the caches."""
    for program in measured:
        run(program.command)
    rounds = [[run(program.command) for program in measured] for _ in range(runs)]
    columns = zip(*rounds, strict=True)
    return tuple(
        Result(program, median(samples)) for program, samples in zip(measured, columns, strict=True)
    )


def median(samples: Sequence[Sample]) -> Sample:
    """The median of each figure."""
    return Sample(
        statistics.median(sample.seconds for sample in samples),
        round(statistics.median(sample.peak for sample in samples)),
        statistics.median(sample.processor for sample in samples),
    )
