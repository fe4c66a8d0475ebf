"""Weights are found again in exported files, and are no others where a file was changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.stored import stored_weights
from qconvert.emit import to_onnx
from qconvert.frontend import build_graph
from qconvert.ir import F32, Graph
from qconvert.modelfile import read_model

Array: TypeAlias = npt.NDArray[Any]

DATA = Path(__file__).resolve().parents[1] / "data"
FILES = ("encoder.json", "jet_mlp.h5", "jet_deepsets.h5", "mnist_cnn.keras", "pruned_cnn.h5")


def graph_of(file: str) -> Graph:
    weights = DATA / "encoder_weights.hdf5" if file == "encoder.json" else None
    return build_graph(read_model(DATA / file, weights))


def effective(graph: Graph) -> dict[tuple[str, str], F32]:
    return {
        (layer.name, role): weight.effective
        for layer in graph.layers
        for role, weight in layer.weights.items()
    }


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("dialect", "opset"), [("qdq", 21), ("qdq", 13), ("float", 21)])
def test_every_weight_is_found(file: str, dialect: str, opset: int) -> None:
    graph = graph_of(file)
    found = stored_weights(Conversion(graph, to_onnx(graph, dialect=dialect, opset=opset)))
    expected = effective(graph)
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert np.array_equal(found[key], array), key


def printed(array: Array) -> Array:
    """As a program writes numbers that prints six digits."""
    return np.array([float(f"{x:.6g}") for x in array.ravel()], array.dtype).reshape(array.shape)


def one_off(array: Array) -> Array:
    changed = array.copy()
    changed.ravel()[-1] += 1
    return changed


@pytest.mark.parametrize(("dialect", "change"), [("float", printed), ("qdq", one_off)])
def test_what_was_changed_is_seen(dialect: str, change: Callable[[Array], Array]) -> None:
    graph = graph_of("pruned_cnn.h5")
    model = to_onnx(graph, dialect=dialect)
    for tensor in model.graph.initializer:
        if tensor.name == "output_dense/kernel":
            array = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(change(array), tensor.name))
            assert not np.array_equal(numpy_helper.to_array(tensor), array)
    expected = effective(graph)
    found = stored_weights(Conversion(graph, model))
    wrong = [key for key, array in found.items() if not np.array_equal(array, expected[key])]
    assert wrong == [("output_dense", "kernel")]


def test_a_normalization_with_another_constant_has_none_of_that_channel_s_weights() -> None:
    graph = graph_of("pruned_cnn.h5")
    model = to_onnx(graph)
    (tensor,) = (t for t in model.graph.initializer if t.name == "bn_dense_0/offset")
    tensor.CopyFrom(numpy_helper.from_array(one_off(numpy_helper.to_array(tensor)), tensor.name))
    found = stored_weights(Conversion(graph, model))
    for role in ("gamma", "beta", "moving_mean", "moving_variance"):
        array = found["bn_dense_0", role]
        assert np.array_equal(np.isnan(array), np.arange(array.size) == array.size - 1), role


def test_a_file_of_another_program_has_no_layers() -> None:
    graph = graph_of("jet_mlp.h5")
    model = to_onnx(graph)
    del model.metadata_props[:]
    assert stored_weights(Conversion(graph, model)) == {}


def test_operators_that_cannot_be_evaluated_hide_a_weight() -> None:
    graph = graph_of("jet_mlp.h5")
    model = to_onnx(graph)
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0].endswith("kernel"):
            node.op_type, node.domain = "Unknown", "else.where"
    model.opset_import.append(onnx.helper.make_opsetid("else.where", 1))
    found = stored_weights(Conversion(graph, model))
    assert len(found) < len(effective(graph))


@pytest.mark.parametrize("file", ["encoder.json", "jet_mlp.h5"])
def test_an_operator_that_lacks_its_input_has_no_kernel(file: str) -> None:
    """Its bias stands where the kernel of a convolution should, or of a product of matrices."""
    graph = graph_of(file)
    model = to_onnx(graph)
    node = next(x for x in model.graph.node if x.op_type in ("Conv", "Gemm") and len(x.input) > 2)
    del node.input[0]
    layer = next(each.name for each in graph.layers if each.name == node.name.split("/")[0])
    assert (layer, "kernel") not in stored_weights(Conversion(graph, model))
