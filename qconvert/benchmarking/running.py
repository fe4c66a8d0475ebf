"""A program in a process of its own, for as long as it is timed."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from qconvert.amounts import amount
from qconvert.errors import LimitError, WitnessError
from qconvert.modelfile import Limits
from qconvert.runners.npz import bytes_in
from qconvert.runners.ort_process import MEMORY, OrtLimits
from qconvert.runners.process import Answer, Json, Worker, words_of

#: For each answer of a program that has to: converting and loading a large model takes minutes.
_SECONDS: Final = 1800.0
#: The kind of program that runs an ONNX file.
ONNX_RUNTIME: Final = "onnxruntime"
#: The kind of program that makes a file of the model, and runs that.
CONVERTING: Final = "tflite"
#: What ONNX Runtime, NumPy and Python say of too little memory.
_NO_MEMORY: Final = re.compile("allocate memory|bad_alloc|Unable to allocate|MemoryError")


@dataclass(frozen=True, slots=True)
class Program:
    """A *kind* of program of the worker, and the *file* that it runs.

    Its process is one of *python*, if not of this interpreter. *inputs* are files of arrays by
    number of samples.
    """

    name: str
    kind: str
    file: Path
    inputs: Mapping[int, Path]
    weights: Path | None = None
    python: Path | None = None

    @property
    def bytes(self) -> int:
        """The size of what it reads."""
        files = [self.file] if self.weights is None else [self.file, self.weights]
        return sum(each.stat().st_size for each in files)


@dataclass(frozen=True, slots=True)
class Started:
    """How a program started; ``converted`` is the size of the file that it made of the model."""

    seconds: float
    converted: int | None = None


class Running(Worker):
    """A context in which a program runs with so many threads.

    Entering it has the program start, too, and does not wait for it. Its limits are those of ONNX
    Runtime in a check, but that other programs have more time, in which they convert.
    """

    name = "its process"

    def __init__(self, program: Program, threads: int) -> None:
        limits = OrtLimits.from_environment()
        seconds = limits.seconds if program.kind == ONNX_RUNTIME else _SECONDS
        super().__init__(program.python, timeout=seconds)
        self.program = program
        self._threads = threads
        self._limits = limits

    def __enter__(self) -> Self:
        super().__enter__()
        self.confine(self._limits.memory)
        weights = None if self.program.weights is None else str(self.program.weights.resolve())
        self.send("start", self._asked(kind=self.program.kind, weights=weights))
        return self

    def startup(self) -> Started:
        """Wait until the program can be called."""
        answer = self.receive()
        converted = int(_number(answer, "bytes")) if "bytes" in answer else None
        return Started(_number(answer, "seconds"), converted)

    def time(self, batch: int, seconds: float) -> float:
        """The seconds of the fastest of calls with so many samples, over about *seconds*."""
        asked: dict[str, Json] = {"inputs": str(self.program.inputs[batch]), "seconds": seconds}
        return _number(self._called("time", asked, batch), "seconds")

    def peak(self) -> int:
        """The largest resident memory of the process so far, in bytes."""
        return int(_number(self.ask("peak", {}), "bytes"))

    def results(self, batch: int, limits: Limits) -> list[npt.NDArray[Any]]:
        """The outputs for so many samples, in the program's order.

        `LimitError` if they take more bytes than a tensor may, which the process does not send.
        """
        outputs, most = self.folder / "results.npz", limits.tensor_bytes
        inputs = str(self.program.inputs[batch])
        asked: dict[str, Json] = {"inputs": inputs, "outputs": str(outputs), "most": most}
        answer = self._called("results", asked, batch)
        if "refused" in answer:
            raise self._too_large(int(_number(answer, "refused")), batch, limits)
        try:
            if (size := bytes_in(outputs)) <= most:
                with np.load(outputs, allow_pickle=False) as arrays:
                    return [arrays[name] for name in arrays.files]
        except Exception as error:
            raise WitnessError("QC723", f"the worker wrote no results: {error}") from error
        raise self._too_large(size, batch, limits)

    def _too_large(self, size: int, batch: int, limits: Limits) -> LimitError:
        what = f"{self.program.name}: outputs of {size:,} bytes for {batch} samples"
        return LimitError("QC320", f"{what}: {limits.of('tensor_bytes')}")

    def profile(self, batch: int) -> list[tuple[str, str, float]]:
        """Name, type and seconds a call of each operator of an ONNX file."""
        asked = self._asked(inputs=str(self.program.inputs[batch]))
        found = self._called("profile", asked, batch).get("operators")
        if not isinstance(found, list):
            raise WitnessError("QC723", "the worker profiled nothing")
        return [_operator(each) for each in found]

    def _called(self, do: str, asked: dict[str, Json], batch: int) -> Answer:
        """The answer to what has the program called; a lack of memory comes of the *batch*."""
        try:
            return self.ask(do, asked)
        except WitnessError as error:
            if not _NO_MEMORY.search(str(error)):
                raise
            head, *more = error.lines
            fewer = "give fewer (--batch) or " if batch > 1 else ""
            told = (
                f"a call with {amount(batch, 'sample')} takes more memory than it may "
                f"({self._limits.memory >> 20} MiB): {fewer}raise {MEMORY}; {head}"
            )
            raise WitnessError(error.code, told, *more) from error

    def _explained(self, what: str) -> str:
        if self.program.kind == ONNX_RUNTIME:
            return f"{what}; {self._limits}"
        return f"{what}; it may allocate {self._limits.memory >> 20} MiB ({MEMORY})"

    def _reported(self, answer: Answer) -> WitnessError:
        """Of an ONNX file what a check says of it; its process answers first how it has started."""
        error = super()._reported(answer)
        if self.program.kind != ONNX_RUNTIME or error.code not in ("QC724", "QC725"):
            return error
        reason = words_of(answer["error"])
        if error.code == "QC725" and "'onnxruntime'" in reason:
            return error
        if error.code == "QC725":
            # It was asked for no TensorFlow, and what it does not import may be too large.
            return WitnessError("QC727", self._explained(f"{self.name} failed: {reason}"))
        if self._answered == 1:
            return WitnessError("QC726", f"ONNX Runtime does not load the file: {reason}")
        return WitnessError("QC727", f"ONNX Runtime failed: {reason}")

    def _asked(self, **more: Json) -> dict[str, Json]:
        return {"file": str(self.program.file.absolute()), "threads": self._threads, **more}


def convert_with_tf2onnx(
    model: Path, weights: Path | None, output: Path, python: Path | None
) -> None:
    """Have tf2onnx convert a Keras model in TensorFlow's process; `WitnessError` if it does not."""
    given = None if weights is None else str(weights.resolve())
    with Worker(python, timeout=_SECONDS) as worker:
        worker.confine(OrtLimits.from_environment().memory)
        asked = {"model": str(model.resolve()), "weights": given, "output": str(output)}
        answer = worker.ask("tf2onnx", asked)
    if "refused" in answer:
        raise WitnessError("QC731", f"tf2onnx does not convert the model: {answer['refused']}")


def _operator(given: Json) -> tuple[str, str, float]:
    match given:
        case [str(name), str(kind), float(seconds)] if 0 <= seconds <= sys.maxsize:
            return name, kind, seconds
        case _:
            raise WitnessError("QC723", f"the worker profiled something else: {given}")


def _number(answer: Answer, name: str) -> float:
    match answer.get(name):
        case int() | float() as value if 0 < value <= sys.maxsize:
            return float(value)
        case other:
            raise WitnessError("QC723", f"the worker answered no {name}: {str(other)[:80]}")
