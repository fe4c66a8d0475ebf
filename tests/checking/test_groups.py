"""Groups of a convolution that a file has as one kernel, with zeros for inputs of other groups."""

from dataclasses import replace
from typing import Final

import numpy as np
import onnx
import pytest

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.obstacles import obstacles
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Op, infer_shape
from qconvert.ir.ops import Conv, Quantize
from qconvert.ir.quantizers import QuantizedRelu
from qconvert.weighing.file_macs import multiplications

from .chained import chained
from .deployed_models import change, node
from .repairing import check

ACT: Final = Quantize(QuantizedRelu(4, 2))


def model_of(inputs: int, outputs: int, groups: int) -> Graph:
    """A convolution with groups between two quantizers."""
    random = np.random.default_rng(0)
    codes = random.integers(-7, 7, (3, 3, inputs // groups, outputs), endpoint=True)
    kernel: F32 = (codes / 8).astype(np.float32)
    conv = Conv(kernel, None, (1, 1), (1, 1), ((1, 1), (1, 1)), groups)
    steps: list[tuple[str, Op]] = [("q", ACT), ("conv", conv), ("act", ACT)]
    return chained((None, 4, 4, inputs), steps, {"conv": {"kernel": kernel}})


WHOLE: Final = model_of(8, 12, 4)
FLOATS: Final = model_of(12, 12, 12)


def kernel_in(graph: Graph, model: onnx.ModelProto) -> F32:
    return stored_weights(Conversion(graph, model))["conv", "kernel"]


def effective(graph: Graph) -> F32:
    return graph.layers[1].weights["kernel"].effective


@pytest.mark.parametrize("graph", [WHOLE, FLOATS])
def test_the_kernel_is_found(graph: Graph) -> None:
    model = to_onnx(graph)
    np.testing.assert_array_equal(kernel_in(graph, model), effective(graph))
    verdicts = [layer.finding.verdict for layer in check(graph, model, graph).layers]
    assert verdicts == [Verdict.PROVEN] * 3


def test_one_wrong_weight_is_told_at_its_place() -> None:
    model = to_onnx(WHOLE)
    (stored,) = node(model, "act/Cast").input
    change(model, stored, lambda a: a + np.eye(1, a.size, 40, dtype=a.dtype).reshape(a.shape))
    found, own = kernel_in(WHOLE, model), effective(WHOLE)
    # (groups, outputs a group, 1, inputs a group, rows, columns and a zero)
    output, place = divmod(40, 24)
    (wrong,) = np.argwhere(found != own)
    assert tuple(wrong) == (place % 12 // 4, place % 4, place // 12, output)


def test_inputs_of_another_group_are_wrong() -> None:
    model = to_onnx(WHOLE)
    change(model, node(model, "act/Where").input[0], lambda own: own[::-1])
    assert np.any(kernel_in(WHOLE, model) != effective(WHOLE))
    assert check(WHOLE, model, WHOLE).layers[1].finding.verdict is not Verdict.PROVEN


def test_a_weight_between_groups_is_wrong() -> None:
    """One input of another group beside its own."""
    model = to_onnx(WHOLE)

    def one_more(own: np.ndarray) -> np.ndarray:
        more = own.copy()
        more[0, 0, 1] = True
        return more

    change(model, node(model, "act/Where").input[0], one_more)
    found = kernel_in(WHOLE, model)
    assert np.isnan(found[..., :3]).all()
    np.testing.assert_array_equal(found[..., 3:], effective(WHOLE)[..., 3:])


def test_zeros_between_groups_are_no_multiplications() -> None:
    assert multiplications(to_onnx(WHOLE)) is None
    fixed = to_onnx(WHOLE)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert multiplications(fixed) == 4 * 4 * 12 * 2 * 9


def test_it_is_told_why_a_convolution_is_one_of_floats() -> None:
    model = to_onnx(FLOATS)
    drawn = node(model, "conv/Conv")
    expected = ("integer kernels of groups with so few channels are slower",)
    assert obstacles(drawn, OnnxGraph(model.graph)) == expected


@pytest.mark.parametrize("bias", [None, 0.125, 0.1])
def test_it_is_told_that_few_channels_are_slower_one_by_one(bias: float | None) -> None:
    graph = model_of(3, 4, 1)
    op = graph.nodes[1].op
    assert isinstance(op, Conv)
    numbers = None if bias is None else np.full(4, bias, np.float32)
    spread = replace(op, dilations=(1, 2), bias=numbers)
    shape = infer_shape(spread, graph.nodes[0].shape)
    nodes = (graph.nodes[0], replace(graph.nodes[1], op=spread, shape=shape))
    graph = replace(graph, nodes=(*nodes, replace(graph.nodes[2], shape=shape)))
    model = to_onnx(graph)
    (found,) = obstacles(node(model, "conv/Conv"), OnnxGraph(model.graph))
    few = "integer kernels of so few channels are slower, one place of a row at a time"
    assert (found == few) is (bias != 0.1)
