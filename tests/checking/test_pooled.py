"""Kernels that take in the mean behind a convolution: each number is held against all sums."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import onnx
import pytest

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.means import wrong_means
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Op
from qconvert.ir.ops import Conv, Pool, Quantize
from qconvert.ir.quantizers import QuantizedRelu

from .chained import chained
from .deployed_models import Array, change, node
from .judging import judged_in, kernel_in
from .repairing import check

FINE: Final = Quantize(QuantizedRelu(8, 2))
COARSE: Final = Quantize(QuantizedRelu(4, 2))
NONE: Final = ((0, 0), (0, 0))
Edit = Callable[[onnx.ModelProto], None]


def drawn(*shape: int) -> F32:
    whole = np.random.default_rng(0).integers(-7, 7, shape, endpoint=True)
    return (whole / 8).astype(np.float32)


def conv(kernel: F32, *, padding: int = 1, groups: int = 1) -> Conv:
    bias = np.resize(np.array([0.125, -0.25, 0.5], np.float32), kernel.shape[-1])
    return Conv(kernel, bias, (1, 1), (1, 1), ((padding, padding),) * 2, groups)


def model_of(op: Conv, *window: int) -> Graph:
    """A quantizer, a convolution, means over windows, and a quantizer."""
    mean = Pool("mean", window, window, NONE)
    steps: list[tuple[str, Op]] = [("q", COARSE), ("conv", op), ("mean", mean), ("act", FINE)]
    assert op.bias is not None
    weights = {"conv": {"kernel": op.kernel, "bias": op.bias}}
    return chained((None, 8, 8, op.kernel.shape[-2] * op.groups), steps, weights)


GRAPHS: Final = (
    model_of(conv(drawn(3, 3, 2, 3)), 2, 2),
    model_of(conv(drawn(3, 3, 2, 3)), 3, 3),
    model_of(conv(drawn(1, 1, 1, 16), padding=0, groups=16), 2, 2),
)


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_mean_inside_of_the_kernel_is_proven(graph: Graph) -> None:
    model = to_onnx(graph)
    assert len(LayeredFile(model).kernels) == 1
    found = stored_weights(Conversion(graph, model))
    for role, weight in graph.layers[1].weights.items():
        np.testing.assert_array_equal(found["conv", role], weight.effective)
    report = check(graph, model, graph)
    assert [layer.finding.verdict for layer in report.layers] == [Verdict.PROVEN] * 4
    assert report.outputs[0].finding.verdict is Verdict.PROVEN


def one_weight(array: Array) -> Array:
    changed = array.copy()
    changed[1].flat[0] += 1
    return changed


def strides(model: onnx.ModelProto) -> None:
    (found,) = (x for x in node(model, "act/QLinearConv").attribute if x.name == "strides")
    found.ints[:] = [each - 1 for each in found.ints]


EDITS: Final[tuple[Edit, ...]] = (
    lambda m: change(m, "act/kernel", one_weight),
    lambda m: change(m, "act/bias", lambda a: a + np.resize(np.array([0, 1, 0], a.dtype), a.shape)),
    strides,
)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_other_numbers_are_not_the_model_s(graph: Graph, edit: Edit) -> None:
    model = to_onnx(graph)
    edit(model)
    found = stored_weights(Conversion(graph, model))
    right = [
        role in found_roles and np.array_equal(found["conv", role], weight.effective)
        for found_roles in [{name for _, name in found}]
        for role, weight in graph.layers[1].weights.items()
    ]
    assert not all(right)
    report = check(graph, model, graph)
    assert report.outputs[0].finding.verdict is not Verdict.PROVEN
    assert all(x.finding.verdict is not Verdict.PROVEN for x in report.layers[1:])
    # It is no mean's that is wrong: the convolution's weights are.
    assert not any("means" in remark.text for remark in wrong_means(Conversion(graph, model)))


def test_a_mean_alone_does_not_stand_for_the_convolution_before_it() -> None:
    """Of as many weights, where the convolution has one a channel."""
    graph = GRAPHS[2]
    kernel = kernel_in(to_onnx(graph))
    assert kernel.x_scale == 0.25
    none = np.zeros_like(kernel.bias)
    # What comes in would be the convolution's results, which are finer by the steps of weights.
    alone = replace(kernel, weights=np.ones_like(kernel.weights), bias=none, x_scale=0.25 / 8)
    alone = replace(alone, scales=np.full(len(none), 0.25, np.float32))
    found = judged_in(graph, alone)
    assert found is not None and found.codes.all() and found.weights.all()
    found = judged_in(graph, alone, ("conv",))
    assert found is not None and not found.codes.all()


def test_rounded_results_are_judged_by_nobody() -> None:
    graph = GRAPHS[0]
    kernel = kernel_in(to_onnx(graph))
    op = graph.nodes[1].op
    assert isinstance(op, Conv)
    off = replace(op, bias=np.full(3, 0.1, np.float32))
    other = replace(
        graph, nodes=tuple(replace(n, op=off) if n.name == "conv" else n for n in graph.nodes)
    )
    assert judged_in(other, kernel, ("conv",)) is None


@pytest.mark.parametrize("window", [(4, 1), (1, 4)])
def test_a_window_of_another_shape_is_another_one(window: tuple[int, int]) -> None:
    """Of as many weights, and with strides maybe of as many results."""
    graph = GRAPHS[2]
    kernel = kernel_in(to_onnx(graph))
    assert judged_in(graph, kernel, ("conv",)) is not None
    other = replace(kernel, weights=kernel.weights.reshape(16, 1, *window))
    assert judged_in(graph, other, ("conv",)) is None


def test_windows_of_fewer_results_are_judged_by_nobody() -> None:
    """At borders, around which nothing is counted: with as many results as without."""
    graph = GRAPHS[0]
    kernel = kernel_in(to_onnx(graph))
    mean = graph.nodes[2].op
    assert isinstance(mean, Pool)
    padded = replace(mean, padding=((0, 1), (0, 1)))
    nodes = tuple(replace(n, op=padded) if n.name == "mean" else n for n in graph.nodes)
    other = replace(graph, nodes=nodes)
    assert judged_in(graph, kernel, ("conv",)) is not None
    assert judged_in(other, kernel, ("conv",)) is None
