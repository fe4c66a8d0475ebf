"""Verdicts in view of the graph that runs: what it withdraws, and on which conditions they hold."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from qconvert.checking.ancestry import layers_behind
from qconvert.checking.deployed.deployed_graph import DeployedGraph, Remark
from qconvert.checking.results import Finding, LayerResult, OutputResult, Verdict
from qconvert.ir import Graph


def layers_as_deployed(
    layers: Sequence[LayerResult], deployed: DeployedGraph
) -> tuple[LayerResult, ...]:
    """No layer is proven or bounded that an operator outside of all proofs computes."""
    return tuple(
        replace(
            layer,
            finding=_layer(layer.finding, deployed, layer.name),
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


def _layer(finding: Finding, deployed: DeployedGraph, name: str) -> Finding:
    finding = replace(finding, conditions=_texts(deployed.conditions, [name]))
    violations = _texts(deployed.violations, [name])
    known = finding.proof is not None or finding.bound is not None
    if not violations or not known:
        return finding
    verdict = Verdict.SAMPLED if finding.equal else Verdict.BOUNDED
    doubt = "; ".join(violations)
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
