from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import qconvert
from qconvert.emit.metadata import LayerTensor, read_metadata
from qconvert.weighing.costs import costs
from qconvert.weighing.file_macs import (
    multiplications,
    multiplications_by_layer,
    with_one_sample,
)

DATA = Path(__file__).parents[1] / "data"

#: Of a tensor whose sizes are inferred.
Sizes = Sequence[int | str]


def made(
    nodes: Sequence[onnx.NodeProto], taken: Sizes, **weights: tuple[int, ...]
) -> onnx.ModelProto:
    """A file from ``x`` to ``y`` with *weights* of these sizes."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, taken)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.ones(size, np.float32), name)
            for name, size in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def one(kind: str, taken: Sizes, *, kernel: tuple[int, ...], **attributes: Any) -> int | None:
    node = helper.make_node(kind, ["x", "w"], ["y"], **attributes)
    return multiplications(made([node], taken, w=kernel))


def test_a_convolution_multiplies_once_a_result_and_weight_of_its_window() -> None:
    # 3 x 2 places, 5 results each, of 4 channels in windows of 3 x 3
    assert one("Conv", [1, 4, 5, 4], kernel=(5, 4, 3, 3)) == 3 * 2 * 5 * 4 * 3 * 3


def test_a_grouped_convolution_multiplies_within_its_groups() -> None:
    assert one("Conv", [1, 4, 3, 3], kernel=(8, 1, 3, 3), group=4) == 8 * 3 * 3


def test_a_transposed_convolution_multiplies_once_a_number_that_it_takes() -> None:
    found = one("ConvTranspose", [1, 4, 3, 3], kernel=(4, 5, 2, 2), strides=[2, 2])
    assert found == 4 * 3 * 3 * 5 * 2 * 2


@pytest.mark.parametrize("taken", [[1, 7], [1, 6, 7]])
def test_a_product_of_matrices_sums_over_the_last_axis(taken: Sizes) -> None:
    rows = 6 if len(taken) == 3 else 1
    assert one("MatMul", taken, kernel=(7, 5)) == rows * 7 * 5


def test_a_turned_factor_is_summed_over_its_other_axis() -> None:
    assert one("Gemm", [7, 2], kernel=(7, 5), transA=1) == 2 * 7 * 5


def test_operators_add_up_and_others_count_for_nothing() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "b"], ["y"]),
    ]
    assert multiplications(made(nodes, [1, 3], a=(3, 4), b=(4, 2))) == 3 * 4 + 4 * 2


def test_an_open_size_leaves_the_number_open() -> None:
    assert one("MatMul", [1, "n", 7], kernel=(7, 5)) is None


def test_a_loop_leaves_the_number_open() -> None:
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("again", "z")]
    outputs[0] = helper.make_tensor_value_info("again", TensorProto.BOOL, [])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["again"]),
            helper.make_node("MatMul", ["state", "w"], ["z"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        outputs,
    )
    model = made([helper.make_node("Loop", ["", "", "x"], ["y"], body=body)], [1, 3], w=(3, 3))
    assert multiplications(model) is None


@pytest.mark.parametrize("name", ["jet_mlp.h5", "jet_deepsets.h5", "mnist_cnn.keras"])
def test_a_model_and_its_file_multiply_as_often(name: str) -> None:
    """Counted apart: in what Keras computes, and in the operators that were written for it."""
    graph = qconvert.load(DATA / name)
    found = {layer: cost.multiplications for layer, cost in costs(graph).items()}
    file = qconvert.export(DATA / name).model
    metadata = read_metadata(file)
    assert metadata is not None
    by_layer = multiplications_by_layer(file, metadata.layers)
    assert by_layer == found
    assert multiplications(with_one_sample(file)) == sum(n or 0 for n in found.values()) > 0


def test_layers_that_share_a_tensor_leave_its_operators_to_the_first() -> None:
    model = made([helper.make_node("MatMul", ["x", "a"], ["y"])], [1, 3], a=(3, 4))
    layers = [LayerTensor(name, "Any", "y", None, None) for name in ("dense", "linear")]
    assert multiplications_by_layer(model, layers) == {"dense": 12}
