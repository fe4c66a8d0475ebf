"""Random operations between sums and a quantizer, run as several correct programs would run them.

Where a table has no doubt, all of them return the same codes for all states, at whichever place.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from qconvert.checking.tables.cones import Cone, cones
from qconvert.checking.tables.margins import margins
from qconvert.checking.tables.states import Margins
from qconvert.exactness import analyse
from qconvert.ir import F32, Graph, Input, Node, Op, Output
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    Elementwise,
    Function,
    Merge,
    Pool,
    Quantize,
    Relu,
    Scale,
    UpSample,
)
from qconvert.ir.quantizers import Binary, QuantizedBits, QuantizedRelu, Ternary
from qconvert.reference import apply

Codes: TypeAlias = npt.NDArray[np.int64]
Random: TypeAlias = np.random.Generator
Program: TypeAlias = Callable[[Op, list[F32]], F32]

F: Final = np.float32
CHANNELS: Final = 2
SHAPE: Final = (None, 4, 4, CHANNELS)
SAMPLES: Final = (300, 4, 4, CHANNELS)


def in_order(op: Op, xs: list[F32]) -> F32:
    """Every operation as it is written, rounded each."""
    return apply(op, *xs)


def otherwise(op: Op, xs: list[F32]) -> F32:
    """Another order of operations, of operands and with fused multiply-adds."""
    x = xs[0]
    match op:
        case BatchNormalization():
            inverse = F(1) / np.sqrt(op.variance + F(op.epsilon))
            scaled = (x - op.mean) * (inverse * _or(op.gamma, 1))
            return np.asarray(scaled + _or(op.beta, 0), F)
        case Affine():
            wide = x.astype(np.longdouble) * _or(op.factor, 1) + _or(op.offset, 0)
            return np.asarray(wide.astype(F))
        case Merge(kind="add") if len(xs) == 3:
            return np.asarray(xs[0] + (xs[1] + xs[2]), F)
        case _:
            return apply(op, *xs)


def in_double(op: Op, xs: list[F32]) -> F32:
    """As exactly as can be, rounded once an operation."""
    match op:
        case BatchNormalization():
            wide = xs[0].astype(np.float64) - op.mean
            wide = wide / np.sqrt(op.variance.astype(np.float64) + op.epsilon)
            return np.asarray((wide * _or(op.gamma, 1) + _or(op.beta, 0)).astype(F))
        case Elementwise(function=Function.TANH):
            return np.asarray(np.tanh(xs[0].astype(np.float64)).astype(F))
        case Elementwise(function=Function.SIGMOID):
            exact = np.clip(xs[0].astype(np.float64), -80, 80)
            return np.asarray((1 / (1 + np.exp(-exact))).astype(F))
        case _:
            return apply(op, *xs)


def _or(array: F32 | None, absent: float) -> Any:
    return absent if array is None else array


MERGES: Final = (
    Merge("add"),
    Merge("subtract"),
    Merge("maximum"),
    Merge("minimum"),
    Merge("multiply"),
    Merge("average"),
)
PROGRAMS: Final[tuple[Program, ...]] = (in_order, otherwise, in_double)


def through_ties(random: Random) -> BatchNormalization:
    """A normalization of which some results are ties of a quantizer, but for rounding."""
    variance = random.uniform(0.25, 4, CHANNELS).astype(F)
    factor = random.integers(1, 8, CHANNELS) / 4.0 * random.choice([-1, 1], CHANNELS)
    gamma = (factor * np.sqrt(variance.astype(np.float64))).astype(F)
    mean = random.normal(0, 3, CHANNELS).astype(F)
    tie = random.integers(-8, 8, CHANNELS) / 2 + 0.25
    beta = (tie - factor * (random.integers(-9, 9, CHANNELS) - mean.astype(np.float64))).astype(F)
    return BatchNormalization(mean, variance, gamma, beta, 0.0)


def random_op(random: Random) -> Op:
    ones = np.ones(CHANNELS, F)
    match int(random.integers(11)):
        case 0 | 1 | 2:
            return through_ties(random)
        case 3:
            factor = random.choice([0.3, 0.5, -2, 1 / 3], CHANNELS).astype(F)
            return Affine(factor, (ones * random.choice([0.1, 0.25])).astype(F))
        case 4:
            thresholds = random.choice([0.0, 0.5, -1.0])
            return Relu(float(random.choice([0, 0, 0.25, 0.1])) * (thresholds == 0), thresholds)
        case 5:
            return Scale(float(random.choice([0.5, 0.1, -1])))
        case 6:
            return Elementwise(Function.TANH if random.random() < 0.5 else Function.SIGMOID)
        case 7:
            return Pool("max", (2, 2), (1, 1), ((0, 1), (0, 1)))
        case 8:
            return MERGES[int(random.integers(len(MERGES)))]
        case 9:
            return Merge("add")
        case _:
            return Quantize(QuantizedBits(6, int(random.integers(5)), alpha=1.0))


def random_quantizer(random: Random) -> Quantize:
    bits, integer = int(random.integers(2, 7)), int(random.integers(0, 6))
    return Quantize(
        (
            QuantizedBits(bits, integer, alpha=1.0),
            QuantizedRelu(bits, integer),
            QuantizedBits(bits, integer, alpha=float(random.choice([0.3, 2.0]))),
            QuantizedRelu(bits, integer, negative_slope=0.25),
            Ternary(alpha=1.0),
            Binary(alpha=1.0),
        )[int(random.integers(6))]
    )


def random_graph(random: Random) -> Graph:
    """Sums, a few operations on whatever came before, and a quantizer."""
    nodes = [Node("q", Quantize(QuantizedBits(4, 3, alpha=1.0)), ("x",), SHAPE)]
    for name in ("a", "b")[: int(random.integers(1, 3))]:
        kernel = random.integers(-3, 4, (1, 1, CHANNELS, CHANNELS)).astype(F)
        conv = Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)))
        nodes.append(Node(name, conv, ("q",), SHAPE))
    for i in range(int(random.integers(1, 5))):
        op = random_op(random)
        names = [node.name for node in nodes[1:]]
        count = 1 if not isinstance(op, Merge) else int(random.integers(2, 4))
        inputs = [names[-1], *random.choice(names, count - 1).tolist()]
        nodes.append(Node(f"v{i}", op, tuple(inputs), SHAPE))
    nodes.append(Node("end", random_quantizer(random), (nodes[-1].name,), SHAPE))
    return Graph("g", (Input("x", SHAPE),), tuple(nodes), (Output("y", "end"),), ())


def run(graph: Graph, program: Program, values: Mapping[str, F32]) -> F32:
    """The quantizer's results; all values are computed but those that are given."""
    known = dict(values)
    for node in graph.nodes:
        if node.name not in known:
            known[node.name] = program(node.op, [known[name] for name in node.inputs])
    return known["end"]


def random_states(cone: Cone, random: Random) -> dict[str, Codes]:
    """Codes of every source, at random places."""
    return {
        name: random.integers(lattice.lo, lattice.hi + 1, SAMPLES)
        for name, lattice in cone.sources.items()
    }


def states_at(places: npt.NDArray[np.bool_], codes: Mapping[str, Codes]) -> set[tuple[int, ...]]:
    """Channels and codes of all sources."""
    channels = np.nonzero(places)[-1]
    columns = [channels, *(each[places] for each in codes.values())]
    return set(zip(*(column.tolist() for column in columns), strict=True))


def contradicted(graph: Graph, cone: Cone, found: Margins, told: Counter[str], seed: int) -> bool:
    """Whether programs return different codes where the table has no doubt."""
    codes = random_states(cone, np.random.default_rng(seed))
    given = {name: lattice.at(codes[name])[0] for name, lattice in cone.sources.items()}
    y = [run(graph, program, {**given, "x": np.zeros(SAMPLES, F)}) for program in PROGRAMS]
    differing = np.any([y[0] != other for other in y], axis=0)
    told["without doubt" if not len(found.doubtful) else "in doubt"] += 1
    told["differing"] += bool(differing.any())
    if cone.moved:
        return bool(differing.any()) and not len(found.doubtful)
    doubtful = [found.doubtful.channels, *(found.doubtful.codes[name] for name in codes)]
    return not states_at(differing, codes) <= set(
        zip(*(column.tolist() for column in doubtful), strict=True)
    )


def test_no_program_contradicts_a_table() -> None:
    told: Counter[str] = Counter()
    for seed in range(1500):
        graph = random_graph(np.random.default_rng(seed))
        for cone in cones(graph, analyse(graph)):
            found = margins(cone)
            if cone.end.name == "end" and found is not None:
                assert not contradicted(graph, cone, found, told, seed), (seed, graph.nodes)
    # The programs do differ, and many tables are without doubt.
    assert told["differing"] > 50
    assert told["without doubt"] > 200


@pytest.mark.parametrize("shift", [1, 2])
def test_a_pool_beside_its_own_input_is_not_taken_for_the_same_number(shift: int) -> None:
    """The largest of a window is another element's."""
    graph = random_graph(np.random.default_rng(0))
    bn = through_ties(np.random.default_rng(1))
    pool = Pool("max", (3, 3), (1, 1), ((1, 1), (1, 1)))
    nodes = (
        *graph.nodes[:2],
        Node("n", bn, ("a",), SHAPE),
        Node("p", pool, ("n",), SHAPE),
        Node("m", Merge("add"), ("n", "p"), SHAPE),
        Node("end", Quantize(QuantizedBits(6, 6 - shift, alpha=1.0)), ("m",), SHAPE),
    )
    rejoined = replace(graph, nodes=nodes)
    assert not list(cones(rejoined, analyse(rejoined)))


def test_upsampled_numbers_have_a_table() -> None:
    graph = random_graph(np.random.default_rng(0))
    large = (None, 8, 8, CHANNELS)
    bn = through_ties(np.random.default_rng(1))
    nodes = (
        *graph.nodes[:2],
        Node("n", bn, ("a",), SHAPE),
        Node("u", UpSample((2, 2)), ("n",), large),
        Node("end", Quantize(QuantizedBits(6, 5, alpha=1.0)), ("u",), large),
    )
    (cone,) = cones(moved := replace(graph, nodes=nodes), analyse(moved))
    assert cone.moved == {"u"}
