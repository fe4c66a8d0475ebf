"""Which layers return the same in every correct program for all inputs, by their ops.

A layer is proven from the values that it computes from: where these are equal, so is its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from qconvert.checking.ancestry import layers_behind
from qconvert.checking.grounds import Bound, Method, Proof
from qconvert.checking.results import Finding, Verdict, WeightResult, weakest
from qconvert.checking.witness import Witness
from qconvert.exactness import Analysis, Argument, Certificate, Doubt
from qconvert.ir import Graph, Layer, Node
from qconvert.ir.graph import in_order
from qconvert.ir.ops import Quantize

_NAMES: Final[Mapping[Argument, str]] = {
    Argument.MOVED: "nothing is computed",
    Argument.EXACT: "exact sums",
    Argument.QUANTIZED: "exact rounding",
    Argument.ROUNDED_ONCE: "one rounding",
    Argument.TABULATED: "no state is next to a boundary",
    Argument.TRIED: "all states next to a boundary were tried",
    Argument.DECIDED: "verified thresholds",
    Argument.SCANNED: "every float32 number",
    Argument.CODES: "the codes behind it are the same, whatever it rounds",
}
_METHODS: Final[Mapping[Argument, Method]] = {
    Argument.TABULATED: Method.CODES,
    Argument.TRIED: Method.ENUMERATED,
    Argument.DECIDED: Method.ENUMERATED,
    Argument.SCANNED: Method.ENUMERATED,
    Argument.CODES: Method.CODES,
}


def prove(
    finding: Finding,
    proof: Proof | Doubt,
    weights: Sequence[WeightResult],
    bound: Bound | None,
    *,
    tried: bool,
    by_codes: bool = False,
) -> Finding:
    """The finding on a layer with *weights* for all inputs, where its samples were as they should.

    `Verdict.PROVEN` by a *proof* where results were equal, or differed and are right *by_codes*:
    nothing reads them but quantizers, whose codes they cannot change. `Verdict.BOUNDED` by a
    *bound*. *tried* tells whether layers computed from numbers of their own choice, as a fault in
    the file would show: no proof goes without.
    """
    if finding.verdict not in (Verdict.SAMPLED, Verdict.BOUNDED):
        return finding
    unseen = _unseen(finding, weights)
    if isinstance(proof, Proof):
        if finding.verdict is Verdict.BOUNDED and not by_codes:
            return finding
        if unseen or not tried:
            return replace(finding, doubt=unseen or "it was not tried by itself")
        return replace(finding, verdict=Verdict.PROVEN, proof=proof)
    if bound is None or unseen:
        return replace(finding, doubt=unseen or proof.reason)
    return replace(finding, verdict=Verdict.BOUNDED, doubt=proof.reason, bound=bound)


def within(finding: Finding, name: str, other: Finding) -> Finding:
    """That of a layer which is fused into *name*'s operators: what is known of these."""
    if finding.verdict not in (Verdict.SAMPLED, Verdict.BOUNDED):
        return finding
    if other.verdict is Verdict.PROVEN and other.proof is not None:
        argument = f"computed inside of {name}, whose codes are the same"
        return replace(
            finding,
            verdict=Verdict.PROVEN,
            proof=replace(other.proof, arguments=(argument,), states=0, near=0),
        )
    verdict = other.verdict if other.verdict.passes else finding.verdict
    return replace(finding, verdict=verdict, doubt=f"computed inside of {name}", bound=other.bound)


def _unseen(finding: Finding, weights: Sequence[WeightResult]) -> str:
    """What was not found in the file, in words."""
    if not any(Witness.ORT in one.witnesses for one in finding.comparisons):
        return "the file does not compute it"
    unseen = [w.role for w in weights if w.verdict is not Verdict.PROVEN or w.stored is None]
    if unseen:
        return f"{', '.join(unseen)} not found in the ONNX file"
    return ""


def concluded(
    finding: Finding, graph: Graph, value: str, verdicts: Mapping[str, Verdict]
) -> Finding:
    """That of an output that was equal: it is what the layers before it are, if that is more."""
    if finding.verdict is not Verdict.SAMPLED:
        return finding
    behind = layers_behind(graph, value)
    before = [layer.name for layer in in_order(graph) if layer.name in behind]
    found = {name: verdicts.get(name, Verdict.UNCHECKED) for name in before}
    verdict = weakest(tuple(found.values()))
    if not verdict.passes:
        return finding
    if verdict is Verdict.PROVEN:
        return replace(finding, verdict=verdict)
    names = [name for name, each in found.items() if each is verdict]
    more = f" and {len(names) - 1} more" if names[1:] else ""
    return replace(finding, verdict=verdict, doubt=f"{verdict.value} before it: {names[0]}{more}")


def proof_of(graph: Graph, analysis: Analysis, layer: Layer) -> Proof | Doubt:
    """The certificates of all ops of a layer together, or the first doubt."""
    if layer.frozen:
        return Doubt("a frozen scale, where TensorFlow computes one from every batch")
    found = [analysis.certificates[node.name] for node in own_nodes(graph, layer)]
    doubts = [one for one in found if isinstance(one, Doubt)]
    return doubts[0] if doubts else _together([c for c in found if isinstance(c, Certificate)])


def assumed_codes(graph: Graph, analysis: Analysis, layer: Layer) -> tuple[str, ...]:
    """What proofs of *layer* assume of the quantizers before it that are not certified.

    Their results are taken for codes of their grid, which beyond 2**24 steps they are not.
    """
    nodes = graph.makers
    pending = [name for node in own_nodes(graph, layer) for name in node.inputs]
    seen, found = set[str](), dict[str, None]()
    while pending:
        name = pending.pop()
        node = nodes.get(name)
        if node is None or name in seen or name == layer.value:
            continue
        seen.add(name)
        if not isinstance(node.op, Quantize):
            pending.extend(node.inputs)
        elif isinstance(analysis.certificates[name], Doubt):
            found[f"{name} returns one of its codes"] = None
    return tuple(found)


def own_nodes(graph: Graph, layer: Layer) -> Sequence[Node]:
    """The nodes between the values of other layers and that of *layer*, in order.

    None if an earlier layer has the same value: then this one does nothing.
    """
    found: dict[str, Node] = {}
    pending = [layer.value] if graph.owners[layer.value] is layer else []
    while pending:
        node = graph.makers.get(pending.pop())
        if node is not None and node.name not in found:
            found[node.name] = node
            pending += [name for name in node.inputs if name not in graph.owners]
    return sorted(found.values(), key=lambda node: graph.positions[node.name])


def _together(certificates: Sequence[Certificate]) -> Proof:
    arguments = dict.fromkeys(_NAMES[one.argument] for one in certificates)
    methods = [_METHODS.get(one.argument, Method.ALGEBRAIC) for one in certificates]
    bits = [one.bits for one in certificates if one.bits is not None]
    assumptions = dict.fromkeys(text for one in certificates for text in one.assumptions)
    return Proof(
        max(methods, key=list(Method).index, default=Method.ALGEBRAIC),
        tuple(arguments),
        max(bits, default=None),
        tuple(assumptions),
        sum(one.states for one in certificates),
        sum(one.near for one in certificates),
        sum(one.numbers for one in certificates),
    )
