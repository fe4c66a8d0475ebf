"""Models that TensorFlow has to help with: SavedModel folders, and layers by tf2onnx."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

import qconvert
from qconvert.checking.results import Report, Verdict
from qconvert.checking.witness import Witness
from qconvert.errors import BadFileError, UnsupportedError, UsageError
from qconvert.report import to_json

SCHEMA = Path(__file__).parents[2] / "schemas" / "report.schema.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("helped")
    script = Path(__file__).with_name("helped_models.py")
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def exported(folder: Path) -> onnx.ModelProto:
    return qconvert.export(folder / "model.h5", opaque="tf2onnx").model


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    path = folder / "saved_model"
    return qconvert.check(path, via_tensorflow=True, opaque="tf2onnx", samples=40)


def test_a_saved_model_gives_the_bytes_of_its_h5(folder: Path, exported: onnx.ModelProto) -> None:
    path = folder / "saved_model"
    other = qconvert.export(path, via_tensorflow=True, opaque="tf2onnx").model
    assert other.SerializeToString(deterministic=True) == exported.SerializeToString(
        deterministic=True
    )


def test_a_saved_model_is_not_read_unasked(folder: Path) -> None:
    with pytest.raises(UnsupportedError, match="--via-tensorflow"):
        qconvert.load(folder / "saved_model")


def test_only_a_folder_is_read_by_tensorflow(folder: Path) -> None:
    with pytest.raises(UsageError, match="SavedModel folders"):
        qconvert.load(folder / "model.h5", via_tensorflow=True)
    with pytest.raises(BadFileError, match="no saved_model"):
        qconvert.load(folder, via_tensorflow=True)


def test_an_unknown_converter_is_a_usage_error(folder: Path) -> None:
    with pytest.raises(UsageError, match="only tf2onnx"):
        qconvert.load(folder / "model.h5", opaque="magic")


def test_the_report_is_of_the_folder_and_marks_opaque_layers(folder: Path, report: Report) -> None:
    assert report.model.path == str(folder / "saved_model")
    assert {w.witness for w in report.witnesses if w.failure is None} == set(Witness)
    opaque = {layer.name: layer for layer in report.layers if layer.converter}
    assert set(opaque) == {"einsum", "unit"}
    for layer in opaque.values():
        assert "no NumPy reference" in layer.finding.reason
        witnesses = {w for c in layer.finding.comparisons for w in (c.first, c.second)}
        assert Witness.NUMPY not in witnesses
        assert Witness.ORT in witnesses
    found = json.loads(to_json(report))
    jsonschema.validate(found, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert [layer["converter"] is None for layer in found["layers"]].count(False) == 2


def test_opaque_layers_pass_and_the_layers_behind_them_have_all_witnesses(report: Report) -> None:
    verdicts = {layer.name: layer.finding.verdict for layer in report.layers}
    assert verdicts["einsum"] is Verdict.SAMPLED
    assert verdicts["unit"] in (Verdict.SAMPLED, Verdict.BOUNDED)
    assert report.exit_code == 0
    (late,) = (layer for layer in report.layers if layer.name == "late")
    assert Witness.NUMPY in {w for c in late.finding.comparisons for w in (c.first, c.second)}
    weights = {(w.layer, w.role): w.verdict for w in report.weights}
    assert weights["einsum", "kernel"] is Verdict.PROVEN


def test_the_file_marks_opaque_layers(exported: onnx.ModelProto) -> None:
    (text,) = (entry.value for entry in exported.metadata_props if entry.key == "qconvert")
    found = {layer["layer"]: layer["converter"] for layer in json.loads(text)["layers"]}
    assert found["einsum"].startswith("tf2onnx ")
    assert [name for name, converter in found.items() if converter] == ["einsum", "unit"]


def test_a_wrong_constant_in_an_opaque_layer_differs_there(
    folder: Path, exported: onnx.ModelProto
) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    (kernel,) = (t for t in model.graph.initializer if list(t.dims) == [6, 5])
    values = onnx.numpy_helper.to_array(kernel).copy()
    values[2, 3] += np.float32(0.125)
    kernel.CopyFrom(onnx.numpy_helper.from_array(values, kernel.name))
    report = qconvert.check(folder / "model.h5", model, opaque="tf2onnx", samples=40)
    assert report.exit_code == 1
    assert report.first_difference is not None
    assert report.first_difference.name == "einsum"
    assert report.first_difference.finding.verdict is Verdict.DIFFERS


def test_metadata_of_tensorflow_before_2_5_is_read_and_missing_one_is_told(
    folder: Path, tmp_path: Path
) -> None:
    script = """
import sys
from pathlib import Path
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata
folder = Path(sys.argv[1])
graph = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
nodes = SavedMetadata.FromString((folder / "keras_metadata.pb").read_bytes()).nodes
root = graph.meta_graphs[0].object_graph_def.nodes[0]
root.user_object.metadata = nodes[0].metadata
(folder / "saved_model.pb").write_bytes(graph.SerializeToString())
"""
    old, bare = tmp_path / "old", tmp_path / "bare"
    for copy in (old, bare):
        shutil.copytree(folder / "saved_model", copy)
    subprocess.run([sys.executable, "-c", script, old], check=True, capture_output=True)
    for copy in (old, bare):
        (copy / "keras_metadata.pb").unlink()
    weights = qconvert.effective_weights(old, via_tensorflow=True, opaque="tf2onnx")
    expected = qconvert.effective_weights(folder / "model.h5", opaque="tf2onnx")
    np.testing.assert_array_equal(weights["out"]["kernel"], expected["out"]["kernel"])
    with pytest.raises(UnsupportedError, match=r"keras_metadata\.pb is missing"):
        qconvert.load(bare, via_tensorflow=True)
