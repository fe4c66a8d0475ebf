"""From samples to all inputs: every layer by itself, proofs by theorems and tables, bounds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from qconvert.checking.audit import Evidence, Observe, Rounding, audit
from qconvert.checking.bounds import bound_of
from qconvert.checking.forcing import Trial, can_be_forced, forced_trials
from qconvert.checking.grounds import Proof
from qconvert.checking.inputs import Batch
from qconvert.checking.proof import assumed_codes, concluded, own_nodes, proof_of, prove, within
from qconvert.checking.results import Finding, LayerResult, OutputResult, Verdict, WeightResult
from qconvert.checking.stopwatch import Stopwatch
from qconvert.checking.tables.enumeration import Tables, tabulate
from qconvert.checking.weights import FOLDED, ComparedWeights
from qconvert.checking.witness import Panel, Witness
from qconvert.exactness import Analysis, Argument, Certificate, Doubt
from qconvert.ir import Graph, Layer
from qconvert.ir.bits import step_of
from qconvert.ir.ops import BatchNormalization, Conv, ConvTranspose, Dense, Recurrence

#: How often every layer is tried on a batch of many samples, with numbers of its own.
_FORCED_ROUNDS: Final = 4
#: Operations that compute with a layer's weights.
_WEIGHTED: Final = (Dense, Conv, ConvTranspose, BatchNormalization, Recurrence)
#: What TensorFlow's versions tell of settings under which a layer may be no sum of products.
_OTHER_KERNELS: Final = ("_USE_DEEP_CONV2D", "_FPMATH_MODE")


@dataclass(frozen=True, slots=True, eq=False)
class Proofs:
    """What is known for all inputs, and what single layers made of numbers of their own.

    A ``reservation`` stands in the way of all proofs and bounds.
    """

    analysis: Analysis
    tables: Tables = field(default_factory=Tables)
    evidence: Evidence = field(default_factory=Evidence)
    tried: bool = False
    reservation: str = ""


def tried(
    graph: Graph,
    analysis: Analysis,
    panel: Panel,
    probe: Batch,
    rounding: Rounding,
    watch: Stopwatch,
    observe: Observe | None = None,
) -> Proofs:
    """Every layer by itself, on numbers from the reach of what it reads and from its tables."""
    if graph.opaque:
        return Proofs(analysis)
    settings = panel.versions.get(Witness.TENSORFLOW, {}).items()
    other = [f"{name}={value}" for name, value in settings if name.endswith(_OTHER_KERNELS)]
    if other:
        return Proofs(analysis, reservation=f"TensorFlow runs with {', '.join(other)}")
    forcible = can_be_forced(graph, panel.places)
    layers = forcible - panel.fused.keys()

    def run(trials: Iterable[Trial]) -> Evidence:
        with watch.part("layers by themselves"):
            return audit(panel.runners, trials, rounding, observe=observe)

    forced = run(
        trial
        for seed, batch in enumerate(_batches(probe) if layers else ())
        for trial in forced_trials(graph, analysis, batch, layers, panel.coded, seed)
    )
    with watch.part("tables"):
        told = partial(_tell_table, watch)
        tables = tabulate(graph, analysis, probe, forcible, run, panel.fused.keys(), told)
    evidence = forced.merge(tables.evidence)
    known = replace(analysis, certificates={**analysis.certificates, **tables.certificates})
    return Proofs(known, tables, evidence, tried=forced.samples > 0 or len(graph.layers) == 1)


def _tell_table(watch: Stopwatch, number: int, count: int) -> None:
    watch.told(f"tables: quantizer {number} of {count}")


def _batches(probe: Batch) -> list[Batch]:
    """That of many samples several times, and one of one."""
    return [*[probe] * _FORCED_ROUNDS, {name: x[:1] for name, x in probe.items()}]


def for_all_inputs(
    graph: Graph,
    proofs: Proofs,
    results: Sequence[LayerResult],
    weights: ComparedWeights,
    fused: Mapping[str, str],
) -> tuple[LayerResult, ...]:
    """The layers with what is proven or bounded of them.

    What is *fused* into another's operators is what that one is, whose weights are those of both.
    """
    layers = {layer.name: layer for layer in graph.layers}
    owned = {
        result.name: [
            w for w in weights.results if result.name in (w.layer, fused.get(w.layer, ""))
        ]
        for result in results
    }
    groups = {
        end: [layers[name] for name, other in fused.items() if other == end]
        for end in fused.values()
    }
    found = {
        x.name: _for_all(graph, proofs, layers[x.name], x, owned[x.name], groups.get(x.name, ()))
        for x in results
        if x.name in layers and x.name not in fused
    }
    return tuple(
        replace(x, finding=within(x.finding, fused[x.name], found[fused[x.name]]))
        if x.name in fused
        else replace(x, finding=found.get(x.name, x.finding))
        for x in results
    )


def _for_all(
    graph: Graph,
    proofs: Proofs,
    layer: Layer,
    result: LayerResult,
    own: Sequence[WeightResult],
    fused: Sequence[Layer],
) -> Finding:
    if proofs.reservation:
        return replace(result.finding, doubt=proofs.reservation)
    bound, step = bound_of(graph, proofs.analysis, proofs.tables, layer), step_of(graph, layer)
    if bound is not None and bound.largest is not None and step is not None:
        bound = replace(bound, steps=bound.largest / step)
    # What a kernel absorbs has no results of its own that could be compared: all of it counts.
    each = [proof_of(graph, proofs.analysis, x) for x in (layer, *fused)]
    proof = next((one for one in each if isinstance(one, Doubt)), each[0])
    if isinstance(proof, Proof):
        assumed = assumed_codes(graph, proofs.analysis, layer)
        proof = replace(proof, assumptions=(*proof.assumptions, *assumed))
        if not own and any(isinstance(x.op, _WEIGHTED) for x in own_nodes(graph, layer)):
            proof = Doubt("the weights of a further call, which are not looked for in the file")
    end = proofs.analysis.certificates.get(layer.value)
    by_codes = isinstance(end, Certificate) and end.argument is Argument.CODES
    others = [w for w in own if not _is_rounded(w, layer)]
    if len(others) < len(own):
        # TensorFlow computes what is absorbed with other weights: ours, but for rounding.
        proof = Doubt(FOLDED)
    found = prove(result.finding, proof, others, bound, tried=proofs.tried, by_codes=by_codes)
    explained = found.verdict is Verdict.SAMPLED and found.doubt == FOLDED
    return replace(found, verdict=Verdict.BOUNDED) if explained else found


def _is_rounded(weight: WeightResult, layer: Layer) -> bool:
    """Whether *layer* absorbs a weight of the file that rounding made another in TensorFlow."""
    bounded = weight.verdict is Verdict.BOUNDED and weight.stored is not None
    return bounded and weight.layer != layer.name


def of_outputs(
    graph: Graph, layers: Sequence[LayerResult], outputs: Sequence[OutputResult]
) -> tuple[OutputResult, ...]:
    """The outputs with what follows for them from the layers."""
    verdicts = {layer.name: layer.finding.verdict for layer in layers}
    values = {output.name: output.value for output in graph.outputs}
    return tuple(
        replace(x, finding=concluded(x.finding, graph, values[x.name], verdicts))
        if x.name in values
        else x
        for x in outputs
    )
