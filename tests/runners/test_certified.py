"""Which sums may be computed in any order, batch by batch."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.exactness import analyse
from qconvert.ir import F32, Graph, Grid, Input, Layer, Node, Op, Output, Quotients, Shape
from qconvert.ir.ops import BatchNormalization, Conv, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.ir.shapes import infer_shape
from qconvert.reference import evaluate
from qconvert.runners import ReferenceRunner
from qconvert.runners.certified import exact_in_any_order

F = np.float32
SHAPE = (None, 6, 6, 2)


def conv(seed: int) -> Conv:
    kernel = np.random.default_rng(seed).integers(-7, 8, (3, 3, 2, 2)).astype(F) / 8
    return Conv(kernel.astype(F), None, (1, 1), (1, 1), ((1, 1), (1, 1)))


def chain(*ops: Op) -> Graph:
    """One op after the other, each a layer."""
    nodes: list[Node] = []
    last = "x"
    shape: Shape = SHAPE
    for i, op in enumerate(ops):
        shape = infer_shape(op, shape)
        nodes.append(Node(f"n{i}", op, (last,), shape))
        last = f"n{i}"
    layers = tuple(Layer(node.name, "Layer", node.name) for node in nodes)
    return Graph("g", (Input("x", SHAPE),), tuple(nodes), (Output("y", last),), layers)


def batch(values: float | np.float32) -> dict[str, F32]:
    return {"x": np.broadcast_to(np.asarray(values, F), (3, *(n or 3 for n in SHAPE[1:])))}


BITS = Quantize(QuantizedBits(8, 0, alpha=1.0))
RELU = Quantize(QuantizedRelu(8, 0))
ONES = np.ones(2, F)
NORMAL = BatchNormalization(ONES, ONES, ONES, ONES, 0.001, fused=False)
BYTES = Grid(0, 255, -8)


def test_inputs_of_the_declared_domain_are_certified_and_others_are_not() -> None:
    graph = chain(conv(0))
    analysis = analyse(graph, {"x": BYTES})
    for value, found in ((255 / 256, {"n0"}), (1, set()), (-1 / 256, set()), (1 / 512, set())):
        assert exact_in_any_order(graph, analysis, batch(value), {}) == found
    assert exact_in_any_order(graph, analyse(graph), batch(0.5), {}) == set()


def test_one_number_beyond_is_enough() -> None:
    graph = chain(conv(0))
    x = batch(0.5)["x"].copy()
    x[2, 5, 5, 1] = 1
    assert exact_in_any_order(graph, analyse(graph, {"x": BYTES}), {"x": x}, {}) == set()


def test_without_a_domain_quantizers_take_numbers_that_are_not_too_large() -> None:
    """Beyond 2**24 steps quantized_bits returns no codes."""
    graph = chain(BITS, conv(0))
    analysis = analyse(graph)
    assert exact_in_any_order(graph, analysis, batch(2.0**17), {}) == {"n1"}
    for value in (np.nextafter(F(2.0**17), F(np.inf)), np.inf, np.nan):
        assert exact_in_any_order(graph, analysis, batch(value), {}) == set()


def test_pixels_that_were_divided_are_told_from_others() -> None:
    graph = chain(BITS, conv(0))
    analysis = analyse(graph, {"x": Quotients(0, 255, 255)})
    assert exact_in_any_order(graph, analysis, batch(F(77) / F(255)), {}) == {"n1"}
    assert (
        exact_in_any_order(graph, analysis, batch(np.nextafter(F(77) / F(255), F(1))), {}) == set()
    )


def test_a_doubt_ends_what_is_certified_until_something_clips() -> None:
    """What a normalization returns can be anything: of that quantized_relu makes codes."""
    analysed = chain(conv(0), NORMAL, BITS, conv(1), NORMAL, RELU, conv(2))
    found = exact_in_any_order(analysed, analyse(analysed, {"x": BYTES}), batch(0.5), {})
    assert found == {"n0", "n6"}
    # Outside of the domain the latter still is: it does not depend on it.
    assert exact_in_any_order(analysed, analyse(analysed, {"x": BYTES}), batch(3e9), {}) == {"n6"}


def test_forced_results_are_certified_within_their_reach_alone() -> None:
    graph = chain(BITS, conv(0), RELU, conv(1))
    analysis = analyse(graph, {"x": BYTES})
    within, beyond = batch(127 / 128)["x"], batch(128 / 128)["x"]
    assert exact_in_any_order(graph, analysis, batch(0.5), {"n0": within}) == {"n1", "n3"}
    # The second convolution reads what quantized_relu makes of whatever it gets.
    assert exact_in_any_order(graph, analysis, batch(0.5), {"n2": beyond * 2}) == {"n1"}
    assert "n1" not in exact_in_any_order(graph, analysis, batch(0.5), {"n0": beyond})


@pytest.mark.parametrize("value", [0.5, 3.0, 2.0**30])
def test_the_reference_returns_the_same_with_and_without_an_analysis(value: float) -> None:
    graph = chain(BITS, conv(0), NORMAL, RELU, conv(1))
    x = np.random.default_rng(0).normal(0, value, (4, 6, 6, 2)).astype(F)
    literal = ReferenceRunner(graph).run({"x": x})
    found = ReferenceRunner(graph, analysis=analyse(graph)).run({"x": x})
    for name, expected in literal.layers.items():
        assert_array_equal(found.layers[name], expected)


def test_numbers_beyond_the_reach_would_show() -> None:
    """With a domain that the inputs do not keep to, a certificate alone returns other sums."""
    random = np.random.default_rng(0)
    kernel = random.integers(-(2**11), 2**11, (3, 3, 2, 2)).astype(F)
    graph = chain(replace(conv(0), kernel=kernel))
    analysis = analyse(graph, {"x": Grid(-1, 1, 0)})
    x = {"x": random.normal(0, 1e3, (4, 6, 6, 2)).astype(F)}
    literal = ReferenceRunner(graph).run(x).layers["n0"]
    assert_array_equal(ReferenceRunner(graph, analysis=analysis).run(x).layers["n0"], literal)
    assert np.any(evaluate(graph, x, unordered={"n0"})["n0"] != literal)
