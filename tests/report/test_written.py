"""What is told of a file that was written."""

from pathlib import Path

import pytest
from onnx import TensorProto, helper

from qconvert.report.written import written


@pytest.mark.parametrize("operator", ["ConvInteger", "MatMulInteger", "QLinearConv"])
def test_operators_on_integers_multiply_quantized_numbers(operator: str) -> None:
    """Beside one on floats."""
    nodes = [
        helper.make_node(operator, ["x", "w"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["floats", "v"], ["y"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "m", [], []))
    found = written(model, model.SerializeToString(), Path("m.onnx"), 2)
    assert (found.linear, found.of_codes) == (2, 1)
