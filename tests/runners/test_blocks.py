"""Convolutions of images are laid out alike, and round alike, with optimizations off and on."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from qconvert.ir import F32
from qconvert.runners import OrtRunner
from qconvert.runners.ort_worker.blocks import lay_out

RANDOM = np.random.default_rng(0)
BLOCKED = "com.microsoft.nchwc"


def floats(*shape: int) -> F32:
    return RANDOM.standard_normal(shape).astype(np.float32)


def model(*nodes: onnx.NodeProto, **stored: F32) -> onnx.ModelProto:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 32, "H", "W"])
        for name in ("x", "y")
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


WEIGHTS = {"w": floats(32, 32, 3, 3), "v": floats(32, 32, 1, 1), "b": floats(32)}
TWO = model(
    helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
    helper.make_node("Relu", ["c"], ["r"]),
    helper.make_node("Conv", ["r", "v"], ["y"], strides=[2, 2]),
    **WEIGHTS,
)


def laid_out(file: onnx.ModelProto, folder: Path) -> onnx.GraphProto:
    made = onnx.ModelProto()
    made.CopyFrom(file)
    lay_out(made, folder)
    assert not list(folder.iterdir())
    return made.graph


def run(file: onnx.ModelProto, x: F32) -> tuple[F32, F32]:
    runner = OrtRunner(file)
    return runner.run_layers({"x": x}).outputs["y"], runner.run_deployed({"x": x}).outputs["y"]


@pytest.mark.parametrize("count", [1, 3])
def test_both_runs_return_the_same(count: int) -> None:
    plain, deployed = run(TWO, floats(count, 32, 12, 12))
    np.testing.assert_array_equal(plain, deployed)


def test_the_file_itself_returns_others_with_optimizations_off() -> None:
    x = floats(2, 32, 12, 12)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    data = TWO.SerializeToString()
    raw = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    assert np.any(raw.run(None, {"x": x})[0] != run(TWO, x)[1])


def test_what_stands_between_is_kept(tmp_path: Path) -> None:
    nodes = [(node.domain, node.op_type) for node in laid_out(TWO, tmp_path).node]
    assert nodes.count((BLOCKED, "Conv")) == 2
    assert nodes.count(("", "Relu")) == 1
    assert ("", "Conv") not in nodes


def test_inner_graphs_are_laid_out_beside_the_one_around_them(tmp_path: Path) -> None:
    outer = helper.make_node("Conv", ["x", "w"], ["c"])
    inner = [helper.make_node("Conv", ["c", "v"], ["z"])]
    result = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    stored = numpy_helper.from_array(WEIGHTS["v"], "v")
    body = helper.make_graph(inner, "body", [], [result], [stored])
    branch = helper.make_node("If", ["yes"], ["y"], then_branch=body, else_branch=body)
    file = model(outer, branch, w=WEIGHTS["w"])
    file.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    found = laid_out(file, tmp_path)
    assert BLOCKED in {node.domain for node in found.node}
    for attribute in next(node for node in found.node if node.op_type == "If").attribute:
        assert BLOCKED in {node.domain for node in attribute.g.node}
    plain, deployed = run(file, floats(2, 32, 5, 5))
    np.testing.assert_array_equal(plain, deployed)


@pytest.mark.parametrize(
    "names",
    [("input 0", "output 0"), ("weight 0", "weight 1"), ("convolutions: weight 0", "b")],
)
def test_tensors_may_have_any_names(names: tuple[str, str]) -> None:
    kernel, bias = names
    file = model(
        helper.make_node("Conv", ["x", kernel, bias], ["output 1"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["output 1", "v"], ["y"]),
        **{kernel: WEIGHTS["w"], bias: WEIGHTS["b"], "v": WEIGHTS["v"]},
    )
    plain, deployed = run(file, floats(2, 32, 6, 6))
    np.testing.assert_array_equal(plain, deployed)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Conv", ["x", "x"], ["y"]),
        helper.make_node("Conv", ["x", "series"], ["y"]),
        helper.make_node("Conv", ["x", "doubles"], ["y"]),
        helper.make_node("Conv", ["x"], ["y"]),
        helper.make_node("Conv", ["x", ""], ["y"]),
        helper.make_node("Conv", ["x", "given"], ["y"]),
    ],
)
def test_others_are_left_as_they_are(node: onnx.NodeProto, tmp_path: Path) -> None:
    """Weights that are computed or a user may replace, no images, other numbers, no weights."""
    file = model(node, series=floats(32, 32, 3), given=floats(32, 32, 3, 3))
    file.graph.input.append(helper.make_tensor_value_info("given", TensorProto.FLOAT, None))
    doubles = floats(32, 32, 3, 3).astype(np.float64)
    file.graph.initializer.append(numpy_helper.from_array(doubles, "doubles"))
    assert list(laid_out(file, tmp_path).node) == [node]
