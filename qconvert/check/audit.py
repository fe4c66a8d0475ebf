"""Stream samples through all witnesses and gather what differs, in constant memory."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from qconvert.check.compare import Difference, compare_all
from qconvert.check.inputs import Batch
from qconvert.check.judge import Differences, Pair
from qconvert.check.witness import Runner, Witness
from qconvert.errors import WitnessError
from qconvert.ir import F32
from qconvert.runners.traces import Trace

#: Called with the number of samples done.
Progress: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was compared, by layer and by output; merges over batches and machines."""

    layers: Mapping[str, Differences] = field(default_factory=dict)
    outputs: Mapping[str, Differences] = field(default_factory=dict)
    samples: int = 0
    failures: Mapping[Witness, str] = field(default_factory=dict)

    def merge(self, other: "Evidence") -> "Evidence":
        """The evidence of both; associative and exact."""
        return Evidence(
            _merge(self.layers, other.layers),
            _merge(self.outputs, other.outputs),
            self.samples + other.samples,
            {**other.failures, **self.failures},
        )


def audit(
    runners: Mapping[Witness, Runner], batches: Iterable[Batch], progress: Progress | None = None
) -> Evidence:
    """Run every batch through all *runners* and compare; a runner that fails is left out then."""
    evidence = Evidence()
    for batch in batches:
        alive = {w: r for w, r in runners.items() if w not in evidence.failures}
        if len(alive) < 2:
            break
        evidence = evidence.merge(_batch(alive, batch, evidence.samples))
        if progress:
            progress(evidence.samples)
    return evidence


def _batch(runners: Mapping[Witness, Runner], batch: Batch, start: int) -> Evidence:
    traces, failures = _observe(runners, batch)
    layers = {w: o.layers for w, o in traces.items()}
    outputs = {w: o.outputs for w, o in traces.items()}
    rows = len(next(iter(batch.values())))
    return Evidence(_compare(layers, start), _compare(outputs, start), rows, failures)


def _observe(
    runners: Mapping[Witness, Runner], batch: Batch
) -> tuple[dict[Witness, Trace], dict[Witness, str]]:
    """The results of all that did not fail; TensorFlow works while the others do."""
    traces: dict[Witness, Trace] = {}
    failures: dict[Witness, str] = {}
    for witness, runner in runners.items():
        try:
            runner.start(batch)
        except WitnessError as error:
            failures[witness] = str(error)
    for witness, runner in reversed(list(runners.items())):
        if witness in failures:
            continue
        try:
            traces[witness] = runner.finish()
        except WitnessError as error:
            failures[witness] = str(error)
    # In the order of the runners, which is the order in which values are shown.
    return {w: traces[w] for w in runners if w in traces}, failures


def _compare(
    arrays: Mapping[Witness, Mapping[str, F32]], start: int
) -> dict[str, dict[Pair, Difference]]:
    names = dict.fromkeys(name for of_witness in arrays.values() for name in of_witness)
    return {
        name: compare_all({w: found[name] for w, found in arrays.items() if name in found}, start)
        for name in names
    }


def _merge(
    a: Mapping[str, Differences], b: Mapping[str, Differences]
) -> dict[str, dict[Pair, Difference]]:
    nothing: Differences = {}
    return {
        name: _merge_pairs(a.get(name, nothing), b.get(name, nothing))
        for name in dict.fromkeys((*a, *b))
    }


def _merge_pairs(a: Differences, b: Differences) -> dict[Pair, Difference]:
    empty = Difference()
    pairs = dict.fromkeys((*a, *b))
    return {pair: a.get(pair, empty).merge(b.get(pair, empty)) for pair in pairs}
