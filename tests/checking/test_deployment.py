"""What the graph that runs does to verdicts."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from qconvert.checking.deployed.deployed_graph import DeployedGraph, Remark
from qconvert.checking.deployed.deployment import layers_as_deployed, outputs_as_deployed
from qconvert.checking.results import (
    Bound,
    Finding,
    LayerResult,
    Method,
    OutputResult,
    Proof,
    Verdict,
)
from qconvert.ir import Graph, Output

EVERY = list(Verdict)


def layers(verdict: Verdict = Verdict.PROVEN) -> list[LayerResult]:
    proof = Proof(Method.ALGEBRAIC, ("exact sums",), 5) if verdict is Verdict.PROVEN else None
    finding = Finding(verdict, "", (), proof=proof)
    return [LayerResult(name, "", None, None, finding) for name in ("q_in", "dense", "q_out")]


def remark(*names: str) -> tuple[Remark, ...]:
    return (Remark("MatMulNBits m quantizes", frozenset(names)),)


@pytest.mark.parametrize(
    ("names", "withdrawn"), [(["dense"], ["dense"]), ([], ["q_in", "dense", "q_out"])]
)
def test_a_violation_withdraws_the_proof_of_its_layers(
    names: Sequence[str], withdrawn: Sequence[str]
) -> None:
    """Of all, if its layers cannot be told."""
    found = layers_as_deployed(layers(), DeployedGraph(violations=remark(*names)))
    assert [x.name for x in found if x.finding.verdict is not Verdict.PROVEN] == withdrawn
    for layer in found:
        taken = layer.name in withdrawn
        assert (layer.finding.proof is None) is taken
        assert layer.finding.doubt == ("MatMulNBits m quantizes" if taken else "")


@pytest.mark.parametrize("verdict", [v for v in EVERY if v is not Verdict.PROVEN])
def test_other_layers_keep_their_verdict(verdict: Verdict) -> None:
    (_, found, _) = layers_as_deployed(layers(verdict), DeployedGraph(violations=remark("dense")))
    assert found.finding == layers(verdict)[1].finding


def test_a_bound_is_withdrawn_as_well() -> None:
    bounded = [replace(x, finding=replace(x.finding, bound=Bound(0.5))) for x in layers(EVERY[1])]
    (_, found, _) = layers_as_deployed(bounded, DeployedGraph(violations=remark("dense")))
    assert (found.finding.verdict, found.finding.bound) == (Verdict.SAMPLED, None)


@pytest.mark.parametrize("verdict", EVERY)
def test_an_output_behind_a_violation_is_unchecked_at_best(graph: Graph, verdict: Verdict) -> None:
    results = [OutputResult("y", Finding(verdict, "told", ()))]
    (found,) = outputs_as_deployed(graph, results, DeployedGraph(violations=remark("dense")))
    if verdict.passes:
        assert found.finding.verdict is Verdict.UNCHECKED
        assert found.finding.reason == "as deployed, in dense: MatMulNBits m quantizes"
    else:
        assert found.finding == results[0].finding


def test_one_of_many_violations_is_told(graph: Graph) -> None:
    results = [OutputResult("y", Finding(Verdict.SAMPLED, "", ()))]
    many = DeployedGraph(violations=(*remark("dense"), *remark("q_out"), *remark()))
    (found,) = outputs_as_deployed(graph, results, many)
    assert found.finding.reason.endswith("in dense: MatMulNBits m quantizes (and 2 more)")


def test_an_output_before_a_violation_is_not_concerned(graph: Graph) -> None:
    early = Graph(
        graph.name, graph.inputs, graph.nodes, (Output("y", "v1"), Output("z", "v3")), graph.layers
    )
    good = Finding(Verdict.PROVEN, "", ())
    results = [OutputResult("y", good), OutputResult("z", good)]
    found = outputs_as_deployed(early, results, DeployedGraph(violations=remark("dense")))
    assert [x.finding.verdict for x in found] == [Verdict.PROVEN, Verdict.UNCHECKED]
    every = outputs_as_deployed(early, results, DeployedGraph(violations=remark()))
    assert {x.finding.verdict for x in every} == {Verdict.UNCHECKED}
    assert every[0].finding.reason == "as deployed, MatMulNBits m quantizes"


def test_conditions_are_those_of_the_layers_and_of_what_is_behind(graph: Graph) -> None:
    deployed = DeployedGraph(
        conditions=(Remark("needs VNNI", frozenset({"dense"})),), kernels={"dense": ("QGemm",)}
    )
    found = layers_as_deployed(layers(), deployed)
    assert [x.finding.conditions for x in found] == [(), ("needs VNNI",), ()]
    assert [x.finding.verdict for x in found] == [Verdict.PROVEN] * 3
    assert [x.kernels for x in found] == [(), ("QGemm",), ()]
    (output,) = outputs_as_deployed(
        graph, [OutputResult("y", Finding(Verdict.PROVEN, "", ()))], deployed
    )
    assert output.finding.conditions == ("needs VNNI",)
    assert output.finding.verdict is Verdict.PROVEN
