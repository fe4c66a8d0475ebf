"""Verdicts in view of the graph that runs: what it withdraws, and on which conditions they hold."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from qconvert.checking.ancestry import layers_behind
from qconvert.checking.deployed.deployed_graph import DeployedGraph, Remark
from qconvert.checking.deployed.redrawn import OTHERWISE
from qconvert.checking.grounds import Method, Proof
from qconvert.checking.results import Finding, LayerResult, OutputResult, Verdict
from qconvert.exactness.certificate import BIAS_LAST
from qconvert.ir import Graph, Layer
from qconvert.ir.ops import Conv, ConvTranspose, Dense


def layers_as_deployed(
    graph: Graph,
    layers: Sequence[LayerResult],
    deployed: DeployedGraph,
    otherwise: Collection[str] = (),
) -> tuple[LayerResult, ...]:
    """No layer is proven or bounded that an operator outside of all proofs computes.

    Nor is one that the file draws *otherwise* than an export.

    None is proven, either, from a sum to which its bias is added last where that is added early.
    """
    doubts = _early(graph, layers, deployed)
    for name in otherwise:
        doubts[name] = (*doubts.get(name, ()), OTHERWISE)
    return tuple(
        replace(
            layer,
            finding=_layer(layer.finding, deployed, layer.name, doubts.get(layer.name, ())),
            kernels=deployed.kernels.get(layer.name, ()),
        )
        for layer in layers
    )


def outputs_as_deployed(
    graph: Graph, outputs: Sequence[OutputResult], deployed: DeployedGraph
) -> tuple[OutputResult, ...]:
    """An output behind such an operator is unchecked, though all that was seen of it was equal."""
    values = {output.name: output.value for output in graph.outputs}
    return tuple(
        replace(
            x, finding=_output(x.finding, deployed, layers_behind(graph, values.get(x.name, "")))
        )
        for x in outputs
    )


def _early(
    graph: Graph, layers: Sequence[LayerResult], deployed: DeployedGraph
) -> dict[str, tuple[str, ...]]:
    """By layer whose proof does not hold the operators that add a bias early."""
    proofs = {layer.name: layer.finding.proof for layer in layers}
    found: dict[str, tuple[str, ...]] = {}
    for layer in graph.layers:
        if not _assumes_bias_last(proofs.get(layer.name)):
            continue
        around = _back_to_a_sum(graph, layer)
        if texts := _texts(deployed.early_biases, around):
            found |= {name: texts for name in around if _shows_rounding(proofs.get(name))}
    return found


def _assumes_bias_last(proof: Proof | None) -> bool:
    return proof is not None and BIAS_LAST in proof.assumptions


def _shows_rounding(proof: Proof | None) -> bool:
    """Whether a proof is about numbers that are rounded, or about what codes make of them."""
    return proof is not None and (_assumes_bias_last(proof) or proof.method is not Method.ALGEBRAIC)


def _back_to_a_sum(graph: Graph, layer: Layer) -> set[str]:
    """The layers from *layer* to the nearest linear ops that it computes from."""
    wanted = {layer.value}
    for node in reversed(graph.nodes):
        if node.name in wanted and not isinstance(node.op, Dense | Conv | ConvTranspose):
            wanted |= set(node.inputs)
    return {each.name for each in graph.layers if each.value in wanted}


def _layer(
    finding: Finding, deployed: DeployedGraph, name: str, others: tuple[str, ...]
) -> Finding:
    finding = replace(finding, conditions=_texts(deployed.conditions, [name]))
    doubts = _texts(deployed.violations, [name]) + others
    known = finding.proof is not None or finding.bound is not None
    if not doubts or not known:
        return finding
    verdict = Verdict.SAMPLED if finding.equal else Verdict.BOUNDED
    doubt = "; ".join(doubts)
    return replace(finding, verdict=verdict, proof=None, bound=None, doubt=doubt)


def _output(finding: Finding, deployed: DeployedGraph, behind: set[str]) -> Finding:
    finding = replace(finding, conditions=_texts(deployed.conditions, behind))
    found = [v for v in deployed.violations if v.concerns(behind)]
    if not found or not finding.verdict.passes:
        return finding
    others = f" (and {len(found) - 1} more)" if found[1:] else ""
    reason = f"as deployed, {_where(found[0])}{found[0].text}{others}"
    return replace(finding, verdict=Verdict.UNCHECKED, reason=reason)


def _texts(remarks: Iterable[Remark], layers: Iterable[str]) -> tuple[str, ...]:
    wanted = set(layers)
    return tuple(dict.fromkeys(one.text for one in remarks if one.concerns(wanted)))


def _where(remark: Remark) -> str:
    return f"in {', '.join(sorted(remark.layers))}: " if remark.layers else ""
