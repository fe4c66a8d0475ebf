from dataclasses import replace

from qconvert.checking.proof import own_nodes, proof_of
from qconvert.checking.results import Method, Proof
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
