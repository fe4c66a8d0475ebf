"""ONNX files with changed protos or bytes, given to each command that takes one.

The isolated reader sees them first; ONNX Runtime, in a process of its own, may die of what passes
it. A file that `check` passes has to return what the one returns that was changed.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import onnx
from click.testing import CliRunner
from hypothesis import strategies as st

from qconvert.checking import seeded
from qconvert.checking.declared import with_codes_of
from qconvert.checking.inputs import Batch
from qconvert.checking.other_files.interface import interface
from qconvert.cli import cli
from qconvert.emit.metadata import read_metadata
from qconvert.errors import QConvertError
from qconvert.ir import F32, Graph
from qconvert.runners.foreign import ForeignRunner
from qconvert.runners.ort import OrtRunner
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.exported import Subject, subjects
from scripts.fuzzing.mutations import Mutated, mutated
from scripts.fuzzing.proto_changes import Edited, edited
from scripts.fuzzing.tally import WrongError, outcome_of, requiring
from scripts.mutation.subjects import SAMPLES, StandIn

#: So that files that keep the processes busy, or fill them, do not take the whole time.
_ENVIRONMENT: Final = {"QCONVERT_ORT_SECONDS": "10", "QCONVERT_ORT_MEMORY": "2048"}
_LIMITS: Final = ("--limit", "reader-seconds=10")


@dataclass(frozen=True, slots=True)
class Given:
    """A changed file, and the ``command`` that it is given to."""

    command: str
    file: Edited | Mutated


def attempt(case: Given) -> str:
    """Run the command, which ends in its result or in one error."""
    subject = subjects()[case.file.seed]
    with TemporaryDirectory() as name, patch.dict(os.environ, _ENVIRONMENT):
        path = Path(name) / "changed.onnx"
        path.write_bytes(case.file.content())
        try:
            COMMANDS[case.command](path, subject)
        except QConvertError as error:
            return outcome_of(error)
    return ""


def _inspect(path: Path, _: Subject) -> None:
    _run("inspect", path)


def _optimize(path: Path, _: Subject) -> None:
    _run("inspect", path, "--optimized", "--json")


def _diff(path: Path, subject: Subject) -> None:
    """With the file that was changed, and the other way round."""
    seed = path.with_name("seed.onnx")
    seed.write_bytes(subject.content)
    _run("diff", seed, path)
    _run("diff", path, seed, "--json")


def _diff_model(path: Path, subject: Subject) -> None:
    weights = ("--first-weights", subject.weights) if subject.weights else ()
    _run("diff", subject.path, path, *weights)


def _bench(path: Path, _: Subject) -> None:
    _run("bench", path, "--batch", 1, "--threads", 1, "--rounds", 1)


def _check(path: Path, subject: Subject) -> None:
    """With the reference in the place of TensorFlow, which agrees with it about these models."""
    weights = ("--weights", subject.weights) if subject.weights else ()
    options = ("--samples", SAMPLES, "--report", path.with_name("report"), *weights)

    @contextmanager
    def stand_in(*_: object) -> Iterator[StandIn]:
        yield StandIn(subject.graph)

    with patch("qconvert.api.checking.tensorflow_started", stand_in):
        code = _run("check", subject.path, path, *options)
    if code == 0:
        _require_equal(subject, path)


def _require_equal(subject: Subject, path: Path) -> None:
    """That a file returns on the samples of its check what it should."""
    changed, graph = onnx.load(path, load_external_data=False), subject.graph
    domains = with_codes_of(read_metadata(subject.file), {})
    with requiring("a file that passes"):
        for batch in seeded(graph, SAMPLES, domains=domains).batches:
            wanted, found = (_results(graph, each, batch) for each in (subject.file, changed))
            for name, array in wanted.items():
                if not np.array_equal(array, found[name], equal_nan=True):
                    raise WrongError(f"the file of {graph.name} passes and returns another {name}")


def _results(graph: Graph, model: onnx.ModelProto, batch: Batch) -> Mapping[str, F32]:
    known = interface(graph, model)
    runner = OrtRunner(model) if known is None else ForeignRunner(model, known)
    return runner.run_deployed(batch).outputs


def _run(*words: object) -> int:
    """The exit code of a command; raises what ends it."""
    arguments = [str(word) for word in (*words, *_LIMITS)]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value or 0)


COMMANDS: Final[Mapping[str, Callable[[Path, Subject], None]]] = {
    "inspect": _inspect,
    "inspect --optimized": _optimize,
    "diff": _diff,
    "diff with its model": _diff_model,
    "check": _check,
    "bench": _bench,
}
#: As often as each is tried: what takes seconds less often, and what tells most more often.
_OFTEN: Final = (
    *("inspect", "inspect --optimized", "diff", "diff with its model") * 2,
    *("check",) * 4,
    "bench",
)  # fmt: skip


def _target(name: str, what: str, files: st.SearchStrategy[Any]) -> Drawn[Any]:
    return Drawn(
        name=name,
        what=what,
        inputs=st.builds(Given, st.sampled_from(_OFTEN), files),
        attempt=attempt,
        content=lambda case: case.file.content(),
        suffix=".onnx",
        seconds=30.0,
        shrinks=False,
    )


def _seeds() -> tuple[bytes, ...]:
    return tuple(subjects())


def targets() -> tuple[Drawn[Any], ...]:
    """Changed protos, and changed bytes; models are read when the first case is drawn."""
    protos = st.deferred(lambda: edited(_seeds()))
    content = st.deferred(lambda: mutated(_seeds()))
    return (
        _target("onnx-structure", "exported files with changed protos, to all commands", protos),
        _target("onnx-bytes", "exported files with changed bytes, to all commands", content),
    )
