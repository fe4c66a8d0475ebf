"""A whole check: run all witnesses, compare weights and results, judge, and write it down."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import chain, islice
from typing import Final

from qconvert.checking.ancestry import in_order, read_values
from qconvert.checking.audit import (
    BATCHES_WITHOUT_ALL,
    Evidence,
    Failed,
    Progress,
    Rounding,
    audit,
    tell,
)
from qconvert.checking.bits import activation_quantizer, bits_of, weight_bits
from qconvert.checking.deployment import layers_as_deployed, outputs_as_deployed
from qconvert.checking.forcing import Trial, can_be_forced, forced_trials
from qconvert.checking.inputs import Batch, Samples
from qconvert.checking.judge import (
    REQUIRED,
    inheritance,
    judge,
    output_inheritance,
    output_with_inherited,
    with_inherited,
)
from qconvert.checking.proof import proof_of, prove, proven_behind
from qconvert.checking.results import (
    AmbiguousResult,
    CheckedFile,
    Environment,
    Finding,
    LayerResult,
    OutputResult,
    Report,
    Verdict,
    WeightResult,
    WitnessResult,
)
from qconvert.checking.rounding import Misfits, misfits, rounding_in
from qconvert.checking.weights import FOLDED, ComparedWeights, compare_weights, with_weights
from qconvert.checking.witness import Panel, Witness
from qconvert.errors import WitnessError
from qconvert.exactness import Analysis, analyse
from qconvert.ir import Graph, Grid, Layer, grid_of
from qconvert.runners.traces import Trace

#: How often every layer is tried on a batch of numbers of its own.
_FORCED_ROUNDS: Final = 4
_FROZEN: Final = "with scales frozen on these very samples"


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is checked: the model as it was read, and the files it stands for.

    ``domains`` are the grids that the user says that inputs lie on.
    """

    graph: Graph
    model: CheckedFile
    onnx: CheckedFile
    domains: Mapping[str, Grid] = field(default_factory=dict)


def examine(
    subject: Subject,
    panel: Panel,
    samples: Samples,
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> Report:
    """Check *subject* with the witnesses of *panel* on *samples*; the last two watch it."""
    graph = subject.graph
    failures: dict[Witness, str] = dict(panel.unavailable)
    weights = compare_weights(graph, panel.qkeras, panel.stored)
    if weights.failure:
        failures[Witness.TENSORFLOW] = weights.failure
    tell(failures, failed)
    probe, batches = _peek(samples.batches)
    if failures:
        batches = islice(batches, BATCHES_WITHOUT_ALL)
    rounding = _rounding(graph, weights)
    evidence = audit(panel.runners, map(Trial, batches), rounding, progress, failed)
    analysis = analyse(graph, subject.domains)
    tried = False
    if probe is not None and not evidence.failures:
        forced = audit(panel.runners, _forced(graph, analysis, panel, probe), rounding)
        tried = forced.samples > 0 or len(graph.layers) == 1
        evidence = evidence.with_forced(forced)
    evidence = replace(evidence, layers=with_inherited(graph, evidence.layers))
    failures = {**evidence.failures, **failures}
    ambiguous = () if Witness.TENSORFLOW in failures else _ambiguous(panel, probe, failures)
    found = _layers(graph, evidence, weights.results, failures)
    proven = _proven(graph, analysis, found, weights, tried=tried)
    layers = layers_as_deployed(proven, panel.deployed)
    outputs = _proven_outputs(graph, layers, _outputs(graph, evidence, failures))
    return Report(
        model=subject.model,
        onnx=subject.onnx,
        inputs=samples.description,
        samples=evidence.samples,
        layers=layers,
        weights=weights.results,
        outputs=outputs_as_deployed(graph, outputs, panel.deployed),
        ambiguous=ambiguous,
        witnesses=tuple(_witness(witness, panel, failures) for witness in Witness),
        environment=Environment(version("qconvert"), platform.python_version(), _machine()),
    )


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


def _forced(graph: Graph, analysis: Analysis, panel: Panel, probe: Batch) -> Iterator[Trial]:
    """Trials of every layer by itself, on numbers from the reach of what it reads."""
    layers = can_be_forced(graph, panel.tensors)
    if graph.opaque or not layers:
        return
    for seed in range(_FORCED_ROUNDS):
        yield from forced_trials(graph, analysis, probe, layers, panel.coded, seed)


def _ambiguous(
    panel: Panel, probe: Batch | None, failures: dict[Witness, str]
) -> tuple[AmbiguousResult, ...]:
    if panel.qkeras is None or probe is None:
        return ()
    try:
        found = panel.qkeras.predict_differences(probe)
    except WitnessError as error:
        failures[Witness.TENSORFLOW] = str(error)
        return ()
    return tuple(
        AmbiguousResult(name, d.elements, d.different, d.max_abs)
        for name, d in found.items()
        if d.different
    )


def _layers(
    graph: Graph,
    evidence: Evidence,
    weights: tuple[WeightResult, ...],
    failures: Mapping[Witness, str],
) -> tuple[LayerResult, ...]:
    inherited = inheritance(graph, evidence.layers)
    known = tuple(
        _layer(
            graph,
            layer,
            judge(
                evidence.layers.get(layer.name, {}),
                step=_step(graph, layer),
                failed=failures.keys(),
                weights=[w for w in weights if w.layer == layer.name],
                inherited_from=inherited[layer.name],
                rounding=_causes(graph, layer, weights),
                required=_required(graph, layer.value),
                note=_note(graph, layer.value, frozen=layer.frozen),
            ),
        )
        for layer in in_order(graph)
    )
    names = {layer.name for layer in graph.layers}
    # What a witness computed and the graph does not have was lost on the way.
    lost = (name for name in evidence.layers if name not in names)
    return (*known, *(LayerResult(n, "", None, None, judge(evidence.layers[n])) for n in lost))


def _layer(graph: Graph, layer: Layer, finding: Finding) -> LayerResult:
    quantizer = activation_quantizer(graph, layer)
    activation_bits = None if quantizer is None else bits_of(quantizer)
    return LayerResult(
        layer.name,
        layer.class_name,
        weight_bits(layer),
        activation_bits,
        finding,
        graph.opaque.get(layer.name),
        layer.notes,
    )


def _causes(graph: Graph, layer: Layer, weights: tuple[WeightResult, ...]) -> str:
    folded = any(w.layer == layer.name and w.verdict is Verdict.BOUNDED for w in weights)
    return FOLDED if folded else rounding_in(graph, layer)


def _required(graph: Graph, value: str) -> tuple[Witness, ...]:
    """The witnesses that have to have computed *value*.

    Of opaque layers NumPy knows nothing, and the file has no results that nothing reads.
    """
    unknown = {Witness.NUMPY} if value in graph.opaque else set[Witness]()
    unknown |= set() if value in read_values(graph) else {Witness.ORT}
    return tuple(witness for witness in REQUIRED if witness not in unknown)


def _note(graph: Graph, value: str, *, frozen: bool) -> str:
    if frozen:
        return _FROZEN
    if value and value not in read_values(graph):
        return "nothing reads it, and the file does not compute it"
    converter = graph.opaque.get(value)
    return f"opaque, by {converter}: no NumPy reference" if converter else ""


def _step(graph: Graph, layer: Layer) -> float | None:
    quantizer = activation_quantizer(graph, layer)
    grid = None if quantizer is None else grid_of(quantizer)
    return None if grid is None else grid.step


def _outputs(
    graph: Graph, evidence: Evidence, failures: Mapping[Witness, str]
) -> tuple[OutputResult, ...]:
    inherited = inheritance(graph, evidence.layers)
    values = {output.name: output.value for output in graph.outputs}
    results: list[OutputResult] = []
    for name in dict.fromkeys((*values, *evidence.outputs)):
        value = values.get(name, "")
        compared = evidence.outputs.get(name, {})
        found = output_with_inherited(graph, value, compared, evidence.layers)
        finding = judge(
            found,
            required=(*_required(graph, value), Witness.DEPLOYED),
            note=_note(graph, value, frozen=any(layer.frozen for layer in graph.layers)),
            failed=failures.keys(),
            inherited_from=output_inheritance(graph, value, found, evidence.layers, inherited),
        )
        results.append(OutputResult(name, finding))
    return tuple(results)


def _proven(
    graph: Graph,
    analysis: Analysis,
    results: Sequence[LayerResult],
    weights: ComparedWeights,
    *,
    tried: bool,
) -> tuple[LayerResult, ...]:
    layers = {layer.name: layer for layer in graph.layers}
    return tuple(
        replace(
            result,
            finding=prove(
                result.finding,
                proof_of(graph, analysis, layers[result.name]),
                [w for w in weights.results if w.layer == result.name],
                tried=tried,
            ),
        )
        if result.name in layers
        else result
        for result in results
    )


def _proven_outputs(
    graph: Graph, layers: Sequence[LayerResult], outputs: Sequence[OutputResult]
) -> tuple[OutputResult, ...]:
    """An output is proven where it was equal and all layers behind it are proven."""
    verdicts = {layer.name: layer.finding.verdict for layer in layers}
    values = {output.name: output.value for output in graph.outputs}
    proven = {name for name, value in values.items() if proven_behind(graph, value, verdicts)}
    return tuple(
        replace(result, finding=replace(result.finding, verdict=Verdict.PROVEN))
        if result.name in proven and result.finding.verdict is Verdict.SAMPLED
        else result
        for result in outputs
    )


def _witness(witness: Witness, panel: Panel, failures: Mapping[Witness, str]) -> WitnessResult:
    versions = tuple(panel.versions.get(witness, {}).items())
    failure = failures.get(witness)
    if failure is None and witness not in panel.runners:
        failure = "did not take part"
    return WitnessResult(witness, versions, failure)


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}"
