"""Checks of files with planted bugs, with the NumPy reference in TensorFlow's place."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qconvert.checking import CheckedFile, Report, Samples, Subject, assemble, examine, seeded
from qconvert.checking.witness import Direct, Runner, Witness
from qconvert.emit import to_onnx
from qconvert.frontend import build_graph
from qconvert.ir import Graph
from qconvert.modelfile import read_model
from qconvert.output import Outputs
from qconvert.reproducing import Collector, write_reproducer
from qconvert.reproducing.isolate import isolate
from qconvert.runners.reference import ReferenceRunner
from tests.checking.stand_in import stand_in_for

Array: TypeAlias = npt.NDArray[Any]
Edit: TypeAlias = Callable[[onnx.ModelProto], None]

DATA = Path(__file__).resolve().parents[1] / "data"


@dataclass(frozen=True)
class Made:
    """A report, the folder that it names, and what its script says."""

    report: Report
    folder: Path

    def run(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, self.folder / "reproduce.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def values(self) -> dict[str, Array]:
        with np.load(self.folder / "values.npz") as arrays:
            return dict(arrays)

    @property
    def nonzeros(self) -> int:
        arrays = self.values()
        return sum(
            int(np.count_nonzero(x)) for name, x in arrays.items() if name.startswith("input/")
        )


def graph_of(file: str) -> Graph:
    weights = DATA / "encoder_weights.hdf5" if file == "encoder.json" else None
    return build_graph(read_model(DATA / file, weights))


def made(
    graph: Graph,
    model: onnx.ModelProto,
    folder: Path,
    *,
    truth: Graph | None = None,
    replaced: Mapping[Witness, Runner] = {},
    samples: Samples | None = None,
    forced: bool = True,
) -> Made:
    """Check *model*, where *truth* is the graph that TensorFlow computes."""
    panel = assemble(graph, model, "another takes its place")
    tensorflow = Direct(ReferenceRunner(truth or graph).run)
    panel = replace(
        panel,
        runners={Witness.TENSORFLOW: tensorflow, **panel.runners, **replaced},
        qkeras=stand_in_for(graph),
        tensors=panel.tensors if forced else {},
        unavailable={},
    )
    subject = Subject(graph, CheckedFile("model.h5", ""), CheckedFile(None, ""))
    collector = Collector(graph, model)
    report = examine(subject, panel, samples or seeded(graph, 17), observe=collector)
    asked = panel.runners[Witness.TENSORFLOW]
    with Outputs(force=False) as outputs:
        report = write_reproducer(report, collector, graph, model, folder, outputs, asked)
    return Made(report, folder)


def planted(model: onnx.ModelProto, name: str, change: Callable[[Array], Array]) -> onnx.ModelProto:
    """A copy of *model* with another initializer."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    (tensor,) = (x for x in result.graph.initializer if x.name == name)
    array = numpy_helper.to_array(tensor).copy()
    tensor.CopyFrom(numpy_helper.from_array(change(array).astype(array.dtype), name))
    return result


def changed(model: onnx.ModelProto, edit: Edit) -> onnx.ModelProto:
    result = onnx.ModelProto()
    result.CopyFrom(model)
    edit(result)
    return result


def computing(model: onnx.ModelProto, tensor: str) -> onnx.NodeProto:
    found: list[onnx.NodeProto] = [n for n in model.graph.node if tensor in n.output]
    return found[0]


def assert_gone(found: Made, graph: Graph, name: str) -> None:
    """With the same layer of the right file the script finds nothing."""
    right = isolate(graph, to_onnx(graph), name)
    assert right is not None
    onnx.save(right.model, found.folder / "right.onnx")
    done = found.run(found.folder / "right.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("they are equal\n")


def assert_shown(found: Made, name: str) -> str:
    """The layer, an expected and a found value that differ; what the script printed."""
    first = found.report.first_difference
    assert first is not None
    assert first.name == name
    assert found.report.reproducer is not None
    assert found.report.reproducer.path == str(found.folder)
    done = found.run()
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"layer {name} (")
    (expected,) = (line.split()[1] for line in lines if line.startswith("  expected "))
    values = [line.split()[1] for line in lines if line.startswith("  found ")]
    assert len(values) == 2
    assert expected not in values
    return done.stdout


def plus_one(at: int) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        array.flat[at] += 1
        return array

    return change
