"""Checks exported files, each with one bug in it, and files without any.

``confirm FOLDER MODEL`` checks the model's file with TensorFlow itself. ``check FOLDER CASE...``
checks, with the reference in TensorFlow's place, the file of a mutant or, by the name of a model,
one without a bug, and prints what was found of each as a line of JSON. ``reach FOLDER MUTANT...``
does not check: it looks for a sample of the model's domain on which the file with the bug and the
one without return different results, so that no mutant is equivalent. FOLDER has the models of
`models.py`. The `qconvert` is that which Python finds, which may have a fault of its own.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import onnx

import qconvert
from qconvert.checking import seeded
from qconvert.checking.inputs import Batch
from qconvert.emit import to_onnx
from qconvert.errors import WitnessError
from qconvert.ir import Graph
from qconvert.runners.ort import OrtRunner
from qconvert.runners.traces import Trace
from scripts.mutation.file_mutant import FileMutant
from scripts.mutation.files import FILE_MUTANTS
from scripts.mutation.outcome import outcome_of
from scripts.mutation.runtime import run_here
from scripts.mutation.subjects import check, confirm, files_of

#: How many samples at most are tried to see what a bug changes.
_TRIED: Final = 2048
_BY_ID: Final = {mutant.id: mutant for mutant in FILE_MUTANTS}


@cache
def _model(folder: Path, name: str, dialect: str) -> tuple[Graph, onnx.ModelProto]:
    path, weights = files_of(name, folder)
    graph = qconvert.load(path, weights=weights)
    return graph, to_onnx(graph, dialect=dialect)


def _planted(folder: Path, mutant: FileMutant) -> tuple[Graph, onnx.ModelProto]:
    graph, right = _model(folder, mutant.model, mutant.dialect)
    wrong = onnx.ModelProto()
    wrong.CopyFrom(right)
    mutant.edit(wrong)
    return graph, wrong


def _checked(folder: Path, case: str) -> dict[str, object]:
    if case not in _BY_ID:
        report = check(*_model(folder, case, "qdq"))
    else:
        report = check(*_planted(folder, _BY_ID[case]), _BY_ID[case].unconverted)
    return {"case": case, **asdict(outcome_of(report))}


def reached(folder: Path, mutant: FileMutant, tried: int = _TRIED) -> int | None:
    """How many samples it takes to see a difference; ``None`` if *tried* ones show none."""
    if mutant.unconverted:
        return 0
    graph, wrong = _planted(folder, mutant)
    _, right = _model(folder, mutant.model, mutant.dialect)
    seen = 0
    for batch in seeded(graph, tried).batches:
        seen += len(next(iter(batch.values())))
        if _differ(right, wrong, batch):
            return seen
    return None


def _differ(right: onnx.ModelProto, wrong: onnx.ModelProto, batch: Batch) -> bool:
    """Whether any layer, or an output of the deployed file, is another; or nothing comes out."""
    try:
        found = list(_traces(wrong, batch))
    except WitnessError:
        return True
    return any(
        name not in of_wrong or not np.array_equal(array, of_wrong[name], equal_nan=True)
        for trace, other in zip(_traces(right, batch), found, strict=True)
        for of_right, of_wrong in ((trace.layers, other.layers), (trace.outputs, other.outputs))
        for name, array in of_right.items()
    )


def _traces(model: onnx.ModelProto, batch: Batch) -> Iterator[Trace]:
    runner = OrtRunner(model)
    yield runner.run_layers(batch)
    yield runner.run_deployed(batch)


def main(command: str, folder: Path, names: Sequence[str]) -> None:
    """Print a line for each name."""
    for name in names:
        match command:
            case "confirm":
                found = {"case": name, **asdict(outcome_of(confirm(name, folder)))}
            case "reach":
                found = {"case": name, "samples": reached(folder, _BY_ID[name])}
            case _:
                found = _checked(folder, name)
        print(json.dumps({"package": str(Path(qconvert.__file__).parent), **found}), flush=True)


if __name__ == "__main__":
    run_here()
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
