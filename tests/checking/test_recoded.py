"""Codes that a file makes of joined or added ones are all that these can be."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import onnx
import pytest

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.recoded import rounded_codes
from qconvert.checking.results import Verdict
from qconvert.checking.witness import Direct
from qconvert.emit import to_onnx
from qconvert.emit.lowering import gathering
from qconvert.ir import Graph, Grid, Input, Layer, Node, Op, Output, infer_shape
from qconvert.ir.ops import Concat, Conv, Merge, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.runners.reference import ReferenceRunner

from .deployed_models import node
from .repairing import check, panel_of

FINE: Final = Quantize(QuantizedRelu(4, 1))
SIGNED: Final = Quantize(QuantizedBits(4, 2, alpha=1.0))
Edit = Callable[[onnx.ModelProto], None]


def model_of(op: Op, channels: int) -> Graph:
    """Two quantizers of other steps, *op* of both, a convolution, and a quantizer."""
    kernel = np.ones((1, 1, channels, 2), np.float32)
    conv = Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    steps: list[tuple[str, Op, tuple[str, ...]]] = [
        ("fine", FINE, ("x",)),
        ("signed", SIGNED, ("x",)),
        ("both", op, ("fine", "signed")),
        ("conv", conv, ("both",)),
        ("act", SIGNED, ("conv",)),
    ]
    source = Input("x", (None, 4, 4, 3))
    shapes, nodes = {"x": source.shape}, []
    for name, each, read in steps:
        shapes[name] = infer_shape(each, *(shapes[one] for one in read))
        nodes.append(Node(name, each, read, shapes[name]))
    layers = tuple(Layer(each.name, "Layer", each.name) for each in nodes)
    return Graph("m", (source,), tuple(nodes), (Output("act", "act"),), layers)


GRAPHS: Final = (model_of(Merge("add"), 3), model_of(Concat(3), 6))


def numbers(place: int, operator: str, array: np.generic) -> Edit:
    """Another constant for an operator of the layer."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), "other"))
        node(model, f"both/{operator}").input[place] = "other"

    return edit


EDITS: Final = (
    numbers(1, "QuantizeLinear", np.float32(0.25)),
    numbers(1, "QuantizeLinear", np.float32(0.12)),
    numbers(2, "QuantizeLinear", np.uint8(127)),
    numbers(1, "Clip", np.uint8(128)),
    numbers(2, "Clip", np.uint8(140)),
)


@pytest.mark.parametrize("graph", GRAPHS)
def test_what_export_writes_rounds_nothing(graph: Graph) -> None:
    model = to_onnx(graph)
    assert node(model, "both/QuantizeLinear")
    assert rounded_codes(Conversion(graph, model)) == ()
    report = check(graph, model, graph)
    found = {layer.name: layer.finding.verdict for layer in report.layers}
    assert found["both"] is Verdict.PROVEN
    assert report.outputs[0].finding.verdict.passes


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_other_numbers_may_round(graph: Graph, edit: Edit) -> None:
    model = to_onnx(graph)
    edit(model)
    (remark,) = rounded_codes(Conversion(graph, model))
    assert remark.text == "QuantizeLinear both/QuantizeLinear may round what the model does not"
    assert remark.layers == {"both"}


def test_the_violation_is_one_of_the_graph_that_runs() -> None:
    graph, model = GRAPHS[0], to_onnx(GRAPHS[0])
    EDITS[-1](model)
    panel = panel_of(graph, model, Direct(ReferenceRunner(graph).run))
    assert panel.deployed.violations == rounded_codes(Conversion(graph, model))


@pytest.mark.parametrize("bug", [{"hi": 27}, {"lo": -1}, {"exp": -2}])
@pytest.mark.parametrize("graph", GRAPHS)
def test_an_exporter_with_other_ends_or_steps_is_found(
    monkeypatch: pytest.MonkeyPatch, graph: Graph, bug: dict[str, int]
) -> None:
    grid = gathering._grid
    monkeypatch.setattr(gathering, "_grid", lambda *x: replace(grid(*x) or Grid(0, 0, 0), **bug))
    assert rounded_codes(Conversion(graph, to_onnx(graph)))
