"""Lines of shifted sums: every number of theirs is held against all sums."""

from dataclasses import replace
from typing import Final

import numpy as np
import onnx
import pytest

from qconvert.checking.deployed.by_layer import kernels_by_layer
from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.float_line import FloatLine
from qconvert.checking.deployed.lined import judged_line
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.exactness import Reach
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Shape, Weight, infer_shape
from qconvert.ir.ops import BatchNormalization, Quantize
from qconvert.ir.quantizers import QuantizedRelu
from qconvert.reference import apply
from qconvert.reference.fma import multiply_add
from qconvert.runners.ort import OrtRunner
from tests.many_sums import many_sums

from .deployed_models import change
from .repairing import check, repair

ROLES: Final = ("gamma", "beta", "moving_mean", "moving_variance")
ACT: Final = Quantize(QuantizedRelu(8, 2))
#: Seed, image, inputs, outputs and bits of convolutions of floats, and of gathered windows.
SIZES: Final = ((3, 6, 3, 16, 8), (3, 2, 32, 32, 5))


def model_of(seed: int, size: int, inputs: int, outputs: int, bits: int) -> Graph:
    """A quantizer, a convolution, its normalization, and a quantizer."""
    conv, norm = many_sums(seed, inputs, outputs, bits)
    assert norm.gamma is not None
    assert norm.beta is not None
    arrays = (norm.gamma, norm.beta, norm.mean, norm.variance)
    steps: list[tuple[str, Op]] = [("q", ACT), ("conv", conv), ("norm", norm), ("act", ACT)]
    name, nodes = "x", list[Node]()
    shape: Shape = (None, size, size, inputs)
    source = Input(name, shape)
    for each, op in steps:
        shape = infer_shape(op, shape)
        nodes.append(Node(each, op, (name,), shape))
        name = each
    held = {
        "conv": {"kernel": Weight(conv.kernel, conv.kernel, None)},
        "norm": {r: Weight(array, array, None) for r, array in zip(ROLES, arrays, strict=True)},
    }
    layers = tuple(Layer(n.name, "Layer", n.name, held.get(n.name, {})) for n in nodes)
    return Graph("m", (source,), tuple(nodes), (Output("act", "act"),), layers)


@pytest.fixture(params=SIZES)
def graph(request: pytest.FixtureRequest) -> Graph:
    return model_of(*request.param)


@pytest.fixture
def model(graph: Graph) -> onnx.ModelProto:
    return to_onnx(graph)


def operands(model: onnx.ModelProto) -> dict[str, str]:
    """The constants of a line by what they are; of its factor codes, where it has such."""
    makers = {name: each for each in model.graph.node for name in each.output}
    (quantizer,) = (each for each in model.graph.node if each.name == "act/QuantizeLinear")
    addend = makers[quantizer.input[0]]
    factor = makers[addend.input[0]]
    shift = makers[factor.input[0]]
    inner = makers.get(factor.input[1])
    found = {"shift": shift.input[1], "addend": addend.input[1]}
    return found | {"factor": factor.input[1] if inner is None else inner.input[0]}


def test_all_weights_are_found(graph: Graph, model: onnx.ModelProto) -> None:
    conversion = Conversion(graph, model)
    line = conversion.file.lines["act"]
    assert line.shift is not None
    assert np.any(line.shift[1])
    found = stored_weights(conversion)
    assert set(found) == {("conv", "kernel"), *(("norm", role) for role in ROLES)}
    for layer in graph.layers:
        for role, weight in layer.weights.items():
            np.testing.assert_array_equal(found[layer.name, role], weight.effective)


def right_for_all(conversion: Conversion, line: FloatLine, channel: int) -> bool:
    """Of one channel, every sum that it can have."""
    reach = conversion.analysis.values["conv"]
    assert isinstance(reach, Reach)
    assert line.shift is not None
    count = len(line.addend)
    lo, hi, exp = (
        int(np.broadcast_to(x.ravel(), count)[channel]) for x in (reach.lo, reach.hi, reach.exp)
    )
    x = np.ldexp(np.arange(lo, hi + 1, dtype=np.float32), exp)
    norm = conversion.graph.nodes[2].op
    assert isinstance(norm, BatchNormalization)
    wanted = _program(norm, x, channel)
    own = (x / np.broadcast_to(line.unit, count)[channel]).astype(np.float32)
    numbers = (*line.shift, line.factor, line.addend)
    steps, shift, factor, addend = (np.broadcast_to(a, count)[channel] for a in numbers)
    begun = (
        own * steps + shift,
        multiply_add(own, np.full_like(own, steps), np.full_like(own, shift)),
    )
    step = np.float32(line.grid.step)
    results = (np.rint((y * factor + addend) / step) for y in begun)
    return all(np.array_equal(np.clip(y, 0, 255) * step, wanted) for y in results)


def _program(norm: BatchNormalization, x: F32, channel: int) -> F32:
    """That of all channels, of which TensorFlow takes four together."""
    assert len(norm.mean) % 4 == 0
    assert norm.gamma is not None
    assert norm.beta is not None
    mean, variance, gamma, beta = (
        np.repeat(each[channel], 4) for each in (norm.mean, norm.variance, norm.gamma, norm.beta)
    )
    four = replace(norm, mean=mean, variance=variance, gamma=gamma, beta=beta)
    result: F32 = apply(ACT, apply(four, np.repeat(x[:, np.newaxis], 4, axis=1)))[:, 0]
    return result


def test_each_number_is_judged_by_what_it_does(graph: Graph, model: onnx.ModelProto) -> None:
    conversion = Conversion(graph, model)
    line, seen = conversion.file.lines["act"], set()
    assert line.shift is not None
    channel = int(np.flatnonzero(line.shift[1])[0])
    for part in ("shift", "factor", "addend"):
        for by in (0, 1, -3, 1 << 8, 1 << 20):
            other = _moved(line, part, channel, by)
            found = judged_line(graph, conversion.analysis, "act", "conv", other)
            assert found is not None
            wrong = np.flatnonzero(~found.codes)
            assert set(wrong.tolist()) <= {channel}
            assert right_for_all(conversion, other, channel) == (not len(wrong))
            seen.add((part, bool(len(wrong))))
    assert len(seen) == 6


def _moved(line: FloatLine, part: str, channel: int, by: int) -> FloatLine:
    """One number so many float32 numbers off."""
    assert line.shift is not None
    steps, shift = line.shift
    numbers = {"shift": shift.copy(), "factor": line.factor.copy(), "addend": line.addend.copy()}
    numbers[part].view(np.int32)[channel] += by
    shifts = steps, numbers["shift"]
    return replace(line, shift=shifts, factor=numbers["factor"], addend=numbers["addend"])


@pytest.mark.parametrize("part", ["shift", "factor", "addend"])
def test_a_wrong_number_in_the_file_is_told_by_channel(
    graph: Graph, model: onnx.ModelProto, part: str
) -> None:
    def wrong(array: np.ndarray) -> np.ndarray:
        other = array.copy()
        other.reshape(-1)[1] = other.reshape(-1)[1] * 2 + 1
        return other

    change(model, operands(model)[part], wrong)
    found = stored_weights(Conversion(graph, model))
    for role in ROLES:
        assert np.flatnonzero(np.isnan(found["norm", role])).tolist() == [1]
    assert not np.isnan(found["conv", "kernel"]).any()


def test_a_shift_that_is_added_behind_the_product_is_no_such_line(
    graph: Graph, model: onnx.ModelProto
) -> None:
    """The same operators in another order."""
    makers = {name: each for each in model.graph.node for name in each.output}
    (quantizer,) = (each for each in model.graph.node if each.name == "act/QuantizeLinear")
    factor = makers[makers[quantizer.input[0]].input[0]]
    shift = makers[factor.input[0]]
    shift.op_type, factor.op_type = factor.op_type, shift.op_type
    found = stored_weights(Conversion(graph, model))
    assert all(np.isnan(found.get(("norm", role), np.full(1, np.nan))).any() for role in ROLES)


def test_a_check_proves_it_and_sees_a_wrong_one(graph: Graph, model: onnx.ModelProto) -> None:
    assert {x.finding.verdict for x in check(graph, model, graph).layers} == {Verdict.PROVEN}
    name = operands(model)["addend"]
    change(model, name, lambda array: array + np.float32(2.0**-5))
    found = {x.name: x.finding.verdict for x in check(graph, model, graph).layers}
    assert Verdict.PROVEN not in (found["norm"], found["act"])


def test_how_many_numbers_there_are_is_told(model: onnx.ModelProto) -> None:
    layers = kernels_by_layer(model, OrtRunner(model).optimized())
    reasons = [text for layer in layers for each in layer.in_float for text in each.reasons]
    end = "three numbers a channel in the place of a normalization"
    assert any(text.endswith(end) for text in reasons)


@pytest.mark.parametrize("part", ["shift", "factor", "addend"])
def test_wrong_numbers_are_put_right(graph: Graph, model: onnx.ModelProto, part: str) -> None:
    def wrong(array: np.ndarray) -> np.ndarray:
        other = array.copy()
        other.reshape(-1)[1] = other.reshape(-1)[1] * 2 + 1
        return other

    change(model, operands(model)[part], wrong)
    fixed = repair(graph, model, graph)
    assert (fixed.moves, fixed.unrepaired) == ((), ())
    conversion = Conversion(graph, fixed.model)
    found = judged_line(graph, conversion.analysis, "act", "conv", conversion.file.lines["act"])
    assert found is not None
    assert found.codes.all()
