"""What ``export`` counts of what it wrote."""

from pathlib import Path

import onnx
import pytest
from onnx.helper import make_graph, make_model, make_node, make_opsetid

from qconvert.report.written import written


@pytest.mark.parametrize(
    ("kind", "inputs", "on_integers"),
    [
        ("Conv", ["x", "w"], 0),
        ("Conv", ["codes", "w"], 0),
        ("Conv", ["codes", "weights"], 1),
        ("QLinearConv", ["x"] * 8, 1),
        ("ConvInteger", ["x", "w"], 1),
    ],
)
def test_kernels_of_integers_count(
    kind: str, inputs: list[str], on_integers: int, tmp_path: Path
) -> None:
    nodes = [
        make_node("DequantizeLinear", ["a", "s"], ["codes"]),
        make_node("DequantizeLinear", ["b", "s"], ["weights"]),
        make_node(kind, inputs, ["y"]),
    ]
    model = make_model(make_graph(nodes, "g", [], []), opset_imports=[make_opsetid("", 21)])
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    found = written(model, path, 3)
    assert (found.linear, found.on_integers) == (1, on_integers)
