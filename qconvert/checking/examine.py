"""A whole check: run all witnesses, compare weights and results, judge, and write it down."""

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import chain, islice

from qconvert.checking.audit import (
    BATCHES_WITHOUT_ALL,
    Evidence,
    Failed,
    Observe,
    Progress,
    Rounding,
    audit,
    tell,
)
from qconvert.checking.conclusions import Proofs, for_all_inputs, of_outputs, tried
from qconvert.checking.deployed.deployment import layers_as_deployed, outputs_as_deployed
from qconvert.checking.forcing import Trial
from qconvert.checking.gathering import Gatherer, all_of, with_distributions
from qconvert.checking.inputs import Batch, Samples
from qconvert.checking.judge import with_inherited
from qconvert.checking.other_files.by_value import told_by_value
from qconvert.checking.repair.moves import Repair
from qconvert.checking.results import (
    AmbiguousResult,
    ByValue,
    CheckedFile,
    Environment,
    LayerResult,
    OutputResult,
    Report,
    Verdict,
    WitnessResult,
)
from qconvert.checking.rounding import Misfits, misfits
from qconvert.checking.scans.scan import Scanning, differences, scans
from qconvert.checking.stopwatch import Stopwatch
from qconvert.checking.verdicts import verdicts
from qconvert.checking.weights import ComparedWeights, compare_weights, with_weights
from qconvert.checking.witness import Panel, Witness
from qconvert.errors import WitnessError
from qconvert.exactness import Analysis, analyse
from qconvert.ir import Graph
from qconvert.runners.interface import InputDomain
from qconvert.runners.traces import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is checked: the model as it was read, and the files it stands for.

    ``domains`` are what the user says that inputs can be, ``required`` the weakest verdict that
    is to pass; ``scan`` has quantizers tried on every float32 number. ``stopwatch`` has what was
    done before, ``by_value`` what was found in an ONNX file that does not say where its layers are.
    ``ignored`` are layers that do not count, each with the user's reason.
    """

    graph: Graph
    model: CheckedFile
    onnx: CheckedFile
    domains: Mapping[str, InputDomain] = field(default_factory=dict)
    required: Verdict = Verdict.SAMPLED
    scan: bool = False
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    by_value: ByValue | None = None
    ignored: Mapping[str, str] = field(default_factory=dict)


def examine(
    subject: Subject,
    panel: Panel,
    samples: Samples,
    progress: Progress | None = None,
    failed: Failed | None = None,
    observe: Observe | None = None,
    scanning: Scanning | None = None,
) -> Report:
    """Check *subject* with the witnesses of *panel* on *samples*; the last four watch it."""
    graph, watch = subject.graph, subject.stopwatch
    failures: dict[Witness, str] = dict(panel.unavailable)
    with watch.part("weights"):
        weights = compare_weights(graph, panel.qkeras, panel.stored)
    if weights.failure:
        failures[Witness.TENSORFLOW] = weights.failure
    tell(failures, failed)
    probe, batches = _peek(samples.batches)
    if failures:
        batches = islice(batches, BATCHES_WITHOUT_ALL)
    rounding, gatherer = _rounding(graph, weights), Gatherer(graph)
    watched = all_of(gatherer, observe)
    with watch.part("samples"):
        evidence = audit(panel.runners, map(Trial, batches), rounding, progress, failed, watched)
    with watch.part("proofs"):
        analysis = analyse(graph, subject.domains)
    if not failures and subject.by_value is None:
        with watch.part("quantizers"):
            analysis, seen = _with_scans(subject, analysis, panel, failures, scanning)
        evidence = evidence.with_forced(seen)
    proofs = Proofs(analysis)
    if probe is not None and not evidence.failures and subject.by_value is None:
        proofs = tried(graph, analysis, panel, probe, rounding, watch, observe)
        evidence = evidence.with_forced(proofs.evidence)
    evidence = replace(evidence, layers=with_inherited(graph, evidence.layers))
    failures = {**evidence.failures, **failures}
    with watch.part("predict"):
        ambiguous = () if Witness.TENSORFLOW in failures else _ambiguous(panel, probe, failures)
    layers, outputs = _judged(subject, panel, evidence, proofs, weights, failures)
    return Report(
        model=subject.model,
        onnx=subject.onnx,
        inputs=samples.description,
        samples=evidence.samples,
        layers=gatherer.layers(layers),
        weights=with_distributions(graph, weights.results),
        outputs=outputs,
        ambiguous=ambiguous,
        witnesses=tuple(_witness(witness, panel, failures) for witness in Witness),
        environment=Environment(version("qconvert"), platform.python_version(), _machine()),
        required=subject.required,
        seconds=tuple(watch.seconds.items()),
        by_value=subject.by_value,
        repair=Repair(panel.moves),
        inputs_sha256=gatherer.sha256,
        ignored=tuple(subject.ignored.items()),
    )


def _judged(
    subject: Subject,
    panel: Panel,
    evidence: Evidence,
    proofs: Proofs,
    weights: ComparedWeights,
    failures: Mapping[Witness, str],
) -> tuple[tuple[LayerResult, ...], tuple[OutputResult, ...]]:
    """What is said of layers and outputs: of samples, of all inputs, of the graph that runs."""
    graph, deployed = subject.graph, panel.deployed
    layers, outputs = verdicts(graph, evidence, weights.results, failures, panel.fused)
    if subject.by_value is None:
        layers = for_all_inputs(graph, proofs, layers, weights, panel.fused)
    else:
        layers = told_by_value(graph, layers, subject.by_value)
        # Another converter's file may be folded as it is run: nothing is said of it but results.
        deployed = replace(deployed, violations=())
    layers = layers_as_deployed(graph, layers, deployed, panel.otherwise)
    outputs = of_outputs(graph, layers, outputs)
    return layers, outputs_as_deployed(graph, outputs, deployed)


def _with_scans(
    subject: Subject,
    analysis: Analysis,
    panel: Panel,
    failures: dict[Witness, str],
    scanning: Scanning | None,
) -> tuple[Analysis, Evidence]:
    """With what quantizers are known to return for all numbers, and where witnesses differ."""
    try:
        found = scans(subject.graph, analysis, panel, whole=subject.scan, told=scanning)
        if not found.found:
            return analysis, Evidence()
        known = analyse(subject.graph, subject.domains, found.settled)
        return known, differences(subject.graph, known, panel, found)
    except WitnessError as error:
        failures[Witness.TENSORFLOW] = error.coded
        return analysis, Evidence()


def _peek(batches: Iterator[Batch]) -> tuple[Batch | None, Iterator[Batch]]:
    """The larger of the first two batches, and all batches."""
    first = list(islice(batches, 2))
    return first[-1] if first else None, chain(first, batches)


def _rounding(graph: Graph, weights: ComparedWeights) -> Rounding:
    """Each witness is judged by what it computes with."""
    theirs = with_weights(graph, weights.rounded)

    def rounding(witness: Witness, trial: Trial, found: Trace, reference: Trace) -> Misfits:
        of_witness = theirs if witness is Witness.TENSORFLOW else graph
        return misfits(of_witness, trial.inputs, found, reference, trial.forced)

    return rounding


def _ambiguous(
    panel: Panel, probe: Batch | None, failures: dict[Witness, str]
) -> tuple[AmbiguousResult, ...]:
    if panel.qkeras is None or probe is None:
        return ()
    try:
        found = panel.qkeras.predict_differences(probe)
    except WitnessError as error:
        failures[Witness.TENSORFLOW] = error.coded
        return ()
    return tuple(
        AmbiguousResult(name, d.elements, d.different, d.max_abs)
        for name, d in found.items()
        if d.different
    )


def _witness(witness: Witness, panel: Panel, failures: Mapping[Witness, str]) -> WitnessResult:
    versions = tuple(panel.versions.get(witness, {}).items())
    failure = failures.get(witness)
    if failure is None and witness not in panel.runners:
        failure = "did not take part"
    return WitnessResult(witness, versions, failure)


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}"
