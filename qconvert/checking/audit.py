"""Stream samples through all witnesses and gather what differs, in constant memory."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from qconvert.checking.compare import Difference, compare_all
from qconvert.checking.forcing import Trial
from qconvert.checking.judge import Differences, Pair
from qconvert.checking.rounding import Mask, Misfits
from qconvert.checking.witness import Runner, Witness
from qconvert.errors import WitnessError
from qconvert.ir import F32
from qconvert.runners.traces import Trace

#: Where rounding does not explain a witness's results of a trial; the last are undisputed ones.
Rounding: TypeAlias = Callable[[Witness, Trial, Trace, Trace], Misfits]
#: Called with the number of samples done.
Progress: TypeAlias = Callable[[int], None]
#: Called when a witness fails, with what it says.
Failed: TypeAlias = Callable[[Witness, str], None]

#: Batches without all witnesses: nothing can pass any more, but the others may differ.
BATCHES_WITHOUT_ALL = 4


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

    def with_forced(self, other: "Evidence") -> "Evidence":
        """With what *other* found of single layers: not of samples, which it has none of."""
        return replace(
            self,
            layers=_merge(self.layers, other.layers),
            failures={**other.failures, **self.failures},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """A trial, all results of it, and what differs; its first row is sample ``start``."""

    trial: Trial
    traces: Mapping[Witness, Trace]
    found: Evidence
    start: int


#: Called with every trial that was compared.
Observe: TypeAlias = Callable[[Observation], None]


def audit(
    runners: Mapping[Witness, Runner],
    trials: Iterable[Trial],
    rounding: Rounding,
    progress: Progress | None = None,
    failed: Failed | None = None,
    observe: Observe | None = None,
) -> Evidence:
    """Run every trial through all *runners* and compare; a runner that fails is left out then.

    Soon after that, it ends. *rounding* is asked only about trials in which something differs.
    """
    evidence = Evidence()
    left = BATCHES_WITHOUT_ALL
    for trial in trials:
        alive = {w: r for w, r in runners.items() if w not in evidence.failures}
        left -= len(alive) < len(Witness)
        if len(alive) < 2 or left < 0:
            break
        seen = _one(alive, trial, evidence.samples, rounding)
        found = seen.found
        evidence = evidence.merge(found)
        if observe:
            observe(seen)
        tell(found.failures, failed)
        if progress:
            progress(evidence.samples)
    return evidence


def tell(failures: Mapping[Witness, str], failed: Failed | None) -> None:
    """Let *failed*, if anyone listens, hear of failures."""
    if failed:
        for witness, failure in failures.items():
            failed(witness, failure)


def _one(
    runners: Mapping[Witness, Runner], trial: Trial, start: int, rounding: Rounding
) -> Observation:
    traces, failures = _observe(runners, trial)
    rows = len(next(iter(trial.inputs.values())))
    found = _compared(traces, start, {})
    if Witness.NUMPY in traces and _any_differs(found):
        trusted = _undisputed(traces[Witness.NUMPY], *found)
        misfits = {
            w: rounding(w, trial, _of_shapes(traces[Witness.NUMPY], trace), trusted)
            for w, trace in traces.items()
        }
        if {Witness.ORT, Witness.DEPLOYED} <= traces.keys():
            misfits[Witness.DEPLOYED] = _unlike(
                misfits[Witness.DEPLOYED],
                traces[Witness.DEPLOYED],
                misfits[Witness.ORT],
                traces[Witness.ORT],
            )
        found = _compared(traces, start, misfits)
    return Observation(trial, traces, Evidence(*found, rows, failures), start)


def _undisputed(
    reference: Trace, layers: Mapping[str, Differences], outputs: Mapping[str, Differences]
) -> Trace:
    """The reference's results of which all witnesses have the same.

    Where they do not, it is no judge of its own results: everybody's are computed anew. What it
    borrowed, it does not judge by.
    """

    def kept(found: Mapping[str, Differences], name: str) -> bool:
        return name in reference.borrowed or not _any_differs([{name: found[name]}])

    return replace(
        reference,
        layers={name: y for name, y in reference.layers.items() if kept(layers, name)},
        outputs={name: y for name, y in reference.outputs.items() if kept(outputs, name)},
    )


def _of_shapes(reference: Trace, found: Trace) -> Trace:
    """What was *found* of the layers that are as large as the *reference*'s.

    Nothing can be computed of others, which rounding does not explain.
    """
    known = reference.layers
    layers = {
        name: y
        for name, y in found.layers.items()
        if name not in known or y.shape == known[name].shape
    }
    return replace(found, layers=layers)


def _unlike(own: Misfits, trace: Trace, other: Misfits, found: Trace) -> Misfits:
    """Without the elements that *found* has too and that rounding explains there.

    The deployed file hides layers, whose rounding the instrumented one shows.
    """
    return Misfits(
        _unlike_each(own.layers, trace.layers, other.layers, found.layers),
        _unlike_each(own.outputs, trace.outputs, other.outputs, found.outputs),
    )


def _unlike_each(
    own: Mapping[str, Mask | None],
    values: Mapping[str, F32],
    other: Mapping[str, Mask | None],
    found: Mapping[str, F32],
) -> dict[str, Mask | None]:
    result = dict(own)
    for name, mask in own.items():
        if mask is None or name not in found or found[name].shape != mask.shape:
            continue
        theirs = other[name]
        explained = values[name] == found[name]
        result[name] = mask & ~(explained if theirs is None else explained & ~theirs)
    return result


def _compared(
    traces: Mapping[Witness, Trace], start: int, misfits: Mapping[Witness, Misfits]
) -> tuple[Mapping[str, Differences], Mapping[str, Differences]]:
    layers = {w: _own_layers(trace) for w, trace in traces.items()}
    outputs = {w: trace.outputs for w, trace in traces.items()}
    of_layers = {w: found.layers for w, found in misfits.items()}
    of_outputs = {w: found.outputs for w, found in misfits.items()}
    return _compare(layers, start, of_layers), _compare(outputs, start, of_outputs)


def _own_layers(trace: Trace) -> Mapping[str, F32]:
    return {name: y for name, y in trace.layers.items() if name not in trace.borrowed}


def _any_differs(found: Iterable[Mapping[str, Differences]]) -> bool:
    return any(
        difference.differing
        for part in found
        for differences in part.values()
        for difference in differences.values()
    )


def _observe(
    runners: Mapping[Witness, Runner], trial: Trial
) -> tuple[dict[Witness, Trace], dict[Witness, str]]:
    """The results of all that did not fail; TensorFlow works while the others do."""
    traces: dict[Witness, Trace] = {}
    failures: dict[Witness, str] = {}
    for witness, runner in runners.items():
        try:
            runner.start(trial.inputs, trial.forced)
        except WitnessError as error:
            failures[witness] = error.coded
    for witness, runner in reversed(list(runners.items())):
        if witness in failures:
            continue
        try:
            traces[witness] = runner.finish()
        except WitnessError as error:
            failures[witness] = error.coded
    # In the order of the runners, which is the order in which values are shown.
    return {w: traces[w] for w in runners if w in traces}, failures


def _compare(
    arrays: Mapping[Witness, Mapping[str, F32]],
    start: int,
    misfits: Mapping[Witness, Mapping[str, Mask | None]],
) -> dict[str, dict[Pair, Difference]]:
    result: dict[str, dict[Pair, Difference]] = {}
    for name in dict.fromkeys(name for of_witness in arrays.values() for name in of_witness):
        present = {w: found[name] for w, found in arrays.items() if name in found}
        of_name = {w: found[name] for w, found in misfits.items() if name in found}
        result[name] = compare_all(present, start, of_name)
    return result


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
