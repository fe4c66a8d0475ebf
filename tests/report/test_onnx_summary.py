"""What `inspect` counts of an ONNX file."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qconvert import api
from qconvert.cli import run


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """Two numbers of twelve, and their places: 8 and 16 bytes; and a dense weight of 16."""
    values = numpy_helper.from_array(np.array([2, 5], np.float32), "kernel")
    places = numpy_helper.from_array(np.array([3, 7], np.int64), "places")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "kernel"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["y"]),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(np.ones(4, np.float32), "bias")],
        sparse_initializer=[helper.make_sparse_tensor(values, places, [3, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "sparse.onnx"
    onnx.save(model, path)
    return path


def test_sparse_weights_are_counted_with_their_places(
    sparse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bias, kernel = api.inspect(sparse).tensors
    assert (bias.name, bias.type, bias.bytes) == ("bias", "float", 16)
    assert (kernel.name, kernel.type, kernel.shape) == ("kernel", "sparse float", (3, 4))
    assert kernel.bytes == 2 * 4 + 2 * 8
    assert kernel.weighed is not None
    assert (kernel.weighed.elements, kernel.weighed.zeros) == (2, 0)
    assert run(["inspect", str(sparse), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == 40
    assert run(["inspect", str(sparse)]) == 0
    assert "24 bytes of weights, 40 as they are stored" in capsys.readouterr().out


def test_operators_of_another_domain_are_told_with_it(
    sparse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which may have the name of a standard one, and compute anything."""
    model = onnx.load(sparse)
    model.graph.node[1].domain = "evil"
    model.opset_import.append(helper.make_opsetid("evil", 1))
    onnx.save(model, sparse)
    assert run(["inspect", str(sparse)]) == 0
    assert "operators  1 MatMul, 1 evil.Add" in capsys.readouterr().out
