"""The rule about sums of codes on ARM; scripts/targets.py tries it on emulated processors."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from qconvert.checking.deployed.deployed_graph import inspect_deployed
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.ties import condition_of_sum
from qconvert.emit import to_onnx
from qconvert.runners import OrtRunner
from scripts.targeted.cases import CASES, WHOLE


def condition(*scales: float | None, operator: str = "QLinearAdd") -> str:
    """Of a sum with these scales, of which ``None`` is not constant."""
    names = ("a_scale", "b_scale", "scale")
    constants = [
        numpy_helper.from_array(np.array(scale, np.float32), name)
        for name, scale in zip(names, scales, strict=True)
        if scale is not None
    ]
    inputs = ["a", "a_scale", "zero", "b", "b_scale", "zero", "scale", "zero"]
    node = helper.make_node(operator, inputs, ["y"], domain="com.microsoft")
    graph = helper.make_graph([node], "g", [], [], constants)
    return condition_of_sum(node, OnnxGraph(graph))


@pytest.mark.parametrize(
    ("scales", "exact"),
    [
        ((1.0, 1.0, 1.0), True),
        ((0.5, 2.0, 0.25), True),
        ((0.5, 0.5, 1.0), False),
        # One branch is enough.
        ((1.0, 0.25, 0.5), False),
        ((0.1, 0.3, 0.2), False),
        ((1.0, 1.0, None), False),
    ],
)
def test_a_coarser_result_has_ties(scales: tuple[float | None, ...], exact: bool) -> None:
    assert (condition(*scales) == "") is exact


def test_products_round_to_even_everywhere() -> None:
    assert condition(1.0, 1.0, 2.0, operator="QLinearMul") == ""


def conditions(model: onnx.ModelProto) -> list[frozenset[str]]:
    """The layers that the rule tells of."""
    found = inspect_deployed(LayeredFile(model), OrtRunner(model).optimized())
    return [remark.layers for remark in found.conditions if "ARM" in remark.text]


def test_the_layer_behind_the_sum_has_the_condition() -> None:
    graph = CASES["residual"].parts()[WHOLE]
    (layers,) = conditions(to_onnx(graph))
    assert "q_activation_4" in layers
    assert conditions(to_onnx(graph, dialect="float")) == []
