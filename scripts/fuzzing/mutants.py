"""F9: exported files with one bit of a constant changed, which a check has to tell.

Bugs that somebody thought of are in `scripts/mutants.py`. Of one that nobody did it is not known
at which layer it has to be found, and whether any sample shows it: a file that passes must have
computed the same on the samples of the check, and one that is PROVEN on any.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import numpy_helper

import qconvert
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.ir import Graph
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.tally import WrongError
from scripts.mutation.examine_files import reached
from scripts.mutation.file_mutant import FileMutant
from scripts.mutation.subjects import SAMPLES, check, files_of

#: Samples of a file that is PROVEN.
_ANY: Final = 512
_MODELS: Final = ("jet_mlp", "encoder", "mnist_cnn")


@dataclass(frozen=True, slots=True)
class Flip:
    """A bit of an element of a constant of a model's file, all of them by number."""

    model: str
    constant: int
    element: int
    bit: int

    def __call__(self, file: onnx.ModelProto) -> None:
        """Change the file."""
        constants = file.graph.initializer
        tensor = constants[self.constant % len(constants)]
        array = numpy_helper.to_array(tensor).copy()
        at = self.element % array.nbytes
        flat = bytearray(array.tobytes())
        flat[at] ^= 1 << self.bit
        changed = np.frombuffer(bytes(flat), array.dtype).reshape(array.shape)
        tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))


@cache
def _model(name: str) -> tuple[Graph, onnx.ModelProto]:
    path, weights = files_of(name, Path())
    graph = qconvert.load(path, weights=weights)
    return graph, to_onnx(graph)


def attempt(flip: Flip) -> str:
    """Check the file; what passes is looked at on further samples."""
    graph, right = _model(flip.model)
    wrong = onnx.ModelProto()
    wrong.CopyFrom(right)
    flip(wrong)
    report = check(graph, wrong)
    if not report.passed:
        return report.verdict.value
    proven = report.verdict is Verdict.PROVEN
    bug = FileMutant("drawn", "", flip.model, "", flip)
    seen = reached(Path(), bug, _ANY if proven else SAMPLES)
    if seen is not None:
        raise WrongError(f"{flip} passes, {report.verdict.value}, and is seen in {seen} samples")
    return ""


TARGET: Final[Drawn[Any]] = Drawn(
    name="mutants",
    what="exported files with one bit changed, checked",
    inputs=st.builds(
        Flip,
        st.sampled_from(_MODELS),
        st.integers(0, 1000),
        st.integers(0, 1 << 20),
        st.integers(0, 7),
    ),
    attempt=attempt,
    content=lambda flip: json.dumps(asdict(flip)).encode(),
    suffix=".json",
    seconds=120.0,
    shrinks=False,
)
