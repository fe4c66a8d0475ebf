"""Kernels that stand for means over windows: each of their numbers is held against all sums."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import onnx
import pytest

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.means import wrong_means
from qconvert.checking.results import Verdict
from qconvert.checking.witness import Direct
from qconvert.emit import to_onnx
from qconvert.ir import Graph, Op, infer_shape
from qconvert.ir.ops import Pool, Quantize, Scale
from qconvert.ir.quantizers import QuantizedRelu
from qconvert.runners.reference import ReferenceRunner

from .chained import chained
from .deployed_models import Array, change, node
from .repairing import check, panel_of

FINE: Final = Quantize(QuantizedRelu(8, 2))
COARSE: Final = Quantize(QuantizedRelu(4, 2))
MEAN: Final = Pool("mean", (3, 3), (2, 2), ((0, 0), (0, 0)))
Edit = Callable[[onnx.ModelProto], None]


def model_of(channels: int, *between: tuple[str, Op]) -> Graph:
    """A quantizer, means over windows of nine, *between*, and a quantizer."""
    steps: list[tuple[str, Op]] = [("q", FINE), ("mean", MEAN), *between, ("act", COARSE)]
    return chained((None, 7, 7, channels), steps)


#: Places of a row have their means at once, or channels by themselves.
FEW: Final = 2
MANY: Final = 16
BETWEEN: Final[tuple[tuple[str, Op], ...]] = (("times", Scale(9.0)), ("part", Scale(0.109375)))
GRAPHS: Final = tuple(model_of(n, *between) for n in (FEW, MANY) for between in ((), BETWEEN))


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_mean_inside_of_a_kernel_is_proven(graph: Graph) -> None:
    report = check(graph, to_onnx(graph), graph)
    assert [layer.finding.verdict for layer in report.layers] == [Verdict.PROVEN] * len(graph.nodes)
    assert report.outputs[0].finding.verdict is Verdict.PROVEN


def scaled(by: float) -> Callable[[Array], Array]:
    return lambda a: (a * np.float32(by)).astype(np.float32)


def one_of_ones(array: Array) -> Array:
    changed = array.copy()
    changed[1].flat[0] += 1
    return changed


def strides(model: onnx.ModelProto) -> None:
    kernel = node(model, "act/QLinearConv")
    (found,) = (each for each in kernel.attribute if each.name == "strides")
    found.ints[:] = [1, 1]


EDITS: Final[tuple[Edit, ...]] = (
    lambda m: change(m, "act/kernel", one_of_ones),
    lambda m: change(m, "act/bias", lambda a: a + np.resize(np.array([0, 40], a.dtype), a.shape)),
    lambda m: change(m, node(m, "act/QLinearConv").input[4], scaled(8 / 9)),
    lambda m: change(m, "end", lambda a: a - 1),
    lambda m: change(m, "zero", lambda a: a + 1),
    strides,
)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_kernel_that_is_no_mean_is_a_violation(graph: Graph, edit: Edit) -> None:
    model = to_onnx(graph)
    assert wrong_means(Conversion(graph, model)) == ()
    edit(model)
    (remark,) = wrong_means(Conversion(graph, model))
    assert remark.text.startswith("QLinearConv act/QLinearConv ")
    assert remark.layers == {layer.name for layer in graph.layers} - {"q"}


def test_the_violation_is_one_of_the_graph_that_runs() -> None:
    graph, model = GRAPHS[0], to_onnx(GRAPHS[0])
    change(model, "act/bias", lambda a: a + 1)
    panel = panel_of(graph, model, Direct(ReferenceRunner(graph).run))
    assert panel.deployed.violations == wrong_means(Conversion(graph, model))
    assert check(graph, model, graph).outputs[0].finding.verdict is Verdict.DIFFERS


def test_a_mean_that_is_drawn_as_one_has_no_kernel() -> None:
    padded = replace(MEAN, padding=((1, 1), (1, 1)))
    graph = model_of(MANY)
    nodes = tuple(replace(n, op=padded) if n.name == "mean" else n for n in graph.nodes)
    shape = infer_shape(padded, (None, 7, 7, MANY))
    nodes = tuple(n if n.name == "q" else replace(n, shape=shape) for n in nodes)
    model = to_onnx(replace(graph, nodes=nodes))
    assert "QLinearConv" not in [each.op_type for each in model.graph.node]
    assert wrong_means(Conversion(replace(graph, nodes=nodes), model)) == ()
