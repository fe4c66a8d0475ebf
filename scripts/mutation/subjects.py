"""The models whose files get bugs, and who stands in for TensorFlow when these are looked for.

TensorFlow is asked once for each model: `confirm` checks the file without a bug, in runs from
the inputs and in forced ones, which passes only if TensorFlow and the NumPy reference agree, but
for derived rounding. Then the reference takes TensorFlow's place in all checks of files with a
bug, of which it knows no more than TensorFlow does: it computes from the model, and the bug is in
the file. Recorded results could not serve, for a bug in a file may change what layers are forced
to read. So a bug in a file is here judged by two witnesses that are one; where they could both be
wrong is what the bugs in the converter show, with TensorFlow's own results.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx

import qconvert
from qconvert.checking import (
    CheckedFile,
    Report,
    Subject,
    assemble,
    examine,
    seeded,
    tensorflow_started,
)
from qconvert.checking.inputs import Batch
from qconvert.checking.witness import Witness
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph
from qconvert.reference import evaluate
from qconvert.runners.tf import Disagreement
from qconvert.runners.traces import NOTHING, Trace

#: The first batch has one sample, the second 8: one of each pattern in forced runs.
SAMPLES: Final = 9
#: Whose layers read the input, all or some: these cannot be forced.
SAMPLES_OF_QUANTIZERS: Final = 65
#: Trained models, as their authors published them, in tests/data.
REAL: Final[Mapping[str, tuple[str, ...]]] = {
    "autoencoder": ("autoencoder.json", "autoencoder_weights.hdf5"),
    "encoder": ("encoder.json", "encoder_weights.hdf5"),
    "jet_deepsets": ("jet_deepsets.h5",),
    "jet_mlp": ("jet_mlp.h5",),
    "mnist_cnn": ("mnist_cnn.keras",),
    "pruned_cnn": ("pruned_cnn.h5",),
    "small_autoencoder": ("small_autoencoder.json", "small_autoencoder_weights.hdf5"),
}
DATA: Final = Path(__file__).resolve().parents[2] / "tests" / "data"


@dataclass(slots=True)
class StandIn:
    """The NumPy reference in TensorFlow's place."""

    graph: Graph
    unconverted: tuple[str, ...] = ()
    inputs: Batch = field(default_factory=dict)
    forced: Batch = field(default_factory=dict)

    @property
    def versions(self) -> Mapping[str, str]:
        """Of nothing: it is no program."""
        return {}

    def start(self, inputs: Batch, forced: Batch = NOTHING) -> None:
        """Keep the batch until its results are wanted."""
        self.inputs, self.forced = inputs, forced

    def finish(self) -> Trace:
        """What the model computes of the batch."""
        instead = {x.value: self.forced[x.name] for x in self.graph.layers if x.name in self.forced}
        values = evaluate(self.graph, self.inputs, {}, instead)
        return Trace(
            {layer.name: values[layer.value] for layer in self.graph.layers},
            {output.name: values[output.value] for output in self.graph.outputs},
        )

    def effective_weights(self) -> Mapping[str, F32]:
        """The weights of the model, and those that the converter lost."""
        layers = self.graph.layers
        known = {f"{x.name}/{r}": w.effective for x in layers for r, w in x.weights.items()}
        return known | dict.fromkeys(self.unconverted, np.zeros(1, np.float32))

    def folded_weights(self) -> Mapping[str, F32]:
        """Those with a batch normalization in them before they are quantized."""
        return {
            f"{layer.name}/{role}": weight.folding.values
            for layer in self.graph.layers
            for role, weight in layer.weights.items()
            if weight.folding
        }

    def predict_differences(self, inputs: Batch) -> Mapping[str, Disagreement]:
        """None: that is about TensorFlow alone."""
        return {}


def files_of(model: str, folder: Path) -> tuple[Path, Path | None]:
    """The files of a trained model, or of one that `models.py` wrote into *folder*."""
    if model not in REAL:
        return folder / f"{model}.h5", None
    file, *weights = (DATA / name for name in REAL[model])
    return file, weights[0] if weights else None


def confirm(model: str, folder: Path) -> Report:
    """The check of a file without a bug, with TensorFlow itself."""
    path, weights = files_of(model, folder)
    graph = qconvert.load(path, weights=weights)
    with tensorflow_started(path, weights) as tensorflow:
        panel = assemble(graph, to_onnx(graph), tensorflow)
        return examine(_subject(graph), panel, seeded(graph, _samples(graph)))


def check(graph: Graph, file: onnx.ModelProto, unconverted: tuple[str, ...] = ()) -> Report:
    """What `qconvert.check` finds in a file, with the stand-in for TensorFlow.

    *unconverted* are names of weights that TensorFlow has, and the graph not.
    """
    panel = assemble(graph, file, "the reference stands in for it")
    stand_in = StandIn(graph, unconverted)
    witnesses = replace(
        panel,
        runners={Witness.TENSORFLOW: stand_in, **panel.runners},
        qkeras=stand_in,
        unavailable={w: e for w, e in panel.unavailable.items() if w is not Witness.TENSORFLOW},
    )
    return examine(_subject(graph), witnesses, seeded(graph, _samples(graph)))


def _samples(graph: Graph) -> int:
    return SAMPLES_OF_QUANTIZERS if graph.name in ("quantizers", "stairs") else SAMPLES


def _subject(graph: Graph) -> Subject:
    return Subject(graph, CheckedFile(None, ""), CheckedFile(None, ""))
