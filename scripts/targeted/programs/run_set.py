"""Runs a test set with one runtime, which this interpreter has: RUNTIME SET RESULTS.

It imports nothing of qconvert, for it runs in environments where that is not installed. Every
model gets the first sample by itself, then the others in one batch. RESULTS/answers.jsonl has a
line of versions, then one a model and mode: an error, or the shapes of the outputs, whose float32
numbers lie in NAME.MODE.INDEX.bin.
"""

import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Entry: TypeAlias = Mapping[str, Any]
#: From inputs by name to outputs by the names given.
Run: TypeAlias = Callable[[Mapping[str, Array], Sequence[str]], Sequence[Array]]
#: A file and a mode to what runs it.
Load: TypeAlias = Callable[[Path, str], Run]

#: Optimizations off; as deployed; as deployed, but asked to be exact.
PLAIN, DEPLOYED, ACCURATE = "plain", "deployed", "accurate"


def load_onnxruntime(path: Path, mode: str) -> Run:
    """A session with default options, but for the optimizations of the plain mode."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if mode == PLAIN:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs, outputs: session.run(list(outputs), dict(inputs))


def load_openvino(path: Path, mode: str) -> Run:
    """The CPU plugin, which if it is free to do so computes in bfloat16 and bytes of its own."""
    import openvino

    options = {"EXECUTION_MODE_HINT": "ACCURACY"} if mode == ACCURATE else {}
    model = openvino.Core().compile_model(path, "CPU", options)

    def run(inputs: Mapping[str, Array], outputs: Sequence[str]) -> Sequence[Array]:
        results = model(dict(inputs))
        return [np.array(results[name]) for name in outputs]

    return run


def load_reference(path: Path, mode: str) -> Run:
    """ONNX's own evaluator, which optimizes nothing."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(path))
    return lambda inputs, outputs: list(evaluator.run(list(outputs), dict(inputs)))


RUNTIMES: Final[Mapping[str, tuple[str, Load, tuple[str, ...]]]] = {
    "onnxruntime": ("onnxruntime", load_onnxruntime, (PLAIN, DEPLOYED)),
    "openvino": ("openvino", load_openvino, (DEPLOYED, ACCURATE)),
    "reference": ("onnx", load_reference, (PLAIN,)),
}


def answers(runtime: str, folder: Path, results: Path) -> Iterator[Entry]:
    """The lines of the file of answers."""
    package, load, modes = RUNTIMES[runtime]
    versions = {name: importlib.metadata.version(name) for name in (package, "numpy")}
    yield {"versions": {**versions, "python": platform.python_version()}}
    for entry in json.loads((folder / "set.json").read_text())["models"]:
        for mode in modes:
            yield {
                "file": entry["name"],
                "mode": mode,
                **answer(load, entry, mode, folder, results),
            }


def answer(load: Load, entry: Entry, mode: str, folder: Path, results: Path) -> Entry:
    """Run one model; whatever goes wrong is its answer."""
    try:
        run = load(folder / f"{entry['name']}.onnx", mode)
        arrays = outputs(run, entry, folder)
    except Exception as error:  # a runtime may raise anything
        return {"error": f"{type(error).__name__}: {error}"}
    wrong = [str(array.dtype) for array in arrays if array.dtype != np.float32]
    if wrong:
        return {"error": f"outputs are {', '.join(wrong)}, not float32"}
    for i, array in enumerate(arrays):
        (results / f"{entry['name']}.{mode}.{i}.bin").write_bytes(array.astype("<f4").tobytes())
    return {"shapes": [list(array.shape) for array in arrays]}


def outputs(run: Run, entry: Entry, folder: Path) -> list[Array]:
    """All outputs of the first sample, and of the others, joined."""
    inputs = {
        x["name"]: np.fromfile(folder / x["data"], "<f4").reshape(x["shape"])
        for x in entry["inputs"]
    }
    batches = [{name: x[span] for name, x in inputs.items()} for span in (slice(1), slice(1, None))]
    found = [run(batch, entry["outputs"]) for batch in batches]
    return [np.concatenate(pair) for pair in zip(*found, strict=True)]


def write(file: IO[str], entry: Entry) -> None:
    """Write a line, and keep it whatever happens next."""
    file.write(json.dumps(entry) + "\n")
    file.flush()


def main(runtime: str, folder: Path, results: Path) -> None:
    """Answer for every model in every mode."""
    with (results / "answers.jsonl").open("w") as file:
        for each in answers(runtime, folder, results):
            write(file, each)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
