"""Bounds over all inputs against what programs return."""

from dataclasses import replace

import numpy as np

from qconvert.checking.bounds import bound_of
from qconvert.checking.tables.enumeration import Tables
from qconvert.exactness import analyse
from qconvert.ir import F32, Graph, Grid, Layer, Node, Op
from qconvert.ir.ops import Affine, Dense, Elementwise, Function, Quantize, Softmax, Transpose
from qconvert.ir.quantizers import QuantizedRelu
from tests.checking.batch_normalized import SHAPE, kernel, plain

WIDE = Grid(-(2**20), 2**20, -17)


def bound(graph: Graph, layer: str, grid: Grid = WIDE) -> float | None:
    found = bound_of(graph, analyse(graph, {"x": grid}), Tables(), named(graph, layer))
    assert found is not None
    return found.largest


def named(graph: Graph, name: str) -> Layer:
    return next(layer for layer in graph.layers if layer.name == name)


def with_op(op: Op, width: int = 6) -> Graph:
    graph, shape = plain(), (None, width)
    weights = np.tile(kernel(0), (1, width // 6))
    nodes = (
        graph.nodes[0],
        Node("v2", Dense(weights, None), ("v1",), shape),
        Node("v3", op, ("v2",), shape),
        replace(graph.nodes[3], shape=shape),
    )
    return replace(graph, nodes=nodes)


def fine_sums() -> Graph:
    """Sums of more than 24 bits, of the numbers that are fed."""
    graph = plain()
    first = Node("v2", Dense(kernel(0) * np.float32(1 + 2**-12), None), ("x",), SHAPE)
    last = Node("v4", Quantize(QuantizedRelu(6, 2)), ("v2",), SHAPE)
    layers = tuple(layer for layer in graph.layers if layer.name in ("dense", "act"))
    return replace(graph, nodes=(first, last), layers=layers)


def test_sums_in_other_orders_are_within_the_bound() -> None:
    graph = fine_sums()
    largest = bound(graph, "dense")
    assert largest is not None and 0 < largest < 2**-10
    random = np.random.default_rng(0)
    x = np.ldexp(random.integers(WIDE.lo, WIDE.hi, (500, 20)).astype(np.float32), WIDE.exp)
    op = graph.nodes[0].op
    assert isinstance(op, Dense)
    sums = [summed(x, op.kernel, random.permutation(20)) for _ in range(4)]
    distance = max(float(abs(a - b).max()) for a in sums for b in sums)
    assert 0 < distance <= largest


def summed(x: F32, weights: F32, order: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> F32:
    total = np.zeros((len(x), weights.shape[1]), np.float32)
    for i in order:
        total = total + x[:, i : i + 1] * weights[i]
    return total


def test_a_quantizer_of_equal_numbers_adds_nothing() -> None:
    assert bound(fine_sums(), "act") == 0


def test_functions_and_softmax_have_bounds_over_all_that_comes_to_them() -> None:
    for op in (Softmax(1), Elementwise(Function.SIGMOID), Elementwise(Function.TANH)):
        largest = bound(with_op(op), "bn")
        assert largest is not None and 2**-24 < largest < 2**-12


def test_a_normalization_has_one() -> None:
    largest = bound(plain(), "bn")
    assert largest is not None and 2**-24 < largest < 2**-10


def test_a_function_of_rounded_sums_has_no_number() -> None:
    """It is flattest at the ends of what comes to it, and steepest where nobody looks."""
    graph = fine_sums()
    sigmoid = Node("v3", Elementwise(Function.SIGMOID), ("v2",), SHAPE)
    layers = (*graph.layers, Layer("bn", "Layer", "v3"))
    longer = replace(graph, nodes=(graph.nodes[0], sigmoid), layers=layers)
    assert bound(longer, "bn") is None


def test_a_product_and_a_sum_that_are_no_float32_have_no_number() -> None:
    graph = with_op(Affine(np.full(6, 1 / 3, np.float32), np.full(6, 0.1, np.float32)))
    assert bound(graph, "bn") is None


def test_a_softmax_adds_as_many_numbers_as_its_axis_has() -> None:
    short, long = (bound(with_op(Softmax(1), width), "bn") for width in (6, 600))
    assert short is not None and long is not None and long > 1.5 * short


def test_what_only_moves_adds_nothing() -> None:
    graph = plain()
    pooled = Node("v3", Transpose((0, 1)), ("v2",), SHAPE)
    assert bound(replace(graph, nodes=(*graph.nodes[:2], pooled, graph.nodes[3])), "bn") == 0


def test_of_an_unknown_range_there_is_no_number() -> None:
    graph = fine_sums()
    found = bound_of(graph, analyse(graph), Tables(), named(graph, "dense"))
    assert found is not None and found.largest is None


def test_of_opaque_and_frozen_layers_nothing_is_known() -> None:
    graph = plain()
    frozen = replace(named(graph, "bn"), frozen=True)
    assert bound_of(graph, analyse(graph), Tables(), frozen) is None
