"""What the graph that runs does to verdicts."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from qconvert.checking.deployed.deployed_graph import DeployedGraph, Remark
from qconvert.checking.deployed.deployment import layers_as_deployed, outputs_as_deployed
from qconvert.checking.grounds import Bound, Method, Proof
from qconvert.checking.results import Finding, LayerResult, OutputResult, Verdict
from qconvert.exactness.certificate import BIAS_LAST
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
    graph: Graph, names: Sequence[str], withdrawn: Sequence[str]
) -> None:
    """Of all, if its layers cannot be told."""
    found = layers_as_deployed(graph, layers(), DeployedGraph(violations=remark(*names)))
    assert [x.name for x in found if x.finding.verdict is not Verdict.PROVEN] == withdrawn
    for layer in found:
        taken = layer.name in withdrawn
        assert (layer.finding.proof is None) is taken
        assert layer.finding.doubt == ("MatMulNBits m quantizes" if taken else "")


@pytest.mark.parametrize("verdict", [v for v in EVERY if v is not Verdict.PROVEN])
def test_other_layers_keep_their_verdict(graph: Graph, verdict: Verdict) -> None:
    (_, found, _) = layers_as_deployed(
        graph, layers(verdict), DeployedGraph(violations=remark("dense"))
    )
    assert found.finding == layers(verdict)[1].finding


def test_a_bound_is_withdrawn_as_well(graph: Graph) -> None:
    bounded = [replace(x, finding=replace(x.finding, bound=Bound(0.5))) for x in layers(EVERY[1])]
    (_, found, _) = layers_as_deployed(graph, bounded, DeployedGraph(violations=remark("dense")))
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
    found = layers_as_deployed(graph, layers(), deployed)
    assert [x.finding.conditions for x in found] == [(), ("needs VNNI",), ()]
    assert [x.finding.verdict for x in found] == [Verdict.PROVEN] * 3
    assert [x.kernels for x in found] == [(), ("QGemm",), ()]
    (output,) = outputs_as_deployed(
        graph, [OutputResult("y", Finding(Verdict.PROVEN, "", ()))], deployed
    )
    assert output.finding.conditions == ("needs VNNI",)
    assert output.finding.verdict is Verdict.PROVEN


EARLY = "Gemm d adds the bias before the sum is finished"
LAST = Proof(Method.ALGEBRAIC, ("exact sums",), 5, (BIAS_LAST,))
TABLE = Proof(Method.CODES, ("no state is next to a boundary",), None, (BIAS_LAST,))
HIDDEN = Proof(Method.CODES, ("the codes behind it are the same",))
NEITHER = Proof(Method.ALGEBRAIC, ("exact sums",), 5)


@pytest.mark.parametrize(
    ("dense", "q_out", "withdrawn"),
    [
        (LAST, NEITHER, ["dense"]),
        (HIDDEN, TABLE, ["dense", "q_out"]),
        (NEITHER, TABLE, ["q_out"]),
        (NEITHER, NEITHER, []),
    ],
)
@pytest.mark.parametrize("names", [["dense"], []])
def test_a_bias_that_is_added_early_withdraws_what_rests_on_its_rounding(
    graph: Graph, dense: Proof, q_out: Proof, withdrawn: Sequence[str], names: Sequence[str]
) -> None:
    """The proof of a quantizer may rest on it, and that of what nothing but this quantizer sees."""
    proofs = [NEITHER, dense, q_out]
    proven = [
        replace(layer, finding=replace(layer.finding, proof=proof))
        for layer, proof in zip(layers(), proofs, strict=True)
    ]
    deployed = DeployedGraph(early_biases=(Remark(EARLY, frozenset(names)),))
    found = layers_as_deployed(graph, proven, deployed)
    assert [x.name for x in found if x.finding.proof is None] == withdrawn
    for layer in found:
        taken = layer.name in withdrawn
        assert layer.finding.verdict is (Verdict.SAMPLED if taken else Verdict.PROVEN)
        assert layer.finding.doubt == (EARLY if taken else "")


def test_a_bias_of_another_layer_may_be_added_early(graph: Graph) -> None:
    """Behind the nearest sum nothing of it is left to be seen."""
    (*others, last) = layers()
    proven = [*others, replace(last, finding=replace(last.finding, proof=TABLE))]
    deployed = DeployedGraph(early_biases=(Remark(EARLY, frozenset({"q_in"})),))
    found = layers_as_deployed(graph, proven, deployed)
    assert [x.finding.proof for x in found] == [x.finding.proof for x in proven]
