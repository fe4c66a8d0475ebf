"""Lines in the place of normalizations: every number of theirs is held against all sums."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import Remark
from qconvert.checking.deployed.float_line import FloatLine
from qconvert.checking.deployed.lined import conditions_left, judged_line, judged_lines
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.deployed.ties import TOGETHER
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.exactness import Reach
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Shape, Weight, infer_shape
from qconvert.ir.ops import BatchNormalization, Conv, Dense, Pool, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import apply
from qconvert.reference.fma import multiply_add

from .deployed_models import Array, change
from .repairing import check

CHANNELS, INPUTS, SIZE = 5, 3, 5
CHANNEL: Final = range(CHANNELS)
ROLES: Final = ("gamma", "beta", "moving_mean", "moving_variance")
ACT: Final = Quantize(QuantizedRelu(8, 2))
SIGNED: Final = Quantize(QuantizedBits(8, 2, alpha=1.0))
#: Of few bits, so that a line has room.
KERNEL: Final = np.random.default_rng(2).integers(-31, 32, (3, 3, INPUTS, CHANNELS)) / 32
IMAGE: Final = (None, SIZE, SIZE, INPUTS)


def model_of(linear: Op, shape: Shape, *front: tuple[str, Op], end: Quantize = ACT) -> Graph:
    """A quantizer, a linear layer with a kernel, its normalization, *front*, and a quantizer."""
    random = np.random.default_rng(5)
    mean, beta, gamma = random.normal(0, 1, (3, CHANNELS)).astype(np.float32)
    variance = random.uniform(0.2, 3, CHANNELS).astype(np.float32)
    fused = isinstance(linear, Conv)
    norm = BatchNormalization(mean, variance, gamma, beta, 1e-3, fused=fused)
    steps: list[tuple[str, Op]] = [("q", ACT), ("linear", linear), ("norm", norm), *front]
    nodes: list[Node] = []
    name, source = "x", shape
    for each, op in [*steps, ("act", end)]:
        shape = infer_shape(op, shape)
        nodes.append(Node(each, op, (name,), shape))
        name = each
    arrays = dict(zip(ROLES, (gamma, beta, mean, variance), strict=True))
    assert isinstance(linear, Conv | Dense)
    weights = {
        "linear": {"kernel": Weight(linear.kernel, linear.kernel, None)},
        "norm": {role: Weight(array, array, None) for role, array in arrays.items()},
    }
    layers = tuple(Layer(n.name, "Layer", n.name, weights.get(n.name, {})) for n in nodes)
    return Graph("m", (Input("x", source),), tuple(nodes), (Output("act", "act"),), layers)


def convolution() -> Graph:
    conv = Conv(KERNEL.astype(np.float32), None, (1, 1), (1, 1), ((1, 1), (1, 1)))
    return model_of(conv, IMAGE)


def pooled() -> Graph:
    conv = Conv(KERNEL.astype(np.float32), None, (1, 1), (1, 1), ((1, 1), (1, 1)))
    pool = Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0)))
    return model_of(conv, IMAGE, ("pool", pool), end=SIGNED)


def dense() -> Graph:
    kernel = KERNEL.reshape(-1, CHANNELS).astype(np.float32)
    return model_of(Dense(kernel, None), (None, len(kernel)))


MODELS: Final = (convolution, pooled, dense)


def read_back(graph: Graph, model: onnx.ModelProto) -> dict[tuple[str, str], F32]:
    return stored_weights(Conversion(graph, model))


def ulps(by: int, channel: int) -> Callable[[Array], Array]:
    def moved(array: Array) -> Array:
        array = array.copy()
        array.reshape(-1).view(np.int32)[channel] += by
        return array

    return moved


def shifted(by: float, channel: int) -> Callable[[Array], Array]:
    def moved(array: Array) -> Array:
        array = array.copy()
        array.reshape(-1)[channel] += np.float32(by)
        return array

    return moved


@pytest.mark.parametrize("make", MODELS)
def test_all_weights_are_found(make: Callable[[], Graph]) -> None:
    graph = make()
    model = to_onnx(graph)
    assert "act" in Conversion(graph, model).file.lines
    found = read_back(graph, model)
    assert set(found) == {("linear", "kernel"), *(("norm", role) for role in ROLES)}
    for layer in graph.layers:
        for role, weight in layer.weights.items():
            np.testing.assert_array_equal(found[layer.name, role], weight.effective)


@pytest.fixture(params=MODELS)
def conversion(request: pytest.FixtureRequest) -> Conversion:
    graph = request.param()
    return Conversion(graph, to_onnx(graph))


def moved(line: FloatLine, channel: int, by: int) -> FloatLine:
    """Its addend so many float32 numbers off."""
    return replace(line, addend=ulps(by, channel)(line.addend))


def results_of_all(conversion: Conversion, line: FloatLine) -> tuple[F32, list[F32]]:
    """Those of the reference for all sums, and those of the line in both ways of rounding."""
    reach = conversion.analysis.values["linear"]
    assert isinstance(reach, Reach)
    lo, hi, exp = (np.broadcast_to(x.ravel(), CHANNELS) for x in (reach.lo, reach.hi, reach.exp))
    codes = np.minimum(lo + np.arange(int((hi - lo).max()) + 1)[:, np.newaxis], hi)
    wanted = x = np.ldexp(codes.astype(np.float32), exp.astype(np.int32)).astype(np.float32)
    for node in conversion.graph.nodes[2:]:
        wanted = wanted if isinstance(node.op, Pool) else apply(node.op, wanted)
    own = (x / line.unit).astype(np.float32)
    factor, addend = (np.broadcast_to(each, own.shape) for each in (line.factor, line.addend))
    step, ends = np.float32(line.grid.step), (line.grid.lo, line.grid.hi)
    both = own * factor + addend, multiply_add(own, factor, addend)
    return wanted, [np.clip(np.rint(y / step), *ends) * step for y in both]


def is_right(conversion: Conversion, line: FloatLine) -> list[bool]:
    found = judged_line(conversion.graph, conversion.analysis, "act", "linear", line)
    assert found is not None
    return [bool(each) for each in found.codes]


def test_an_addend_that_is_off_is_judged_by_what_it_does(conversion: Conversion) -> None:
    """Some have room for a few units in the last place: then every code is the same."""
    line, seen = conversion.file.lines["act"], set()
    for channel in range(CHANNELS):
        for by in (sign << power for power in (0, 6, 23) for sign in (-1, 1)):
            other = moved(line, channel, by)
            wanted, results = results_of_all(conversion, other)
            right = [all(np.array_equal(y[:, i], wanted[:, i]) for y in results) for i in CHANNEL]
            assert is_right(conversion, other) == right
            seen.add(right[channel])
    assert seen == {True, False}


def test_a_line_that_is_right_only_where_it_is_rounded_twice_is_wrong(
    conversion: Conversion,
) -> None:
    """Elsewhere its product and its sum may be one operation."""
    line, seen = conversion.file.lines["act"], 0
    for channel in range(CHANNELS):
        low, high = (_last_right(conversion, line, channel, sign) for sign in (-1, 1))
        for by in (low - 1, high + 1, low - 2, high + 2):
            other = moved(line, channel, by)
            wanted, (twice, once) = results_of_all(conversion, other)
            if np.array_equal(twice, wanted) != np.array_equal(once, wanted):
                seen += 1
                assert not is_right(conversion, other)[channel]
    assert seen


def _last_right(conversion: Conversion, line: FloatLine, channel: int, sign: int) -> int:
    """How far an addend can be moved: what is farther is wrong."""
    low, high = 0, 1 << 23
    while high - low > 1:
        middle = (low + high) // 2
        right = is_right(conversion, moved(line, channel, sign * middle))[channel]
        low, high = (middle, high) if right else (low, middle)
    return sign * low


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("by", [-1, 1])
def test_an_addend_one_step_off_is_wrong(make: Callable[[], Graph], by: int) -> None:
    graph = make()
    for channel in range(CHANNELS):
        model = to_onnx(graph)
        change(model, addend_of(model), shifted(by * 2.0**-5, channel))
        found = read_back(graph, model)
        for role in ROLES:
            wrong = np.isnan(found["norm", role])
            assert wrong.tolist() == [i == channel for i in range(CHANNELS)]
        assert not np.isnan(found["linear", "kernel"]).any()


def addend_of(model: onnx.ModelProto) -> str:
    """The constant of the line's sum."""
    (add,) = (each for each in model.graph.node if each.op_type == "Add")
    return str(add.input[1])


def factor_of(model: onnx.ModelProto) -> str:
    """The constant of the line's product, which may be codes of one."""
    (add,) = (each for each in model.graph.node if each.op_type == "Add")
    makers = {name: each for each in model.graph.node for name in each.output}
    product = makers[add.input[0]]
    inner = makers[product.input[1]]
    return str(inner.input[0] if inner.op_type == "DequantizeLinear" else inner.input[1])


@pytest.mark.parametrize("make", MODELS)
def test_another_factor_is_wrong(make: Callable[[], Graph]) -> None:
    graph = make()
    model = to_onnx(graph)

    def larger(array: Array) -> Array:
        array = array.copy()
        array.reshape(-1)[1] = (array.reshape(-1)[1] * 1.01).astype(array.dtype)
        return array

    change(model, factor_of(model), larger)
    assert np.isnan(read_back(graph, model)["norm", "gamma"]).tolist() == [
        i == 1 for i in range(CHANNELS)
    ]


@pytest.mark.parametrize("number", [np.inf, np.nan, 3e38])
def test_numbers_beyond_all_others_are_wrong(number: float) -> None:
    graph = dense()
    model = to_onnx(graph)
    change(model, addend_of(model), lambda array: np.full_like(array, number))
    assert np.isnan(read_back(graph, model)["norm", "beta"]).all()


def test_a_quantizer_without_a_zero_point_is_no_line() -> None:
    """Its codes are of a type that is not told there."""
    graph = dense()
    model = to_onnx(graph)
    (quantizer,) = (each for each in model.graph.node if each.name == "act/QuantizeLinear")
    del quantizer.input[2]
    assert not any(layer == "norm" for layer, _ in read_back(graph, model))


def other_step(model: onnx.ModelProto) -> None:
    """A quantizer with half the step, of which the codes are dequantized just so."""
    step = numpy_helper.from_array(np.array(2.0**-7, np.float32), "other")
    model.graph.initializer.append(step)
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.name.startswith("act"):
            node.input[1] = "other"


def test_another_step_is_another_quantizer() -> None:
    graph = convolution()
    model = to_onnx(graph)
    other_step(model)
    assert np.isnan(read_back(graph, model)["norm", "beta"]).all()


def test_where_the_codes_end_counts() -> None:
    graph = convolution()
    model = to_onnx(graph)
    quantizer = next(each for each in model.graph.node if each.name.startswith("act/Quantize"))
    clip = onnx.helper.make_node("Clip", ["whole", "lo", "hi"], [quantizer.output[0]], "clip")
    quantizer.output[0] = "whole"
    for name, end in (("lo", 0), ("hi", 254)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(end, np.uint8), name))
    model.graph.node.insert(list(model.graph.node).index(quantizer) + 1, clip)
    assert np.isnan(read_back(graph, model)["norm", "beta"]).any()


def test_numbers_along_another_axis_are_no_line() -> None:
    """Images are as wide as they have channels, and a constant of one axis is along the last."""
    graph = convolution()
    model = to_onnx(graph)
    change(model, addend_of(model), lambda array: array.reshape(-1))
    assert not any(layer == "norm" for layer, _ in read_back(graph, model))


def test_an_operator_beside_it_is_no_line() -> None:
    graph = convolution()
    model = to_onnx(graph)
    (add,) = (each for each in model.graph.node if each.op_type == "Add")
    relu = onnx.helper.make_node("Relu", ["before"], [add.output[0]], "relu")
    add.output[0] = "before"
    model.graph.node.insert(list(model.graph.node).index(add) + 1, relu)
    assert not any(layer == "norm" for layer, _ in read_back(graph, model))


def test_only_lines_that_are_right_have_no_condition() -> None:
    graph = dense()
    model = to_onnx(graph)
    remarks = (
        Remark(TOGETHER, frozenset({"linear", "norm", "act"})),
        Remark(TOGETHER, frozenset({"other"})),
        Remark("another", frozenset({"act"})),
    )
    assert conditions_left(Conversion(graph, model), remarks) == remarks[1:]
    change(model, addend_of(model), shifted(2.0**-5, 0))
    assert conditions_left(Conversion(graph, model), remarks) == remarks


def test_without_a_range_nothing_is_known_of_a_line() -> None:
    """Sums of numbers without a grid, or beyond what float32 holds, are no lattice."""
    graph = convolution()
    model = to_onnx(graph)
    wide = KERNEL.astype(np.float32) * np.float32(1 + 2**-20)
    nodes = tuple(
        replace(x, op=replace(x.op, kernel=wide)) if isinstance(x.op, Conv) else x
        for x in graph.nodes
    )
    found = judged_lines(Conversion(replace(graph, nodes=nodes), model))
    assert found == {"act": None}


@pytest.mark.parametrize("make", [convolution, dense])
def test_a_check_proves_a_line_and_sees_a_wrong_one(make: Callable[[], Graph]) -> None:
    graph = make()
    model = to_onnx(graph)
    assert {x.finding.verdict for x in check(graph, model, graph).layers} == {Verdict.PROVEN}
    change(model, addend_of(model), shifted(2.0**-5, 0))
    found = {x.name: x.finding.verdict for x in check(graph, model, graph).layers}
    assert Verdict.PROVEN not in (found["norm"], found["act"])
