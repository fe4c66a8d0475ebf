from dataclasses import replace

import numpy as np
from numpy.testing import assert_array_equal

from qconvert.checking.forcing import can_be_forced, draw, forced_trials
from qconvert.exactness import Reach, analyse
from qconvert.ir import Graph, Grid, Layer, Node
from qconvert.ir.ops import Quantize, Scale
from qconvert.ir.quantizers import QuantizedBits
from qconvert.reference import apply

BATCH = {"x": np.linspace(-2, 2, 64, dtype=np.float32).reshape(32, 2)}


TENSORS = {"q_in": ("v1", "c1"), "dense": ("v2",), "q_out": ("v3",)}


def reach(lo: list[int], hi: list[int], exp: int) -> Reach:
    return Reach(*(np.array([numbers]) for numbers in (lo, hi, [exp] * len(lo))))


def test_what_is_drawn_lies_in_the_reach_and_has_its_ends() -> None:
    y = draw(reach([-3, 0], [4, 9], -2), (64, 2), np.random.default_rng(0), [])
    assert_array_equal(y.min(axis=0), np.array([-0.75, 0], np.float32))
    assert_array_equal(y.max(axis=0), np.array([1, 2.25], np.float32))
    assert np.all(y * 4 == np.rint(y * 4))


def test_all_codes_are_drawn_in_turn() -> None:
    y = draw(reach([-8, -8], [7, 7], -3), (64, 2), np.random.default_rng(0), [])
    assert set((y[4::8] * 8).ravel().tolist()) == set(range(-8, 8))


def test_ties_of_a_quantizer_that_reads_it_are_drawn_and_their_neighbours() -> None:
    grid = Grid(-8, 7, -3)
    y = draw(reach([-4096], [4096], -9), (256, 1), np.random.default_rng(0), [grid])
    distance = abs(y * 8 - np.floor(y * 8) - 0.5)
    for steps in (0, 1):
        assert np.count_nonzero(distance == steps / 64) > 16


def test_all_layers_but_ends_are_forced_and_codes_alone_too(graph: Graph) -> None:
    """Of a quantizer, a layer behind it, and a quantizer that is the output."""
    layers = can_be_forced(graph, TENSORS)
    assert layers == {"q_in", "dense"}
    every, coded = forced_trials(graph, analyse(graph), BATCH, layers, {"q_in", "q_out"}, 0)
    assert every.forced.keys() == {"q_in", "dense"}
    assert coded.forced.keys() == {"q_in"}
    assert_array_equal(coded.forced["q_in"], every.forced["q_in"])


def test_where_all_that_is_forced_is_codes_one_run_shows_it(graph: Graph) -> None:
    analysis = analyse(graph)
    (only,) = forced_trials(graph, analysis, BATCH, {"q_in"}, {"q_in", "q_out"}, 0)
    assert only.forced.keys() == {"q_in"}


def test_where_a_denormal_code_is_no_0_there_are_two_runs(graph: Graph) -> None:
    analysis = analyse(graph)
    tiny = replace(analysis, values={**analysis.values, "v1": reach([-8, -8], [7, 7], -140)})
    every, coded = forced_trials(graph, tiny, BATCH, {"q_in"}, {"q_in"}, 0)
    assert not every.forced["q_in"].any()
    assert coded.forced["q_in"].any()


def test_a_layer_of_unknown_reach_is_forced_to_what_the_reference_makes_of_forced_results(
    graph: Graph,
) -> None:
    analysis = analyse(graph)
    unknown = replace(analysis, values={**analysis.values, "v2": None})
    every, _ = forced_trials(graph, unknown, BATCH, can_be_forced(graph, TENSORS), {"q_in"}, 0)
    assert_array_equal(every.forced["dense"], apply(graph.nodes[1].op, every.forced["q_in"]))


def test_seeds_draw_other_numbers(graph: Graph) -> None:
    layers = can_be_forced(graph, TENSORS)
    first, second = (
        next(forced_trials(graph, analyse(graph), BATCH, layers, set(), seed)) for seed in (0, 1)
    )
    assert not np.array_equal(first.forced["q_in"], second.forced["q_in"])


def test_what_one_tensor_of_the_file_holds_twice_is_not_forced(graph: Graph) -> None:
    """Two equal layers of one input, which the file computes once."""
    node = replace(graph.nodes[0], name="v1b")
    twice = replace(
        graph,
        nodes=(*graph.nodes, node),
        layers=(*graph.layers, Layer("again", "QActivation", "v1b")),
    )
    assert can_be_forced(twice, {**TENSORS, "again": ("c1",)}) == {"dense"}
    # Also where the other one is inside a layer, so that nobody tells of its tensor.
    inside = replace(twice, layers=graph.layers)
    assert can_be_forced(inside, TENSORS) == {"dense"}


def test_other_operations_of_one_input_are_forced(graph: Graph) -> None:
    node = Node("v1b", Quantize(QuantizedBits(5, 0, alpha=1.0)), ("x",), (None, 2))
    twice = replace(
        graph,
        nodes=(*graph.nodes, node),
        layers=(*graph.layers, Layer("again", "QActivation", "v1b")),
    )
    tensors = {**TENSORS, "again": ("other",)}
    assert can_be_forced(twice, tensors) == {"q_in", "dense", "again"}
    moved = {**TENSORS, "again": ("v1",)}
    assert can_be_forced(twice, moved) == {"dense"}


def test_what_a_layer_that_does_nothing_hands_on_is_not_forced(graph: Graph) -> None:
    layers = (*graph.layers[:2], Layer("dropout", "Dropout", "v2"), graph.layers[2])
    longer = replace(graph, layers=layers)
    assert can_be_forced(longer, {**TENSORS, "dropout": ("v2",)}) == {"q_in"}


def test_no_denormal_numbers_are_forced(graph: Graph) -> None:
    """TensorFlow takes them for 0, in sums too."""
    tiny = replace(
        graph, nodes=(graph.nodes[0], replace(graph.nodes[1], op=Scale(2.0**-127)), graph.nodes[2])
    )
    every, *_ = forced_trials(tiny, analyse(tiny), BATCH, {"q_in", "dense"}, set(), 0)
    assert np.any(apply(tiny.nodes[1].op, every.forced["q_in"]))
    assert not np.any(every.forced["dense"])


def test_what_a_file_tells_of_layers_that_the_model_has_not_is_not_forced(graph: Graph) -> None:
    assert can_be_forced(graph, {**TENSORS, "other": ("elsewhere",)}) == {"q_in", "dense"}
