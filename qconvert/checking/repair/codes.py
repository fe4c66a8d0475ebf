"""What TensorFlow and ONNX Runtime return in the states of a table, next to its boundaries."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from qconvert.checking.forcing import Trial, can_be_forced, shapes_in
from qconvert.checking.inputs import Batch
from qconvert.checking.scans.programs import unequal
from qconvert.checking.tables.cones import Cone, cones
from qconvert.checking.tables.margins import margins
from qconvert.checking.tables.trials import Tried, groups, to_be_tried, trials_of
from qconvert.checking.witness import Panel, Witness
from qconvert.exactness import Analysis
from qconvert.ir import F32, Graph, Layer

_T = TypeVar("_T", bound=np.generic)

_JUDGED: Final = (Witness.ORT, Witness.DEPLOYED)
#: What is fused into a kernel of the file cannot be forced there.
_FUSED: Final = (Witness.NUMPY,)


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """All states of a cone that were tried: numbers of its sources and results, (states, channels).

    ``truth`` is TensorFlow's, and ``ambiguous`` where it has another in the same state elsewhere;
    ``flipped`` is where ONNX Runtime returns something else, optimized or not; or the reference,
    where a source of the cone is fused into an operator.
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
    owners, shapes = graph.owners, shapes_in(graph, probe)
    known = [(c, m) for c in cones(graph, analysis) if (m := margins(c)) is not None]
    for group in groups(shapes, to_be_tried(graph, known, shapes, forcible, panel.fused.keys())):
        judged = _FUSED if group[0].tried.fused else _JUDGED
        found = [_Found(slot.tried) for slot in group]
        for trial in trials_of(group, owners, shapes, probe):
            results = _results(panel, (Witness.TENSORFLOW, *judged), trial)
            for each in found:
                each.add(trial, results, owners)
        yield from (each.codes() for each in found)


def _results(
    panel: Panel, witnesses: tuple[Witness, ...], trial: Trial
) -> dict[Witness, Mapping[str, F32]]:
    """By witness and layer, one witness after the other."""
    results: dict[Witness, Mapping[str, F32]] = {}
    for witness in witnesses:
        panel.runners[witness].start(trial.inputs, trial.forced)
        results[witness] = panel.runners[witness].finish().layers
    return results


@dataclass(slots=True)
class _Found:
    """What was seen of one cone so far, trial by trial."""

    tried: Tried
    sources: dict[str, list[F32]] = field(default_factory=lambda: defaultdict(list))
    truth: list[F32] = field(default_factory=list)
    flipped: list[npt.NDArray[np.bool_]] = field(default_factory=list)

    def add(
        self,
        trial: Trial,
        results: Mapping[Witness, Mapping[str, F32]],
        owners: Mapping[str, Layer],
    ) -> None:
        """The results of TensorFlow, and where another witness has some that are others."""
        layer = self.tried.layer.name
        found = {witness: layers[layer] for witness, layers in results.items() if layer in layers}
        theirs = found.pop(Witness.TENSORFLOW)
        self.truth.append(_flat(theirs))
        self.flipped.append(_flat(np.any([unequal(x, theirs) for x in found.values()], axis=0)))
        for name in self.tried.cone.sources:
            self.sources[name].append(_flat(trial.forced[owners[name].name]))

    def codes(self) -> Codes:
        """All of it together."""
        joined = {name: np.concatenate(arrays) for name, arrays in self.sources.items()}
        truth, flipped = np.concatenate(self.truth), np.concatenate(self.flipped)
        return Codes(self.tried.cone, self.tried.layer, joined, truth, flipped)


def _flat(array: npt.NDArray[_T]) -> npt.NDArray[_T]:
    return array.reshape(-1, array.shape[-1])
