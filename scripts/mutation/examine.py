"""Records what TensorFlow computes of a model, and checks the model against such a record.

``record MODEL FOLDER`` runs TensorFlow on seeded inputs. ``check MODEL FOLDER`` checks with the
`qconvert` that Python finds, which may be a mutant: inputs and TensorFlow's results come from
the record, so that neither is touched by the mutation. It prints its findings as JSON.
"""

import json
import sys
from collections.abc import Iterator, Mapping
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


def record(model: Path, folder: Path) -> None:
    """Write inputs, results and effective weights to *folder*."""
    samples = seeded(qconvert.load(model), SAMPLES)
    with TensorFlowRunner(model) as tensorflow:
        for number, batch in enumerate(samples.batches):
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


def main(command: str, model: Path, folder: Path) -> None:
    """Record or check."""
    if command == "record":
        record(model, folder)
    else:
        package = str(Path(qconvert.__file__).parent)
        print(json.dumps({"package": package, **asdict(outcome_of(check(model, folder)))}))


main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
