from dataclasses import replace

from qconvert.checking.compare import PAIRS, Difference
from qconvert.checking.grounds import Bound, Method, Proof
from qconvert.checking.proof import (
    assumed_codes,
    concluded,
    own_nodes,
    proof_of,
    prove,
    within,
)
from qconvert.checking.results import Comparison, Finding, Verdict
from qconvert.exactness import Doubt, analyse
from qconvert.ir import Graph, Grid, Layer, Node
from qconvert.ir.ops import Scale, Softmax


def test_a_layer_is_proven_by_all_its_ops(graph: Graph) -> None:
    """A layer of two: the dense one, and a product behind it."""
    *nodes, last = graph.nodes
    scaled = replace(
        graph,
        nodes=(
            *nodes,
            Node("v2b", Scale(0.25), ("v2",), (None, 2)),
            replace(last, inputs=("v2b",)),
        ),
        layers=tuple(replace(x, value="v2b") if x.name == "dense" else x for x in graph.layers),
    )
    layer = scaled.layers[1]
    assert [node.name for node in own_nodes(scaled, layer)] == ["v2", "v2b"]
    found = proof_of(scaled, analyse(scaled, {"x": Grid(-8, 7, -3)}), layer)
    assert isinstance(found, Proof)
    assert (found.arguments, found.bits) == (("exact sums",), 5)


def test_the_first_doubt_is_the_layer_s(graph: Graph) -> None:
    nodes = (*graph.nodes[:2], replace(graph.nodes[2], op=Softmax(1)))
    doubtful = replace(graph, nodes=nodes)
    found = proof_of(doubtful, analyse(doubtful), doubtful.layers[2])
    assert isinstance(found, Doubt) and "elementary function" in found.reason


def test_what_is_assumed_of_an_input_without_a_domain_is_told(graph: Graph) -> None:
    free, declared = (
        proof_of(graph, analyse(graph, domains), graph.layers[0])
        for domains in ({}, {"x": Grid(0, 255, -8)})
    )
    assert isinstance(free, Proof) and isinstance(declared, Proof)
    assert free.assumptions == ("no number fed to it is beyond 2.09715e+06",)
    assert declared.assumptions == ()


def test_a_layer_that_does_nothing_has_no_ops(graph: Graph) -> None:
    layer = Layer("dropout", "Dropout", "v2")
    longer = replace(graph, layers=(*graph.layers[:2], layer, graph.layers[2]))
    assert own_nodes(longer, layer) == []
    assert proof_of(longer, analyse(longer), layer) == Proof(Method.ALGEBRAIC, ())


EQUAL = Finding(Verdict.SAMPLED, "", (Comparison(PAIRS[0], Difference(9), None),))
OFF = Finding(Verdict.BOUNDED, "rounding", (Comparison(PAIRS[0], Difference(9, 3), None),))
CERTAIN = Proof(Method.CODES, ("the codes behind it are the same, whatever it rounds",))


def test_codes_that_differ_are_not_proven_unless_only_quantizers_read_them() -> None:
    assert prove(OFF, CERTAIN, [], None, tried=True, by_codes=True).verdict is Verdict.PROVEN
    assert prove(OFF, CERTAIN, [], None, tried=True, by_codes=False) == OFF


def test_no_proof_without_a_trial_and_no_bound_without_a_doubt() -> None:
    bound = Bound(0.5)
    assert prove(EQUAL, CERTAIN, [], bound, tried=True).verdict is Verdict.PROVEN
    assert prove(EQUAL, CERTAIN, [], bound, tried=False).verdict is Verdict.SAMPLED
    assert prove(EQUAL, Doubt("why"), [], bound, tried=False).verdict is Verdict.BOUNDED
    assert prove(EQUAL, Doubt("why"), [], None, tried=True).verdict is Verdict.SAMPLED


def test_what_the_file_does_not_compute_is_neither_proven_nor_bounded() -> None:
    elsewhere = replace(EQUAL, comparisons=(Comparison(PAIRS[1], Difference(9), None),))
    for known in (CERTAIN, Doubt("why")):
        found = prove(elsewhere, known, [], Bound(0.5), tried=True)
        assert found.verdict is Verdict.SAMPLED


def test_proofs_name_the_quantizers_that_they_take_at_their_word(graph: Graph) -> None:
    """Of an input of any size QKeras returns no code; the layers behind it assume one."""
    node = replace(graph.nodes[0], inputs=("s",))
    longer = replace(
        graph, nodes=(Node("s", Softmax(1), ("x",), (None, 2)), node, *graph.nodes[1:])
    )
    analysis = analyse(longer)
    dense, last = longer.layers[1:]
    assert assumed_codes(longer, analysis, dense) == ("v1 returns one of its codes",)
    assert assumed_codes(longer, analysis, last) == ("v1 returns one of its codes",)
    assert assumed_codes(graph, analyse(graph), graph.layers[1]) == ()


def test_an_output_says_which_layer_keeps_it_from_a_proof(graph: Graph) -> None:
    every = dict.fromkeys(("q_in", "dense", "q_out"), Verdict.PROVEN)
    assert concluded(EQUAL, graph, "v3", every).verdict is Verdict.PROVEN
    found = concluded(EQUAL, graph, "v3", {**every, "dense": Verdict.BOUNDED})
    assert (found.verdict, found.doubt) == (Verdict.BOUNDED, "BOUNDED before it: dense")
    two = concluded(
        EQUAL, graph, "v3", {**every, "dense": Verdict.BOUNDED, "q_in": Verdict.BOUNDED}
    )
    assert two.doubt == "BOUNDED before it: q_in and 1 more"
    assert concluded(EQUAL, graph, "v3", {**every, "dense": Verdict.DIFFERS}) == EQUAL
    assert concluded(OFF, graph, "v3", every) == OFF


def test_what_is_inside_of_a_kernel_is_what_the_kernel_is() -> None:
    own = Finding(Verdict.SAMPLED, "", ())
    proof = Proof(Method.ENUMERATED, ("all states",), 12, ("this machine",), 7, 2)
    proven = within(own, "act", Finding(Verdict.PROVEN, "", (), proof=proof))
    assert proven.verdict is Verdict.PROVEN and proven.proof is not None
    assert proven.proof.method is Method.ENUMERATED and "act" in proven.proof.arguments[0]
    bounded = within(own, "act", Finding(Verdict.BOUNDED, "", (), proof=proof))
    assert (bounded.verdict, bounded.proof, bounded.doubt) == (
        Verdict.BOUNDED,
        None,
        "computed inside of act",
    )
    unchecked = within(own, "act", Finding(Verdict.UNCHECKED, "", ()))
    assert unchecked.verdict is Verdict.SAMPLED
    wrong = Finding(Verdict.DIFFERS, "", ())
    assert within(wrong, "act", Finding(Verdict.PROVEN, "", (), proof=proof)) is wrong
