from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from qconvert.checking.audit import Evidence
from qconvert.checking.compare import PAIRS, Difference
from qconvert.checking.forcing import Trial
from qconvert.checking.grounds import Method, Proof
from qconvert.checking.proof import proof_of
from qconvert.checking.tables.cones import cones
from qconvert.checking.tables.enumeration import THIS_MACHINE, Tables, tabulate
from qconvert.checking.tables.margins import margins
from qconvert.exactness import Argument, Certificate, Doubt, analyse
from qconvert.ir import Graph, Input, Layer, Node, Output, Quotients
from qconvert.ir.ops import Concat, Conv, Elementwise, Function, Merge, Quantize, Relu, Softmax
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu, QuantizedTanh, Quantizer
from tests.checking.batch_normalized import SHAPE, kernel, normalization, plain

LAYERS = {"q", "dense", "bn"}


class Runtimes:
    """All runtimes together, which differ about some layers."""

    def __init__(self, *wrong: str) -> None:
        self.wrong = wrong
        self.trials: list[Trial] = []

    def __call__(self, trials: Iterator[Trial]) -> Evidence:
        self.trials += trials
        found = {
            name: dict.fromkeys(PAIRS, Difference(9, int(name in self.wrong)))
            for name in ("q", "dense", "bn", "act")
        }
        return Evidence(found, {}, len(self.trials))


def ending(quantizer: Quantizer, seed: int = 1) -> Graph:
    graph = plain()
    last = Node("v4", Quantize(quantizer), ("v3",), SHAPE)
    bn = Node("v3", normalization(seed), ("v2",), SHAPE)
    return replace(graph, nodes=(*graph.nodes[:2], bn, last))


def fine() -> Graph:
    """With so many codes that some state is next to a boundary."""
    return ending(QuantizedBits(14, 3, alpha=1.0))


def tables(graph: Graph, runtimes: Runtimes, layers: set[str] = LAYERS) -> Tables:
    probe = {"x": np.zeros((2, 20), np.float32)}
    return tabulate(graph, analyse(graph), probe, layers, runtimes)


def test_what_no_rounding_reaches_is_proven_by_codes() -> None:
    graph = ending(QuantizedRelu(3, 2), seed=2)
    found = tables(graph, Runtimes())
    end, inner = found.certificates["v4"], found.certificates["v3"]
    assert isinstance(end, Certificate) and isinstance(inner, Certificate)
    assert (end.argument, inner.argument) == (Argument.TABULATED, Argument.CODES)
    assert end.near == 0 and end.states > 10_000
    analysis = replace(analyse(graph), certificates=found.certificates)
    proofs = [proof_of(graph, analysis, layer) for layer in graph.layers[2:]]
    assert all(isinstance(p, Proof) and p.method is Method.CODES for p in proofs)


def test_both_sides_of_every_boundary_are_tried() -> None:
    runtimes = Runtimes()
    tables(plain(), runtimes)
    whole = max(runtimes.trials, key=lambda trial: len(trial.inputs["x"]))
    (x,) = (trial.forced["dense"] for trial in [whole])
    assert x.shape == (len(whole.inputs["x"]), 6)
    # A relu of 6 bits has up to 63 boundaries, of which each has two sides.
    assert 20 < len(np.unique(x[:, 0])) <= 126
    assert {len(trial.inputs["x"]) for trial in runtimes.trials} == {1, len(x)}


def test_states_next_to_a_boundary_are_proven_by_trying_them() -> None:
    found = tables(fine(), Runtimes()).certificates["v4"]
    assert isinstance(found, Certificate)
    assert found.argument is Argument.TRIED and found.near > 0
    assert found.assumptions == (THIS_MACHINE,)


def test_where_runtimes_differ_next_to_a_boundary_nothing_is_proven() -> None:
    found = tables(fine(), Runtimes("act"))
    certificate = found.certificates["v4"]
    assert isinstance(certificate, Doubt) and "next to a boundary" in certificate.reason
    assert isinstance(found.certificates["v3"], Doubt)
    bound = found.bounds["v4"]
    assert bound.near > 0 and bound.largest == 2.0**-10
    assert bound.example is not None
    ((name, number),) = bound.example.values
    assert name == "v2" and (number * 1024).is_integer()


def test_what_cannot_be_forced_is_not_proven_by_trying() -> None:
    assert isinstance(tables(fine(), Runtimes(), {"q"}).certificates["v4"], Doubt)


def test_it_is_told_which_quantizer_is_tabulated() -> None:
    heard: list[tuple[int, int]] = []
    probe = {"x": np.zeros((2, 20), np.float32)}
    graph = fine()
    tabulate(graph, analyse(graph), probe, LAYERS, Runtimes(), told=lambda *far: heard.append(far))
    assert heard == [(i, len(heard)) for i in range(1, len(heard) + 1)] and heard


def test_a_witness_that_was_absent_proves_nothing() -> None:
    def alone(trials: Iterator[Trial]) -> Evidence:
        return Evidence({"act": {PAIRS[0]: Difference(9)}}, {}, len(list(trials)))

    graph = fine()
    probe = {"x": np.zeros((2, 20), np.float32)}
    found = tabulate(graph, analyse(graph), probe, LAYERS, alone)
    assert isinstance(found.certificates["v4"], Doubt)


def test_a_normalization_that_others_see_is_not_hidden() -> None:
    graph = plain()
    shown = replace(graph, outputs=(*graph.outputs, Output("z", "v3")))
    read = replace(
        graph,
        nodes=(*graph.nodes, Node("v5", graph.nodes[2].op, ("v3",), SHAPE)),
        outputs=(*graph.outputs, Output("z", "v5")),
    )
    for each in (shown, read):
        found = tables(each, Runtimes())
        assert isinstance(found.certificates["v3"], Doubt)
        assert isinstance(found.certificates["v4"], Certificate)


@pytest.mark.parametrize("function", [Function.SIGMOID, Function.SOFTPLUS, Function.TANH])
def test_functions_with_another_program_for_the_last_elements_are_not_tried(
    function: Function,
) -> None:
    """At which place a state stands depends on the size of the batch."""
    graph = plain()
    nodes = (
        *graph.nodes[:2],
        Node("v3", Elementwise(function), ("v2",), SHAPE),
        Node("v4", Quantize(QuantizedBits(12, 0, alpha=1.0)), ("v3",), SHAPE),
    )
    found = tables(replace(graph, nodes=nodes), runtimes := Runtimes())
    assert found.bounds["v4"].near > 0
    assert bool(runtimes.trials) == (function is Function.TANH)


def test_rounded_sums_are_not_proven_by_trying_one_number_for_each() -> None:
    """A state of theirs is many numbers, as many as there are orders of summation."""
    graph = plain()
    fine = Quantize(QuantizedBits(20, 3, alpha=1.0))
    nodes = (replace(graph.nodes[1], inputs=("x",)), Node("v4", fine, ("v2",), SHAPE))
    layers = tuple(layer for layer in graph.layers if layer.name in ("dense", "act"))
    first = replace(graph, nodes=nodes, layers=layers)
    analysis = analyse(first, {"x": Quotients(0, 255, 255)})
    runtimes = Runtimes()
    probe = {"x": np.zeros((2, 20), np.float32)}
    found = tabulate(first, analysis, probe, {"dense"}, runtimes)
    assert found.bounds["v4"].near > 0
    assert not runtimes.trials
    assert isinstance(found.certificates["v2"], Doubt)


def test_pixels_that_are_divided_are_proven_up_to_the_codes() -> None:
    graph = plain()
    nodes = (replace(graph.nodes[1], inputs=("x",)), Node("v4", graph.nodes[3].op, ("v2",), SHAPE))
    layers = tuple(layer for layer in graph.layers if layer.name in ("dense", "act"))
    first = replace(graph, nodes=nodes, layers=layers)
    analysis = analyse(first, {"x": Quotients(0, 255, 255)})
    assert isinstance(analysis.certificates["v2"], Doubt)
    probe = {"x": np.zeros((2, 20), np.float32)}
    found = tabulate(first, analysis, probe, {"dense"}, Runtimes()).certificates
    assert isinstance(found["v2"], Certificate) and isinstance(found["v4"], Certificate)
    assert found["v2"].argument is Argument.CODES


def test_a_source_of_two_cones_shows_the_states_of_both() -> None:
    graph = fine()
    other = Node("w3", normalization(7), ("v2",), SHAPE)
    nodes = (*graph.nodes, other, replace(graph.nodes[3], name="w4", inputs=("w3",)))
    layers = (*graph.layers, Layer("bn2", "Layer", "w3"), Layer("act2", "Layer", "w4"))
    both = replace(graph, nodes=nodes, layers=layers, outputs=(*graph.outputs, Output("z", "w4")))
    runtimes = Runtimes()
    tables(both, runtimes)
    forced = [trial.forced["dense"] for trial in runtimes.trials]
    for cone in cones(both, analyse(both)):
        found = margins(cone)
        assert found is not None and len(found.doubtful)
        lattice = cone.sources["v2"]
        for channel, code in zip(found.doubtful.channels, found.doubtful.codes["v2"], strict=True):
            number = code * lattice.scale[channel]
            assert any(np.any(x[:, channel] == number) for x in forced)


def test_numbers_that_are_added_to_all_of_an_image_are_not_tried_with_each() -> None:
    wide, one = (None, 5, 5, 6), (None, 1, 1, 6)
    conv = Conv(kernel(0)[np.newaxis, np.newaxis], None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    rounded = Quantize(QuantizedBits(8, 0, alpha=1.0))
    nodes = (
        Node("p", rounded, ("x",), (None, 5, 5, 20)),
        Node("a", conv, ("p",), wide),
        Node("q", rounded, ("y",), (None, 1, 1, 20)),
        Node("b", conv, ("q",), one),
        Node("n", normalization(1), ("a",), wide),
        Node("m", Merge("add"), ("n", "b"), wide),
        Node("e", Quantize(QuantizedBits(6, 3, alpha=1.0)), ("m",), wide),
    )
    inputs = (Input("x", (None, 5, 5, 20)), Input("y", (None, 1, 1, 20)))
    layers = tuple(Layer(node.name, "Layer", node.name) for node in nodes)
    graph = Graph("g", inputs, nodes, (Output("z", "e"),), layers)
    probe = {x.name: np.zeros((2, *[n or 1 for n in x.shape[1:]]), np.float32) for x in inputs}
    runtimes = Runtimes()
    found = tabulate(graph, analyse(graph), probe, {"a", "b"}, runtimes)
    assert found.bounds["e"].near > 0
    assert not runtimes.trials
    assert isinstance(found.certificates["e"], Doubt)


def test_codes_that_are_in_doubt_themselves_are_not_called_hidden() -> None:
    """The table begins with them: it does not say which of them programs return."""
    graph = plain()
    real = Node("v2", Quantize(QuantizedTanh(6, use_real_tanh=True)), ("d",), SHAPE)
    dense = replace(graph.nodes[1], name="d", inputs=("x",))
    nodes = (dense, real, *graph.nodes[2:])
    layers = tuple(layer for layer in graph.layers if layer.name != "q")
    found = tables(replace(graph, nodes=nodes, layers=layers), Runtimes(), {"dense"})
    assert isinstance(found.certificates["v4"], Certificate)
    assert isinstance(found.certificates["v2"], Doubt)


def test_frozen_scales_see_the_floats_before_them() -> None:
    graph = plain()
    layers = tuple(replace(x, frozen=x.name == "act") for x in graph.layers)
    found = tables(replace(graph, layers=layers), Runtimes())
    assert isinstance(found.certificates["v3"], Doubt)


def joined(first: Quantizer, *seeds: int) -> Graph:
    """Normalizations of the same sums, of which one quantizer reads all, side by side."""
    graph = plain()
    branches = [Node(f"n{i}", normalization(seed), ("v2",), SHAPE) for i, seed in enumerate(seeds)]
    names, shape = tuple(node.name for node in branches), (None, len(seeds) * (SHAPE[-1] or 0))
    join = Node("v3", Concat(1), names, shape)
    last = Node("v4", Quantize(first), ("v3",), shape)
    return replace(graph, nodes=(*graph.nodes[:2], *branches, join, last))


def test_what_is_joined_in_front_of_a_quantizer_is_tabulated_part_by_part() -> None:
    quantizer = QuantizedRelu(3, 2)
    found = tables(joined(quantizer, 2, 2), Runtimes())
    end, bound = found.certificates["v4"], found.bounds["v4"]
    alone = tables(ending(quantizer, seed=2), Runtimes()).certificates["v4"]
    assert isinstance(end, Certificate) and isinstance(alone, Certificate)
    assert (end.argument, end.near) == (Argument.TABULATED, 0)
    assert end.states == bound.states == 2 * alone.states
    hidden = [found.certificates[name] for name in ("n0", "n1", "v3")]
    assert hidden == [Certificate(Argument.CODES)] * 3


def test_one_part_next_to_a_boundary_is_in_doubt_for_all() -> None:
    """It is not tried, for the runtimes see it beside the others."""
    quantizer = QuantizedBits(14, 3, alpha=1.0)
    runtimes = Runtimes()
    for seeds in ((1, 2), (2, 1)):
        found = tables(joined(quantizer, *seeds), runtimes)
        assert isinstance(found.certificates["v4"], Doubt)
        assert found.bounds["v4"].near > 0 and found.bounds["v4"].example is not None
        assert isinstance(found.certificates["n0"], Doubt)
    assert not runtimes.trials


def test_a_part_of_which_nothing_is_known_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = joined(QuantizedRelu(3, 2), 2, 2)
    before = analyse(graph).certificates
    known = import_module("qconvert.checking.tables.enumeration")
    counts = known.margins
    monkeypatch.setattr(known, "margins", lambda c: None if "n1" in c.names else counts(c))
    found = tables(graph, Runtimes())
    assert found.certificates == before and not found.bounds


def test_nor_does_a_part_without_a_table() -> None:
    graph = joined(QuantizedRelu(3, 2), 2, 2)
    nodes = [replace(n, op=Softmax(1)) if n.name == "n1" else n for n in graph.nodes]
    assert "v4" not in tables(replace(graph, nodes=tuple(nodes)), Runtimes()).bounds


def test_what_is_joined_further_before_is_not_cut_into_parts() -> None:
    graph = joined(QuantizedRelu(3, 2), 2, 2)
    first, second, *others, join, last = graph.nodes
    relu = Node("r", Relu(), ("v3",), join.shape)
    behind = replace(last, inputs=("r",))
    nodes = (first, second, *others, join, relu, behind)
    assert "v4" not in tables(replace(graph, nodes=nodes), Runtimes()).bounds
