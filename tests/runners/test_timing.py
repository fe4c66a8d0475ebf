"""The programs that `bench` times, all in one process of TensorFlow."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from qconvert.errors import WitnessError
from qconvert.runners.npz import read_npz, write_npz
from qconvert.runners.process import Answer, Json, Worker

DATA: Final = Path(__file__).parents[1] / "data"
#: Quantized throughout, so that all programs give the same bits.
MODEL: Final = DATA / "encoder.json"
WEIGHTS: Final = str(DATA / "encoder_weights.hdf5")


class Asked:
    """A worker, the arrays that it is given, and a folder for what it writes."""

    def __init__(self, worker: Worker) -> None:
        self.folder = worker.folder
        self.inputs = self.folder / "inputs.npz"
        self._worker = worker
        random = np.random.default_rng(0)
        write_npz(self.inputs, {"x": random.standard_normal((3, 8, 8, 1), np.float32)})

    def __call__(self, do: str, **arguments: Json) -> Answer:
        return self._worker.ask(do, arguments)

    def start(self, kind: str, file: Path) -> float:
        answer = self("start", kind=kind, file=str(file), weights=WEIGHTS, threads=1)
        seconds, size = answer["seconds"], answer.get("bytes")
        assert isinstance(seconds, float)
        # TensorFlow Lite alone makes a file of its own, of 4 bytes a weight and more.
        assert (isinstance(size, int) and 4000 < size < 40_000) == (kind == "tflite")
        return seconds

    def results(self) -> Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        outputs = self.folder / "results.npz"
        answer = self("results", inputs=str(self.inputs), outputs=str(outputs), most=1 << 20)
        found = read_npz(outputs)
        assert answer["keys"] == list(found)
        return found


@pytest.fixture(scope="module")
def worker() -> Iterator[Asked]:
    with Worker() as started:
        yield Asked(started)


@pytest.fixture(scope="module")
def truth(worker: Asked) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    worker.start("eager", MODEL)
    (found,) = worker.results().values()
    assert found.shape == (3, 16)
    assert len(np.unique(found)) > 8
    return found


@pytest.mark.parametrize("kind", ["predict", "function", "tflite"])
def test_every_program_computes_the_model(
    worker: Asked, truth: np.ndarray[tuple[int, ...], np.dtype[np.float32]], kind: str
) -> None:
    assert worker.start(kind, MODEL) > 0
    (found,) = worker.results().values()
    np.testing.assert_array_equal(found, truth)
    seconds = worker("time", inputs=str(worker.inputs), seconds=0.01)["seconds"]
    assert isinstance(seconds, float)
    assert 0 < seconds < 60


def test_tf2onnx_converts_the_live_model(
    worker: Asked, truth: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    theirs = worker.folder / "theirs.onnx"
    answer = worker("tf2onnx", model=str(MODEL), weights=WEIGHTS, output=str(theirs))
    assert str(answer["converter"]).startswith("tf2onnx ")
    worker.start("onnxruntime", theirs)
    (found,) = worker.results().values()
    np.testing.assert_array_equal(found, truth)


def test_an_unknown_program_and_wrong_inputs_are_refused(worker: Asked, tmp_path: Path) -> None:
    with pytest.raises(WitnessError, match="unknown program 'guess'"):
        worker.start("guess", MODEL)
    worker.start("function", MODEL)
    write_npz(tmp_path / "two.npz", {n: np.zeros((1, 16), np.float32) for n in "ab"})
    with pytest.raises(WitnessError, match="the program takes"):
        worker("time", inputs=str(tmp_path / "two.npz"), seconds=0.01)
