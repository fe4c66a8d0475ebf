"""Keeps, while a check runs, what a reproducer needs of it: batches of the first wrong layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import onnx

from qconvert.checking.audit import Observation
from qconvert.checking.judge import Differences, inheritance
from qconvert.checking.witness import Witness
from qconvert.ir import F32, Graph
from qconvert.ir.graph import in_order
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.reproducing.isolate import Isolated, isolate

#: Batches of the layer to choose from; the first of a check has one sample.
_BATCHES: Final = 3
_TF_NUMPY: Final = (Witness.TENSORFLOW, Witness.NUMPY)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A layer by itself, and a batch of what it reads on which witnesses differ about it.

    ``truth`` is TensorFlow's result, where the reference is wrong about the layer or cannot
    compute it. The first row is sample ``start``, unless the numbers were ``drawn``.
    """

    isolated: Isolated
    inputs: Mapping[str, F32]
    truth: F32 | None
    start: int
    drawn: bool


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """One sample through the whole model: its number, its inputs, and the right outputs.

    These are of the witness ``by``.
    """

    sample: int
    inputs: Mapping[str, F32]
    outputs: Mapping[str, F32]
    by: Witness
    differs: bool


class Collector:
    """Watches a check; it keeps a few batches of one layer, and one sample of the model."""

    def __init__(
        self, graph: Graph, model: onnx.ModelProto, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._graph = graph
        self._model = model
        self._limits = limits
        self._order = [layer.name for layer in in_order(graph)]
        self._parts: dict[str, Isolated | None] = {}
        self.cases: tuple[Case, ...] = ()
        self.whole: Whole | None = None

    def __call__(self, seen: Observation) -> None:
        """Keep the batch if a layer differs by itself, up to the one of which there are some."""
        if not seen.trial.forced and not (self.whole and self.whole.differs):
            self._keep_sample(seen)
        for name in self._wrong(seen.found.layers):
            isolated = self.isolated(name)
            case = None if isolated is None else _case(isolated, seen)
            if case is not None:
                self.cases = (*self.cases_of(name), case)
                return

    def _wrong(self, layers: Mapping[str, Differences]) -> list[str]:
        """The layers that differ beyond rounding, and not only by what they compute from.

        In their order, up to the one of which there are batches.
        """
        end = len(self._order)
        if self.cases:
            more = len(self.cases) < _BATCHES
            end = self._order.index(self.cases[0].isolated.layer.name) + more
        wrong = [name for name in self._order[:end] if _beyond(layers.get(name, {}))]
        inherited = inheritance(self._graph, layers) if wrong else {}
        return [name for name in wrong if not inherited[name]]

    def cases_of(self, name: str) -> tuple[Case, ...]:
        """The batches, if they are of the layer *name*."""
        return tuple(case for case in self.cases if case.isolated.layer.name == name)

    def isolated(self, name: str) -> Isolated | None:
        """The layer *name* by itself, cut out once."""
        if name not in self._parts:
            self._parts[name] = isolate(self._graph, self._model, name, self._limits)
        return self._parts[name]

    def _keep_sample(self, seen: Observation) -> None:
        """The first sample of all, or of which an output differs.

        Behind a wrong layer that cannot be cut out the output itself may be right: then that it
        differs is enough.
        """
        layers = seen.found.layers.items()
        wrong = any(_beyond(found) and self.isolated(name) is None for name, found in layers)
        examples = [
            difference.first
            for differences in seen.found.outputs.values()
            for difference in differences.values()
            if difference.first and (wrong or difference.beyond)
        ]
        by = next((w for w in (Witness.TENSORFLOW, Witness.NUMPY) if w in seen.traces), None)
        if by is None or (self.whole and not examples):
            return
        row = min(example.index[0] for example in examples) - seen.start if examples else 0
        self.whole = Whole(
            seen.start + row,
            _row(seen.trial.inputs, row),
            _row(seen.traces[by].outputs, row),
            by,
            bool(examples),
        )


def _case(isolated: Isolated, seen: Observation) -> Case | None:
    """What the layer reads, of the witness that is right about it; ``None`` if it is not known."""
    differences = seen.found.layers[isolated.layer.name]
    disputed = _TF_NUMPY in differences and differences[_TF_NUMPY].beyond > 0
    trusted = isolated.evaluable and not disputed
    by = Witness.NUMPY if trusted else Witness.TENSORFLOW
    if by not in seen.traces:
        return None
    known = {**seen.traces[by].layers, **seen.trial.forced, **seen.trial.inputs}
    names = [point.name for point in isolated.points]
    if not all(name in known for name in (*names, isolated.layer.name)):
        return None
    inputs = {name: known[name] for name in names}
    truth = None if trusted else seen.traces[by].layers[isolated.layer.name]
    return Case(isolated, inputs, truth, seen.start, bool(seen.trial.forced))


def _beyond(differences: Differences) -> bool:
    return any(difference.beyond for difference in differences.values())


def _row(arrays: Mapping[str, F32], row: int) -> dict[str, F32]:
    return {name: array[row : row + 1].copy() for name, array in arrays.items()}
