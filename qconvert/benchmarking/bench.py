"""A file of ONNX beside the model that it was made of, in every program that can run it."""

import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import onnx

from qconvert.amounts import amount
from qconvert.benchmarking.evaluate import column, per_second
from qconvert.benchmarking.inputs import batch_of, require_few, with_sizes
from qconvert.benchmarking.measure import Measured, Told, measure
from qconvert.benchmarking.operators import operators_of
from qconvert.benchmarking.programs import Against, Programs, programs
from qconvert.benchmarking.results import Benchmark, Column, Operator
from qconvert.benchmarking.running import Running
from qconvert.checking.results import CheckedFile
from qconvert.errors import WitnessError, naming_file
from qconvert.modelfile import Limits
from qconvert.runners.environment import probe
from qconvert.runners.ort import OrtRunner
from qconvert.weighing.file_macs import multiplications

#: Hours.
MOST_ROUNDS: Final = 10_000
#: So many for each processor still end within a minute; of thousands the system starts none.
MOST_THREADS: Final = 16 * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """With how many samples, threads (0: each program's default) and rounds to measure.

    No more samples are drawn, and no more outputs compared, than the *limits* allow.
    """

    batches: tuple[int, ...]
    threads: tuple[int, ...]
    rounds: int
    limits: Limits


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """The ONNX file that is measured, and what was read of it."""

    path: Path
    model: onnx.ModelProto
    read: CheckedFile


def bench(file: Timed, against: Against | None, plan: Plan, told: Told) -> Benchmark:
    """Measure *file* and all that runs the same model.

    Raises `WitnessError` where ONNX Runtime does not run the file, and `LimitError` where it
    takes too much; of other programs the column says what failed.
    """
    model = file.model
    only = batch_of(model)
    batches = plan.batches if only is None else (only,)
    require_few(file.path, model, batches, plan.limits, keras=against is not None)
    with (
        tempfile.TemporaryDirectory(prefix="qconvert-") as folder,
        naming_file(file.path, WitnessError),
    ):
        told("converting with tf2onnx" if against else "drawing inputs")
        all_ = programs(file.path, model, against, batches, Path(folder))
        found = {threads: _measured(all_, threads, plan, told) for threads in plan.threads}
        told("profiling")
        operators = _operators(model, all_, max(batches))
        macs = _multiplications(model, only)
        columns = _columns(found, macs)
    peak = {threads: per_second(each[-1]) for threads, each in found.items()}
    return Benchmark(
        file=file.read,
        bytes=file.path.stat().st_size,
        macs=macs,
        against=None if against is None else against.file,
        notes=(*_of_batches(plan, only), *(() if against is None else against.notes)),
        rounds=plan.rounds,
        batches=batches,
        columns=(*columns, *all_.refused),
        peak={threads: each for threads, each in peak.items() if each is not None},
        operators=operators,
        environment=_environment(against),
    )


def _measured(all_: Programs, threads: int, plan: Plan, told: Told) -> tuple[Measured, ...]:
    """The file first, the matrix product last."""
    compared = plan.limits if all_.others else None
    listed = (all_.measured, *all_.others, all_.product)
    words = f"{threads} thread(s)" if threads else "default threads"
    found = measure(listed, threads, plan.rounds, lambda text: told(f"{words}: {text}"), compared)
    if failure := found[0].failure:
        raise failure
    return found


def _columns(found: Mapping[int, Sequence[Measured]], macs: int | None) -> tuple[Column, ...]:
    by_program = [dict(zip(found, each, strict=True)) for each in zip(*found.values(), strict=True)]
    measured, *_, product = by_program
    return tuple(column(each, measured, product, macs) for each in by_program[:-1])


def _operators(model: onnx.ModelProto, all_: Programs, batch: int) -> tuple[Operator, ...]:
    """Those of one thread."""
    with Running(all_.measured, 1) as program:
        program.startup()
        profiled = program.profile(batch)
    return operators_of(model, OrtRunner(model).optimized(), profiled)


def _of_batches(plan: Plan, only: int | None) -> Iterator[str]:
    """That others than the *only* number of samples that the file takes are not measured."""
    if only is not None and plan.batches != (only,):
        yield f"the file takes calls of {amount(only, 'sample')} and no others"


def _multiplications(model: onnx.ModelProto, only: int | None) -> int | None:
    """Those of one sample, also of a file that takes *only* so many."""
    total = multiplications(with_sizes(model, only or 1))
    return None if total is None else total // (only or 1)


def _environment(against: Against | None) -> dict[str, str]:
    """Where it ran: versions, and the machine."""
    found = probe(Path(sys.executable)).versions
    there = found if against is None or against.python is None else probe(against.python).versions
    names = ("tensorflow", "tf-keras", "keras", "qkeras", "tf2onnx") if against else ()
    return {
        "qconvert": version("qconvert"),
        "python": platform.python_version(),
        "onnxruntime": found.get("onnxruntime", "missing"),
        **{name: there.get(name, "missing") for name in names},
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "processors": str(os.cpu_count()),
    }


def _processor() -> str:
    """As Linux calls it, or what Python knows."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
