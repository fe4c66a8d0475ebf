"""What a reproducer shows of bugs that are planted in exported files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking import from_user
from qconvert.emit import to_onnx
from qconvert.ir import Graph, Output

from .checks import assert_gone, assert_shown, changed, computing, graph_of, made, planted, plus_one


@pytest.mark.parametrize(
    ("file", "tensor", "at", "name", "most"),
    [
        ("pruned_cnn.h5", "{}_0/kernel", 10, "prune_low_magnitude_fused_convbn_0", 1),
        ("pruned_cnn.h5", "{}_0/bias", 3, "prune_low_magnitude_fused_convbn_0", 0),
        ("encoder.json", "conv2d_0_m/kernel", 7, "conv2d_0_m", 1),
        ("encoder.json", "encoded_vector/kernel", 40, "encoded_vector", 1),
        ("encoder.json", "2047", 0, "accum1_qa", 1),
        ("jet_deepsets.h5", "phi2/kernel", 5, "phi2", 1),
        ("jet_deepsets.h5", "global_average_pooling1d/axes", 0, "global_average_pooling1d", 1),
    ],
)
def test_one_changed_constant_is_shown_by_few_numbers(
    tmp_path: Path, file: str, tensor: str, at: int, name: str, most: int
) -> None:
    graph = graph_of(file)
    wrong = planted(to_onnx(graph), tensor.format(name[:-2]), plus_one(at))
    found = made(graph, wrong, tmp_path / "shown")
    assert_shown(found, name)
    assert found.nonzeros <= most
    assert_gone(found, graph, name)


def test_the_terms_make_the_expected_value(tmp_path: Path) -> None:
    graph = graph_of("encoder.json")
    wrong = planted(to_onnx(graph), "conv2d_0_m/kernel", plus_one(7))
    found = made(graph, wrong, tmp_path / "shown")
    text, values = assert_shown(found, "conv2d_0_m"), found.values()
    kernel = values["weight/kernel"]
    assert np.array_equal(kernel, graph_of("encoder.json").layers[1].weights["kernel"].effective)
    (x,), (at,) = values["term/input"], values["term/kernel_index"]
    product = x * kernel[tuple(at)]
    assert f"{x} * kernel {at.tolist()} {kernel[tuple(at)]} = {product}\n" in text
    index = tuple(np.argwhere(values["expected/0"] == product + values["term/bias"])[0])
    assert f"expected {values['expected/0'][index]} (NumPy and TensorFlow)" in text


def test_a_weight_inside_a_loop(branches: Graph, tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        (loop,) = (node for node in model.graph.node if node.op_type == "Scan")
        (inner,) = (a.g for a in loop.attribute if a.name == "body")
        kernel = next(t for t in inner.initializer if list(t.dims) == [4, 4])
        array = numpy_helper.to_array(kernel).copy()
        array[2, 1] = 0
        kernel.CopyFrom(numpy_helper.from_array(array, kernel.name))

    found = made(branches, changed(to_onnx(branches), edit), tmp_path / "shown")
    assert_shown(found, "loop")
    assert found.nonzeros <= 3
    assert_gone(found, branches, "loop")


def test_an_operation_of_two_inputs(branches: Graph, tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        computing(model, "total").op_type = "Sub"

    found = made(branches, changed(to_onnx(branches), edit), tmp_path / "shown")
    text = assert_shown(found, "total")
    assert "input q (1, 5, 4)" in text
    assert "input loop (1, 5, 4)" in text
    assert found.nonzeros == 1
    assert_gone(found, branches, "total")


def test_parts_in_another_order(branches: Graph, tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        node = computing(model, "joined")
        node.input[:] = node.input[::-1]

    found = made(branches, changed(to_onnx(branches), edit), tmp_path / "shown")
    assert_shown(found, "joined")
    assert found.nonzeros == 1
    assert_gone(found, branches, "joined")


def test_another_shape_needs_no_numbers(branches: Graph, tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        node = computing(model, "joined")
        node.input.append(node.input[0])

    graph = replace(branches, outputs=(Output("y", "joined"),))
    found = made(graph, changed(to_onnx(graph), edit), tmp_path / "shown", forced=False)
    done = found.run()
    assert done.returncode == 1
    assert "expected 0.0 (NumPy and TensorFlow)\n  found    shape (1, 5, 12) (opt" in done.stdout
    assert found.nonzeros == 0
    assert_gone(found, graph, "joined")


def test_numbers_stay_where_the_file_reads_another_layer(branches: Graph, tmp_path: Path) -> None:
    """To zero what only one side reads would make differences that the file has not."""

    def edit(model: onnx.ModelProto) -> None:
        node = computing(model, "share")
        node.input[0] = "doubled"
        double = onnx.helper.make_node("Concat", ["q", "q"], ["doubled"], axis=2)
        model.graph.node.insert(list(model.graph.node).index(node), double)

    found = made(branches, changed(to_onnx(branches), edit), tmp_path / "shown")
    assert_shown(found, "share")
    assert "They were kept" in (found.folder / "README.txt").read_text()


def test_rounding_is_no_difference(branches: Graph, tmp_path: Path) -> None:
    """Exponentials of the right file differ in their last bits, which the script allows."""

    def edit(model: onnx.ModelProto) -> None:
        computing(model, "share").op_type = "LogSoftmax"

    found = made(branches, changed(to_onnx(branches), edit), tmp_path / "shown")
    assert "rounding explains up to" in assert_shown(found, "share")
    assert_gone(found, branches, "share")


def test_a_later_batch_does_not_hide_the_first_layer(tmp_path: Path) -> None:
    """Of two bugs; where the first shows no more, the second is not what the report names."""
    graph = graph_of("encoder.json")
    wrong = planted(to_onnx(graph), "2047", plus_one(0))
    wrong = planted(wrong, "encoded_vector/bias", plus_one(0))
    x = np.zeros((9, *(n or 1 for n in graph.inputs[0].shape[1:])), np.float32)
    x[0] = 7
    samples = from_user(graph, x)
    found = made(graph, wrong, tmp_path / "shown", samples=samples, forced=False)
    assert_shown(found, "accum1_qa")
