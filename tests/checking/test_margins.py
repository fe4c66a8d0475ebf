"""Tables against brute force: what is said to be certain, other programs return as well."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from qconvert.checking.tables.branches import near_sums
from qconvert.checking.tables.cones import Cone, cones
from qconvert.checking.tables.margins import margins
from qconvert.checking.tables.states import Margins, table
from qconvert.exactness import analyse
from qconvert.ir import F32, Graph, Node
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Elementwise,
    Function,
    Merge,
    Quantize,
    Relu,
)
from qconvert.ir.quantizers import (
    HardFunction,
    QuantizedBits,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    Quantizer,
)
from qconvert.reference import apply
from tests.checking.batch_normalized import SHAPE, merged, normalization, plain


def cone_in(graph: Graph, end: str) -> Cone:
    return next(cone for cone in cones(graph, analyse(graph)) if cone.end.name == end)


def known(cone: Cone) -> Margins:
    found = margins(cone)
    assert found is not None
    return found


def doubtful(found: Margins) -> set[tuple[int, ...]]:
    columns = [found.doubtful.channels, *found.doubtful.codes.values()]
    return set(zip(*(column.tolist() for column in columns), strict=True))


def otherwise(op: BatchNormalization, x: F32) -> F32:
    """``(x - mean) * (gamma / deviation) + beta``, a correct program as well."""
    assert op.gamma is not None and op.beta is not None
    factor = op.gamma / np.sqrt(op.variance + np.float32(op.epsilon))
    result: F32 = (x - op.mean) * factor + op.beta
    return result


def in_double(op: BatchNormalization, x: F32) -> F32:
    """All in float64, rounded at the end: more exact than any."""
    assert op.gamma is not None and op.beta is not None
    wide = [a.astype(np.float64) for a in (x, op.mean, op.variance, op.gamma, op.beta)]
    y = (wide[0] - wide[1]) / np.sqrt(wide[2] + op.epsilon) * wide[3] + wide[4]
    result: F32 = y.astype(np.float32)
    return result


def all_codes(cone: Cone, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    lattice = cone.sources[name]
    rows = np.arange(int(lattice.counts.max()))[:, np.newaxis]
    codes: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    codes = np.minimum(lattice.lo + rows, lattice.hi)
    return codes


def test_a_cone_begins_at_exact_sums() -> None:
    cone = cone_in(plain(), "v4")
    assert list(cone.sources) == ["v2"]
    assert cone.names == {"v3", "v4"}
    assert cone.monotone


@pytest.mark.parametrize("program", [otherwise, in_double])
@pytest.mark.parametrize("seed", range(8))
def test_other_programs_differ_in_doubtful_states_alone(
    program: Callable[[BatchNormalization, F32], F32], seed: int
) -> None:
    graph = plain()
    op = normalization(seed)
    fine = Quantize(QuantizedBits(14, 3, alpha=1.0))
    nodes = (*graph.nodes[:2], Node("v3", op, ("v2",), SHAPE), Node("v4", fine, ("v3",), SHAPE))
    cone = cone_in(replace(graph, nodes=nodes), "v4")
    codes = all_codes(cone, "v2")
    x, _ = cone.sources["v2"].at(codes)
    ours, _ = table(cone, {"v2": codes})
    differ = apply(fine, program(op, x)) != ours
    channels = np.broadcast_to(np.arange(6), codes.shape)
    assert set(zip(channels[differ], codes[differ], strict=True)) <= doubtful(known(cone))


def test_some_program_does_differ_in_a_doubtful_state() -> None:
    """Otherwise the test before this one shows nothing."""
    graph = plain()
    fine = Quantize(QuantizedBits(20, 3, alpha=1.0))
    cone = cone_in(replace(graph, nodes=(*graph.nodes[:3], Node("v4", fine, ("v3",), SHAPE))), "v4")
    op = graph.nodes[2].op
    assert isinstance(op, BatchNormalization)
    codes = all_codes(cone, "v2")
    x, _ = cone.sources["v2"].at(codes)
    assert np.any(apply(fine, otherwise(op, x)) != table(cone, {"v2": codes})[0])


@pytest.mark.parametrize("seed", range(10))
def test_searching_finds_what_looking_at_every_state_finds(seed: int) -> None:
    graph = plain()
    nodes = (*graph.nodes[:2], Node("v3", normalization(seed), ("v2",), SHAPE), graph.nodes[3])
    cone = cone_in(replace(graph, nodes=nodes), "v4")
    searched, looked = known(cone), known(replace(cone, monotone=False))
    assert doubtful(searched) == doubtful(looked)
    assert (searched.total, searched.largest) == (looked.total, looked.largest)
    results, _ = table(cone, {"v2": all_codes(cone, "v2")})
    steps = np.argwhere(np.diff(results, axis=0) != 0)
    codes = all_codes(cone, "v2")
    expected = {(c, int(codes[row + i, c])) for row, c in steps.tolist() for i in (0, 1)}
    edges = zip(searched.edges.channels, searched.edges.codes["v2"], strict=True)
    assert set(edges) == expected


def test_two_values_are_tabulated_in_pairs() -> None:
    cone = cone_in(merged(), "v7")
    assert set(cone.sources) == {"v2", "v4"}
    counts = [lattice.counts for lattice in cone.sources.values()]
    assert known(cone).total == int((counts[0] * counts[1]).sum())


@pytest.mark.parametrize("quantizer", [QuantizedRelu(3, 2), QuantizedBits(6, 3, alpha=1.0)])
def test_of_pairs_those_near_a_boundary_are_found_without_the_others(quantizer: Quantizer) -> None:
    graph = merged()
    last = Node("v7", Quantize(quantizer), ("v6",), SHAPE)
    cone = cone_in(replace(graph, nodes=(*graph.nodes[:-1], last)), "v7")
    # What rises nowhere is not searched.
    every, near = known(replace(cone, monotone=False)), known(cone)
    assert near_sums(cone, near.total) is not None
    assert doubtful(near) == doubtful(every)
    assert len(near.doubtful) > 3
    assert (near.total, near.largest) == (every.total, every.largest)


@pytest.mark.parametrize("quantizer", [QuantizedSigmoid(6), QuantizedBits(12, 3, alpha=1.0)])
def test_quantizers_of_other_boundaries_or_too_many_are_not_searched(quantizer: Quantizer) -> None:
    graph = merged()
    last = Node("v7", Quantize(quantizer), ("v6",), SHAPE)
    assert near_sums(cone_in(replace(graph, nodes=(*graph.nodes[:-1], last)), "v7"), 0) is None


def test_more_numbers_than_memory_has_room_for_are_not_searched() -> None:
    """10**9 of a channel, as behind inputs of 16 bits; the same cone with few is."""
    cone = cone_in(merged(), "v7")
    assert near_sums(cone, 0) is not None
    wide = {name: replace(lattice, hi=lattice.lo + 10**9) for name, lattice in cone.sources.items()}
    assert near_sums(replace(cone, sources=wide), 0) is None


def test_a_tie_in_reach_is_doubtful() -> None:
    """A normalization that halves: every odd sum is a tie, which no table decides for others."""
    graph = plain()
    ones = np.ones(6, np.float32)
    half = BatchNormalization(0 * ones, ones, ones * np.float32(0.5), 0 * ones, 0.0)
    step = Quantize(QuantizedBits(12, 7, alpha=1.0))
    coarse = (*graph.nodes[:2], Node("v3", half, ("v2",), SHAPE), Node("v4", step, ("v3",), SHAPE))
    assert len(known(cone_in(replace(graph, nodes=coarse), "v4")).doubtful) > 100


def test_functions_are_tabulated_whole() -> None:
    graph = plain()
    sigmoid = Node("v3", Elementwise(Function.SIGMOID), ("v2",), SHAPE)
    rounded = Node("v4", Quantize(QuantizedRelu(4, 0)), ("v3",), SHAPE)
    cone = cone_in(replace(graph, nodes=(*graph.nodes[:2], sigmoid, rounded)), "v4")
    assert not cone.monotone
    assert known(cone).total == int(cone.sources["v2"].counts.sum())


def test_what_is_not_number_for_number_has_no_cone() -> None:
    graph = plain()
    product = Node("v3", Merge("multiply"), ("v2", "x"), SHAPE)
    broken = replace(graph, nodes=(*graph.nodes[:2], product, graph.nodes[3]))
    assert not list(cones(broken, analyse(broken)))


def test_paths_that_part_and_join_are_not_monotone() -> None:
    """The larger of a rising and a falling number falls and rises."""
    graph = plain()
    falling = Node("w", Affine(np.full(6, -1, np.float32)), ("v2",), SHAPE)
    larger = Node("m", Merge("maximum"), ("v3", "n"), SHAPE)
    nodes = (
        *graph.nodes[:3],
        Node("n", normalization(5), ("v2",), SHAPE),
        larger,
        replace(graph.nodes[3], inputs=("m",)),
    )
    assert not cone_in(replace(graph, nodes=nodes), "v4").monotone
    alone = (*graph.nodes[:2], falling, replace(graph.nodes[2], inputs=("w",)), graph.nodes[3])
    assert cone_in(replace(graph, nodes=alone), "v4").monotone


@pytest.mark.parametrize(("threshold", "monotone"), [(0.0, True), (0.5, True), (-1.0, False)])
def test_a_rectifier_with_a_threshold_below_0_falls_there(threshold: float, monotone: bool) -> None:
    graph = plain()
    nodes = (
        *graph.nodes[:3],
        Node("r", Relu(0.0, threshold), ("v3",), SHAPE),
        replace(graph.nodes[3], inputs=("r",)),
    )
    assert cone_in(replace(graph, nodes=nodes), "v4").monotone is monotone


def test_beyond_its_limit_a_quantizer_is_doubtful() -> None:
    """QKeras returns 0 there, and files the largest code."""
    graph = plain()
    ones = np.ones(6, np.float32)
    steep = BatchNormalization(0 * ones, ones * np.float32(1e-16), ones, 0 * ones, 0.0)
    last = Node("v4", Quantize(QuantizedBits(8, 0, alpha=1.0)), ("v3",), SHAPE)
    nodes = (*graph.nodes[:2], Node("v3", steep, ("v2",), SHAPE), last)
    cone = cone_in(replace(graph, nodes=nodes), "v4")
    assert cone.limits == {"v4": 2.0**17}
    assert len(known(cone).doubtful) > 0
    assert known(cone).largest == np.inf
    clipped = Node("v4", Quantize(QuantizedRelu(8, 0)), ("v3",), SHAPE)
    relu = cone_in(replace(graph, nodes=(*nodes[:-1], clipped)), "v4")
    assert not relu.limits


@pytest.mark.parametrize(
    "last",
    [
        QuantizedBits(6, 3, alpha=0.3),
        QuantizedTanh(6, use_real_tanh=True),
        QuantizedRelu(6, 2, negative_slope=0.25),
        HardFunction.SMOOTH_SIGMOID,
    ],
)
def test_quantizers_that_no_rule_covers_have_no_table(last: Quantizer) -> None:
    graph = plain()
    nodes = (*graph.nodes[:3], Node("v4", Quantize(last), ("v3",), SHAPE))
    broken = replace(graph, nodes=nodes)
    assert not list(cones(broken, analyse(broken)))


def test_sums_of_three_and_fused_products_of_certain_numbers_have_no_table() -> None:
    graph = plain()
    wide = Quantize(QuantizedBits(8, 3, alpha=1.0))
    third = np.full(6, 1 / 3, np.float32)
    affine = Node("v3", Affine(third, third), ("v2",), SHAPE)
    nodes = (*graph.nodes[:2], affine, Node("v4", wide, ("v3",), SHAPE))
    broken = replace(graph, nodes=nodes)
    assert not list(cones(broken, analyse(broken)))
