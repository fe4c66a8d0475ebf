"""What ONNX Runtime computes when it loads a file is computed with optimizations off as well."""

import tracemalloc
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from qconvert.ir import F32
from qconvert.runners import OrtRunner
from qconvert.runners.ort_worker import constants
from qconvert.runners.ort_worker.constants import compute_constants

TERMS, CHANNELS = 784, 24
CODES = np.random.default_rng(1).integers(-7, 8, (CHANNELS, TERMS)).astype(np.int8)
STEP = np.array(1 / 8, np.float32)


def model(*nodes: onnx.NodeProto, inputs: tuple[str, ...] = ()) -> onnx.ModelProto:
    """A product of *w*, which *nodes* compute from codes and a step, and floats."""
    stored = [numpy_helper.from_array(CODES, "codes"), numpy_helper.from_array(STEP, "step")]
    values = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", TERMS]),
        *(helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in inputs),
    ]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", CHANNELS])
    product = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    graph = helper.make_graph([*nodes, product], "g", values, [result], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


CAST = helper.make_node("Cast", ["codes"], ["floats"], to=TensorProto.FLOAT)
TIMES = helper.make_node("Mul", ["floats", "step"], ["w"])


def computed(file: onnx.ModelProto, *, valid: bool = True) -> onnx.GraphProto:
    made = onnx.ModelProto()
    made.CopyFrom(file)
    compute_constants(made)
    if valid:
        onnx.checker.check_model(made)
    return made.graph


def floats(count: int) -> dict[str, F32]:
    return {"x": np.random.default_rng(0).standard_normal((count, TERMS)).astype(np.float32)}


@pytest.mark.parametrize("count", [1, 3, 32])
def test_sums_of_floats_are_in_the_order_of_the_deployed_file(count: int) -> None:
    """The file itself, with optimizations off, returns others: it knows no weights beforehand."""
    file, x = model(CAST, TIMES), floats(count)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    data = file.SerializeToString()
    raw = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    runner = OrtRunner(file)
    deployed = runner.run_deployed(x).outputs["y"]
    assert np.any(raw.run(None, x)[0] != deployed)
    np.testing.assert_array_equal(runner.run_layers(x).outputs["y"], deployed)


def test_results_are_stored_and_what_only_led_to_them_is_not() -> None:
    graph = computed(model(CAST, TIMES))
    assert [node.op_type for node in graph.node] == ["Gemm"]
    (weight,) = (tensor for tensor in graph.initializer if tensor.name == "w")
    np.testing.assert_array_equal(numpy_helper.to_array(weight), CODES * STEP)
    assert "floats" not in {tensor.name for tensor in graph.initializer}


def test_what_stands_in_a_loop_is_computed_there() -> None:
    """A body reads tensors of the graph around it, too, which then have to stay."""
    outer = helper.make_node("Cast", ["codes"], ["outer"], to=TensorProto.FLOAT)
    result = helper.make_tensor_value_info("r", TensorProto.FLOAT, None)
    inner = [
        helper.make_node("Mul", ["half", "half"], ["quarter"]),
        helper.make_node("Mul", ["outer", "quarter"], ["r"]),
    ]
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    body = helper.make_graph(inner, "body", [], [result], [half])
    branch = helper.make_node("If", ["true"], ["w"], then_branch=body, else_branch=body)
    file = model(outer, branch)
    file.graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
    graph = computed(file)
    assert [node.op_type for node in graph.node] == ["If", "Gemm"]
    assert "outer" in {tensor.name for tensor in graph.initializer}
    for attribute in graph.node[0].attribute:
        assert [node.op_type for node in attribute.g.node] == ["Mul"]
        assert [tensor.name for tensor in attribute.g.initializer] == ["half", "quarter"]


def test_a_stored_tensor_that_a_user_may_replace_is_no_constant() -> None:
    graph = computed(model(CAST, TIMES, inputs=("step",)))
    assert [node.op_type for node in graph.node] == ["Mul", "Gemm"]


def test_what_has_an_error_is_left_to_onnx_runtime() -> None:
    wrong = helper.make_node("Mul", ["floats", "codes"], ["w"], unknown=1)
    twisted = helper.make_node("Mul", ["floats", "odd"], ["w"])
    for node in (wrong, twisted):
        file = model(CAST, node)
        file.graph.initializer.append(numpy_helper.from_array(np.ones(5, np.float32), "odd"))
        assert "Mul" in [each.op_type for each in computed(file, valid=False).node]


def test_a_file_stays_as_small_as_files_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "_MOST", 4 * CODES.size)
    assert [node.op_type for node in computed(model(CAST, TIMES)).node] == ["Mul", "Gemm"]


def test_a_large_product_is_not_even_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 30,000 numbers with 30,000, whatever reads it."""
    file = model(helper.make_node("Mul", ["column", "row"], ["w"]))
    sizes = {"column": (30_000, 1), "row": (1, 30_000)}
    stored = {name: np.ones(size, np.float32) for name, size in sizes.items()}
    file.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in stored.items())
    monkeypatch.setattr(constants, "_MOST", 1 << 20)
    tracemalloc.start()
    assert [node.op_type for node in computed(file, valid=False).node] == ["Mul", "Gemm"]
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


OTHERS: dict[str, np.ndarray[Any, Any]] = {
    "half": np.array([1.5, 2049], np.float16),
    "wide": np.array([1 << 24, (1 << 24) + 1], np.int32),
    "number": np.array([300.7, np.nan], np.float32),
    "negative": np.array([-1, 1], np.int8),
    "pair": np.array([1, 2], np.float32),
}


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Mul", ["half", "half"], ["r"]),
        helper.make_node("Mul", ["wide", "wide"], ["r"]),
        helper.make_node("Mul", ["pair", "number"], ["r"], broadcast=1, axis=0),
        helper.make_node("Mul", ["pair", "number"], ["r"], domain="of.others"),
        helper.make_node("Cast", ["half"], ["r"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["wide"], ["r"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["number"], ["r"], to=TensorProto.INT4),
        helper.make_node("Cast", ["number"], ["r"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["negative"], ["r"], to=TensorProto.UINT8),
        helper.make_node("Cast", ["negative"], ["r"], to=TensorProto.FLOAT, saturate=1),
        helper.make_node("Cast", ["negative"], ["r"]),
    ],
    ids=lambda node: f"{node.op_type} {node.input[0]} {[a.name for a in node.attribute]}",
)
def test_what_programs_may_compute_in_another_way_is_left_to_onnx_runtime(
    node: onnx.NodeProto,
) -> None:
    file = model(CAST, TIMES, node)
    file.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in OTHERS.items())
    assert [each.op_type for each in computed(file, valid=False).node] == [node.op_type, "Gemm"]


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4])
def test_packed_codes_become_bytes_and_floats(kind: int) -> None:
    narrow = np.arange(8).astype(helper.tensor_dtype_to_np_dtype(kind))
    to_bytes = helper.make_node("Cast", ["narrow"], ["bytes"], to=TensorProto.INT8)
    to_floats = helper.make_node("Cast", ["bytes"], ["r"], to=TensorProto.FLOAT)
    file = model(CAST, TIMES, to_bytes, to_floats)
    file.graph.initializer.append(numpy_helper.from_array(narrow, "narrow"))
    file.graph.output.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, [8]))
    (found,) = (tensor for tensor in computed(file).initializer if tensor.name == "r")
    np.testing.assert_array_equal(numpy_helper.to_array(found), np.arange(8, dtype=np.float32))
