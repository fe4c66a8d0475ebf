"""What TensorFlow and ONNX Runtime return in the states of a table, next to its boundaries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from qconvert.checking.forcing import can_be_forced, shapes_in
from qconvert.checking.inputs import Batch
from qconvert.checking.scans.programs import unequal
from qconvert.checking.tables.cones import Cone, cones
from qconvert.checking.tables.enumeration import Slot, Tried, can_be_tried, trials_of
from qconvert.checking.tables.margins import margins
from qconvert.checking.witness import Panel, Witness
from qconvert.exactness import Analysis
from qconvert.ir import F32, Graph, Layer

_T = TypeVar("_T", bound=np.generic)

_JUDGED: Final = (Witness.ORT, Witness.DEPLOYED)
#: What is inside of a kernel of the file cannot be forced there.
_HIDDEN: Final = (Witness.NUMPY,)


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """All states of a cone that were tried: numbers of its sources and results, (states, channels).

    ``truth`` is TensorFlow's, and ``ambiguous`` where it has another in the same state elsewhere;
    ``flipped`` is where ONNX Runtime returns something else, optimized or not; or the reference,
    where a cone begins inside of an operator.
    """

    cone: Cone
    layer: Layer
    sources: Mapping[str, F32]
    truth: F32
    flipped: npt.NDArray[np.bool_]

    @property
    def ambiguous(self) -> npt.NDArray[np.bool_]:
        """(channels,): where one state has several results."""
        columns = [np.stack(each) for each in self._columns()]
        return np.array([_has_several(column) for column in columns])

    def _columns(self) -> Iterator[list[F32]]:
        for channel in range(self.truth.shape[-1]):
            yield [x[:, channel] for x in (*self.sources.values(), self.truth)]


def _has_several(column: npt.NDArray[np.float32]) -> bool:
    """Whether different results, in the last row, stand behind equal numbers in the others."""
    states, results = (np.unique(part, axis=1).shape[1] for part in (column[:-1], column))
    return int(results) > int(states)


def all_codes(graph: Graph, analysis: Analysis, panel: Panel, probe: Batch) -> Iterator[Codes]:
    """Of every cone that can be tried; fails with `WitnessError`."""
    forcible = can_be_forced(graph, panel.places)
    owners = {layer.value: layer for layer in reversed(graph.layers)}
    shapes = shapes_in(graph, probe)
    for cone in cones(graph, analysis):
        known = margins(cone)
        states = None if known is None else known.doubtful | known.edges
        if states is None or not len(states) or not can_be_tried(cone, owners, forcible, shapes):
            continue
        hidden = any(owners[name].name in panel.inside for name in cone.sources)
        tried = Tried(cone, states, owners[cone.end.name], shapes[cone.end.name], hidden)
        yield _codes(tried, owners, shapes, panel, probe)


def _codes(
    tried: Tried,
    owners: Mapping[str, Layer],
    shapes: Mapping[str, tuple[int, ...]],
    panel: Panel,
    probe: Batch,
) -> Codes:
    sources: dict[str, list[F32]] = {name: [] for name in tried.cone.sources}
    truth: list[F32] = []
    flipped: list[npt.NDArray[np.bool_]] = []
    judged = _HIDDEN if tried.hidden else _JUDGED
    for trial in trials_of([Slot(tried, 0)], owners, shapes, probe):
        found: dict[Witness, F32] = {}
        for witness in (Witness.TENSORFLOW, *judged):
            panel.runners[witness].start(trial.inputs, trial.forced)
            trace = panel.runners[witness].finish()
            if tried.layer.name in trace.layers:
                found[witness] = trace.layers[tried.layer.name]
        theirs = found[Witness.TENSORFLOW]
        others = [unequal(found[w], theirs) for w in judged if w in found]
        truth.append(_flat(theirs))
        flipped.append(_flat(np.any(others, axis=0)))
        for name, arrays in sources.items():
            arrays.append(_flat(trial.forced[owners[name].name]))
    joined = {name: np.concatenate(arrays) for name, arrays in sources.items()}
    return Codes(tried.cone, tried.layer, joined, np.concatenate(truth), np.concatenate(flipped))


def _flat(array: npt.NDArray[_T]) -> npt.NDArray[_T]:
    return array.reshape(-1, array.shape[-1])
