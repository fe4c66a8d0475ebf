"""What a target's answers are, against TensorFlow's results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from qconvert.checking.compare import EXPLAINED_BY_NOTHING, Difference, compare
from qconvert.checking.rounding import Mask, expectation, explained
from qconvert.checking.witness import Witness
from qconvert.ir import F32, Graph, Output
from scripts.targeted.cases import CASES, EXACT, WHOLE, Case
from scripts.targeted.expected import Expected, read
from scripts.targeted.fileset import File

ANSWERS: Final = "answers.jsonl"
_PAIR: Final = (Witness.TENSORFLOW, Witness.DEPLOYED)
_NO_ANSWER: Final = "no answer"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file in one mode: an error, or how all its outputs differ.

    ``rounds`` tells that the file has a float32 tail, whose results may differ by rounding.
    """

    file: File
    mode: str
    rounds: bool
    difference: Difference | None
    error: str = ""

    @property
    def right(self) -> bool:
        """Whether every number is TensorFlow's, or in a tail no farther than rounding takes it."""
        return self.difference is not None and self.difference.beyond == 0


@dataclass(frozen=True, slots=True)
class Tried:
    """All that a target said; ``missing`` tells why it could not be installed, if so."""

    name: str
    versions: Mapping[str, str]
    outcomes: tuple[Outcome, ...]
    missing: str = ""


def judged(
    name: str, results: Path, files: Sequence[File], modes: Sequence[str], died: str = ""
) -> Tried:
    """Compare what a target left in *results* with what is expected.

    What is missing there is an error: how the program *died*, if it did.
    """
    versions, answers = _read(results / ANSWERS)
    truths = {case: Truth.of(case) for case in dict.fromkeys(file.case for file in files)}
    missing = {"error": died or _NO_ANSWER}
    outcomes = [
        truths[file.case].outcome(results, file, mode, answers.get((file.name, mode), missing))
        for file in files
        for mode in modes
    ]
    return Tried(name, versions, tuple(outcomes))


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a case gives: TensorFlow's numbers, and the graphs that tell what may round."""

    case: Case
    expected: Expected
    parts: Mapping[str, Graph]

    @classmethod
    def of(cls, name: str) -> "Truth":
        """The truth about a case."""
        return cls(CASES[name], read(name), CASES[name].parts())

    def outcome(self, results: Path, file: File, mode: str, answer: Mapping[str, Any]) -> Outcome:
        """Compare one answer."""
        rounds = file.part == WHOLE and bool(self.case.exact)
        graph, expected = self.parts[file.part], self.expected.results[file.part]
        shapes = answer.get("shapes", ())
        if len(shapes) != len(graph.outputs):
            error = answer.get("error", f"{len(shapes)} outputs, not {len(graph.outputs)}")
            return Outcome(file, mode, rounds, None, error)
        total = Difference()
        for i, (output, shape) in enumerate(zip(graph.outputs, shapes, strict=True)):
            found = np.fromfile(results / f"{file.name}.{mode}.{i}.bin", "<f4").reshape(shape)
            misfits = self._misfits(graph, output, found) if rounds else EXPLAINED_BY_NOTHING
            pair = dict(zip(_PAIR, (expected[output.name], found), strict=True))
            total = total.merge(compare(_PAIR, pair, misfits=misfits))
        return Outcome(file, mode, rounds, total)

    def _misfits(self, graph: Graph, output: Output, found: F32) -> Mapping[Witness, Mask | None]:
        """Where a result is none that a correct float32 tail makes of TensorFlow's codes."""
        end = next(layer.value for layer in graph.layers if layer.name == self.case.exact)
        own = {**self.expected.inputs, end: self.expected.results[EXACT][self.case.exact]}
        computed, radius = expectation(graph, output.value, own)
        fits = computed.shape == found.shape and explained(found, computed, radius)
        return {Witness.TENSORFLOW: None, Witness.DEPLOYED: ~np.broadcast_to(fits, found.shape)}


def _read(path: Path) -> tuple[Mapping[str, str], dict[tuple[str, str], Mapping[str, Any]]]:
    """The versions, and the answers by file and mode."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
    versions: dict[str, str] = next((x["versions"] for x in entries if "versions" in x), {})
    return versions, {(x["file"], x["mode"]): x for x in entries if "file" in x}
