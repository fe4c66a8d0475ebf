"""Records what TensorFlow computes of models, and checks a model against such a record.

``record FOLDER MODEL...`` runs TensorFlow on seeded inputs. ``check FOLDER MODEL`` checks with the
`qconvert` that Python finds, which may be a mutant: inputs and TensorFlow's results come from
the record, so that neither is touched by the mutation. It prints its findings as JSON. FOLDER has
the models of `models.py`, and a folder of each with its record.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import qconvert
from qconvert.checking import CheckedFile, Report, Samples, Subject, assemble, examine, seeded
from qconvert.checking.inputs import Batch
from qconvert.checking.witness import Witness
from qconvert.emit import to_onnx
from qconvert.ir import F32
from qconvert.runners.npz import read_npz, write_npz
from qconvert.runners.tf import Disagreement, TensorFlowRunner
from qconvert.runners.traces import NOTHING, Trace
from scripts.mutation.outcome import outcome_of
from scripts.mutation.runtime import run_here

#: The first batch has one sample, the second 64.
SAMPLES: Final = 65
INPUT: Final = "input:"
OUTPUT: Final = "output:"


@dataclass(slots=True)
class Recorded:
    """TensorFlow's results of earlier, batch by batch in the order of the recording.

    Nothing is recorded of layers that are given other inputs: those of tables, which are left out.
    """

    folder: Path
    started: int = 0
    forced: bool = False

    def start(self, inputs: Batch, forced: Batch = NOTHING) -> None:
        """Take the next batch."""
        self.forced = bool(forced)
        self.started += not forced

    def finish(self) -> Trace:
        """The results of the batch that was started."""
        return Trace({}, {}) if self.forced else read_batch(self.folder, self.started - 1)[1]

    def effective_weights(self) -> Mapping[str, F32]:
        """The weights that QKeras computes with."""
        return read_npz(self.folder / "weights.npz")

    def folded_weights(self) -> Mapping[str, F32]:
        """Those with a batch normalization in them before they are quantized."""
        return read_npz(self.folder / "folded.npz")

    def predict_differences(self, inputs: Batch) -> Mapping[str, Disagreement]:
        """Not recorded: it says nothing about qconvert."""
        return {}


def record(folder: Path, names: Sequence[str]) -> None:
    """Write inputs, results and effective weights of models, one TensorFlow process for all."""
    with tempfile.TemporaryDirectory(prefix="record-") as temporary:
        path = Path(shutil.copy(folder / f"{names[0]}.h5", Path(temporary) / "model.h5"))
        with TensorFlowRunner(path) as tensorflow:
            _record(tensorflow, path, folder / names[0])
            for name in names[1:]:
                shutil.copy(folder / f"{name}.h5", path)
                tensorflow.reload()
                _record(tensorflow, path, folder / name)


def _record(tensorflow: TensorFlowRunner, model: Path, folder: Path) -> None:
    folder.mkdir()
    for number, batch in enumerate(seeded(qconvert.load(model), SAMPLES).batches):
        trace = tensorflow.run(batch)
        arrays = {f"{INPUT}{name}": array for name, array in batch.items()}
        arrays |= {f"{OUTPUT}{name}": array for name, array in trace.outputs.items()}
        write_npz(folder / f"{number}.npz", {**arrays, **trace.layers})
    write_npz(folder / "weights.npz", tensorflow.effective_weights())
    write_npz(folder / "folded.npz", tensorflow.folded_weights())


def read_batch(folder: Path, number: int) -> tuple[Batch, Trace]:
    """The inputs and results of one recorded batch."""
    arrays = read_npz(folder / f"{number}.npz")
    inputs = {n.removeprefix(INPUT): a for n, a in arrays.items() if n.startswith(INPUT)}
    outputs = {n.removeprefix(OUTPUT): a for n, a in arrays.items() if n.startswith(OUTPUT)}
    layers = {n: a for n, a in arrays.items() if not n.startswith((INPUT, OUTPUT))}
    return inputs, Trace(layers, outputs)


def batches(folder: Path) -> Iterator[Batch]:
    """The recorded inputs."""
    number = 0
    while (folder / f"{number}.npz").exists():
        yield read_batch(folder, number)[0]
        number += 1


def check(model: Path, folder: Path) -> Report:
    """What `qconvert.check` does, with the record in TensorFlow's place."""
    graph = qconvert.load(model)
    panel = assemble(graph, to_onnx(graph), "recorded")
    tensorflow = Recorded(folder)
    witnesses = replace(
        panel,
        runners={Witness.TENSORFLOW: tensorflow, **panel.runners},
        qkeras=tensorflow,
        # Nothing is recorded of layers on other results than those of the layers before them.
        tensors={},
        unavailable={w: e for w, e in panel.unavailable.items() if w is not Witness.TENSORFLOW},
    )
    subject = Subject(graph, CheckedFile(str(model), ""), CheckedFile(None, ""))
    return examine(subject, witnesses, Samples("recorded", SAMPLES, batches(folder)))


def main(command: str, folder: Path, names: Sequence[str]) -> None:
    """Record models, or check one."""
    if command == "record":
        record(folder, names)
    else:
        (name,) = names
        run_here()
        report = check(folder / f"{name}.h5", folder / name)
        package = str(Path(qconvert.__file__).parent)
        print(json.dumps({"package": package, **asdict(outcome_of(report))}))


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
