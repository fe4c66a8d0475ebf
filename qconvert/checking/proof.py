"""Which layers return the same in every correct program for all inputs, by their ops.

A layer is proven from the values that it computes from: where these are equal, so is its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from qconvert.checking.ancestry import layers_behind
from qconvert.checking.results import Finding, Proof, Verdict, WeightResult
from qconvert.exactness import Analysis, Argument, Certificate, Doubt
from qconvert.ir import Graph, Layer, Node

_NAMES: Final[Mapping[Argument, str]] = {
    Argument.MOVED: "nothing is computed",
    Argument.EXACT: "exact sums",
    Argument.QUANTIZED: "exact rounding",
    Argument.ROUNDED_ONCE: "one rounding",
}


def prove(
    finding: Finding, proof: Proof | Doubt, weights: Sequence[WeightResult], *, tried: bool
) -> Finding:
    """`Verdict.PROVEN` where results were equal and there is a *proof* of a layer with *weights*.

    *tried* tells whether the layer computed from numbers of its own choice, as a fault in the
    file would show.
    """
    if finding.verdict is not Verdict.SAMPLED:
        return finding
    doubt = _doubt(proof, weights, tried=tried)
    if doubt or isinstance(proof, Doubt):
        return replace(finding, doubt=doubt)
    return replace(finding, verdict=Verdict.PROVEN, proof=proof)


def _doubt(proof: Proof | Doubt, weights: Sequence[WeightResult], *, tried: bool) -> str:
    if isinstance(proof, Doubt):
        return proof.reason
    unseen = [w.role for w in weights if w.verdict is not Verdict.PROVEN or w.stored is None]
    if unseen:
        return f"{', '.join(unseen)} not found in the ONNX file"
    return "" if tried else "it was not tried by itself"


def proven_behind(graph: Graph, value: str, verdicts: Mapping[str, Verdict]) -> bool:
    """Whether all layers that *value* is computed by are proven, so that outputs are equal."""
    names = layers_behind(graph, value)
    return bool(names) and all(verdicts.get(name) is Verdict.PROVEN for name in names)


def proof_of(graph: Graph, analysis: Analysis, layer: Layer) -> Proof | Doubt:
    """The certificates of all ops of a layer together, or the first doubt."""
    if layer.frozen:
        return Doubt("a frozen scale, where TensorFlow computes one from every batch")
    found = [analysis.certificates[node.name] for node in own_nodes(graph, layer)]
    doubts = [one for one in found if isinstance(one, Doubt)]
    return doubts[0] if doubts else _together([c for c in found if isinstance(c, Certificate)])


def own_nodes(graph: Graph, layer: Layer) -> Sequence[Node]:
    """The nodes between the values of other layers and that of *layer*, in order.

    None if an earlier layer has the same value: then this one does nothing.
    """
    others = {other.value for other in graph.layers} | {source.name for source in graph.inputs}
    first = next(other for other in graph.layers if other.value == layer.value)
    wanted, nodes = {layer.value} if first is layer else set[str](), list[Node]()
    for node in reversed(graph.nodes):
        if node.name in wanted:
            nodes.append(node)
            wanted |= set(node.inputs) - others
    return nodes[::-1]


def _together(certificates: Sequence[Certificate]) -> Proof:
    arguments = dict.fromkeys(_NAMES[one.argument] for one in certificates)
    bits = [one.bits for one in certificates if one.bits is not None]
    assumptions = dict.fromkeys(text for one in certificates for text in one.assumptions)
    return Proof(tuple(arguments), max(bits, default=None), tuple(assumptions))
