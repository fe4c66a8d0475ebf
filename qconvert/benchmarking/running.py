"""A program in a process of its own, for as long as it is timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from qconvert.errors import WitnessError
from qconvert.runners.process import Answer, Json, Worker

#: For each answer; converting and loading a large model takes minutes.
_SECONDS: Final = 1800.0
#: The kind of program that makes a file of the model, and runs that.
CONVERTING: Final = "tflite"


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

    Entering it has the program start, too, and does not wait for it.
    """

    def __init__(self, program: Program, threads: int) -> None:
        super().__init__(program.python, timeout=_SECONDS)
        self.program = program
        self._threads = threads

    def __enter__(self) -> Self:
        super().__enter__()
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
        inputs = str(self.program.inputs[batch])
        return _number(self.ask("time", {"inputs": inputs, "seconds": seconds}), "seconds")

    def peak(self) -> int:
        """The largest resident memory of the process so far, in bytes."""
        return int(_number(self.ask("peak", {}), "bytes"))

    def results(self, batch: int) -> list[npt.NDArray[Any]]:
        """The outputs for so many samples, in the program's order."""
        outputs = self.folder / "results.npz"
        inputs = str(self.program.inputs[batch])
        self.ask("results", {"inputs": inputs, "outputs": str(outputs)})
        try:
            with np.load(outputs, allow_pickle=False) as arrays:
                return [arrays[name] for name in arrays.files]
        except Exception as error:
            raise WitnessError("QC723", f"the worker wrote no results: {error}") from error

    def profile(self, batch: int) -> list[tuple[str, str, float]]:
        """Name, type and seconds a call of each operator of an ONNX file."""
        asked = self._asked(inputs=str(self.program.inputs[batch]))
        found = self.ask("profile", asked).get("operators")
        if not isinstance(found, list):
            raise WitnessError("QC723", "the worker profiled nothing")
        return [_operator(each) for each in found]

    def _asked(self, **more: Json) -> dict[str, Json]:
        return {"file": str(self.program.file.resolve()), "threads": self._threads, **more}


def convert_with_tf2onnx(
    model: Path, weights: Path | None, output: Path, python: Path | None
) -> None:
    """Have tf2onnx convert a Keras model in TensorFlow's process; `WitnessError` if it does not."""
    given = None if weights is None else str(weights.resolve())
    with Worker(python, timeout=_SECONDS) as worker:
        asked = {"model": str(model.resolve()), "weights": given, "output": str(output)}
        answer = worker.ask("tf2onnx", asked)
    if "refused" in answer:
        raise WitnessError("QC731", f"tf2onnx does not convert the model: {answer['refused']}")


def _operator(given: Json) -> tuple[str, str, float]:
    match given:
        case [str(name), str(kind), float(seconds)]:
            return name, kind, seconds
        case _:
            raise WitnessError("QC723", f"the worker profiled something else: {given}")


def _number(answer: Answer, name: str) -> float:
    value = answer.get(name)
    if not isinstance(value, (int, float)):
        raise WitnessError("QC723", f"the worker answered no {name}: {sorted(answer)}")
    return float(value)
