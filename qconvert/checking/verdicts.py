"""What is known of layers and outputs from samples: verdicts, before any proof."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from qconvert.checking.audit import Evidence
from qconvert.checking.judge import (
    REQUIRED,
    altered,
    faults,
    inheritance,
    judge,
    output_inheritance,
    output_with_inherited,
)
from qconvert.checking.results import Finding, LayerResult, OutputResult, Verdict, WeightResult
from qconvert.checking.rounding import rounding_in
from qconvert.checking.weights import FOLDED
from qconvert.checking.witness import Witness
from qconvert.ir import Graph, Layer
from qconvert.ir.bits import activation_quantizer, bits_of, step_of, weight_bits
from qconvert.ir.graph import in_order

#: By layer those that its differences come from.
Inherited: TypeAlias = Mapping[str, tuple[str, ...]]

_FROZEN: Final = "with scales frozen on these very samples"


def verdicts(
    graph: Graph,
    evidence: Evidence,
    weights: tuple[WeightResult, ...],
    failures: Mapping[Witness, str],
    fused: Mapping[str, str],
) -> tuple[tuple[LayerResult, ...], tuple[OutputResult, ...]]:
    """Of all layers in order, and of all outputs; *failures* by the witness that failed.

    Those of *fused* layers are results of others in the file.
    """
    inherited = inheritance(graph, evidence.layers, altered(weights))
    return (
        _layers(graph, evidence, weights, failures, fused, inherited),
        _outputs(graph, evidence, failures, inherited),
    )


def _layers(
    graph: Graph,
    evidence: Evidence,
    weights: tuple[WeightResult, ...],
    failures: Mapping[Witness, str],
    fused: Mapping[str, str],
    inherited: Inherited,
) -> tuple[LayerResult, ...]:
    known = tuple(
        _layer(
            graph,
            layer,
            judge(
                evidence.layers.get(layer.name, {}),
                step=step_of(graph, layer),
                failed=failures.keys(),
                weights=[w for w in weights if w.layer == layer.name],
                inherited_from=inherited[layer.name],
                rounding=_causes(graph, layer, weights),
                required=_required(graph, layer.value, fused=layer.name in fused),
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


def _required(graph: Graph, value: str, *, fused: bool = False) -> tuple[Witness, ...]:
    """The witnesses that have to have computed *value*.

    Of opaque layers NumPy knows nothing, and the file has no results that nothing reads, or that
    are *fused* into an operator.
    """
    unknown = {Witness.NUMPY} if value in graph.opaque else set[Witness]()
    unknown |= {Witness.ORT} if fused or value not in graph.needed else set()
    return tuple(witness for witness in REQUIRED if witness not in unknown)


def _note(graph: Graph, value: str, *, frozen: bool) -> str:
    if frozen:
        return _FROZEN
    if value and value not in graph.needed:
        return "nothing reads it, and the file does not compute it"
    converter = graph.opaque.get(value)
    return f"opaque, by {converter}: no NumPy reference" if converter else ""


def _outputs(
    graph: Graph,
    evidence: Evidence,
    failures: Mapping[Witness, str],
    inherited: Inherited,
) -> tuple[OutputResult, ...]:
    faulty = faults(graph, evidence.layers)
    frozen = any(layer.frozen for layer in graph.layers)
    values = {output.name: output.value for output in graph.outputs}
    results: list[OutputResult] = []
    for name in dict.fromkeys((*values, *evidence.outputs)):
        value = values.get(name, "")
        compared = evidence.outputs.get(name, {})
        found = output_with_inherited(graph, value, compared, faulty)
        finding = judge(
            found,
            required=(*_required(graph, value), Witness.DEPLOYED),
            note=_note(graph, value, frozen=frozen),
            failed=failures.keys(),
            inherited_from=output_inheritance(graph, value, found, evidence.layers, inherited),
        )
        results.append(OutputResult(name, finding))
    return tuple(results)
