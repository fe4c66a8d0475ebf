"""Models that TensorFlow has to help with: SavedModel folders, and layers by tf2onnx."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

import qconvert
from qconvert.checking.results import Report, Verdict
from qconvert.checking.witness import Witness
from qconvert.emit import to_onnx
from qconvert.errors import BadFileError, UnsupportedError, UsageError
from qconvert.explaining import Rounded, Unknown
from qconvert.frontend import build_graph
from qconvert.modelfile import read_model
from qconvert.report import to_json
from qconvert.runners.assistant import Assistant

SCHEMA = Path(__file__).parents[2] / "schemas" / "report.schema.json"

pytestmark = pytest.mark.usefixtures("shared_tensorflow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("helped")
    script = Path(__file__).with_name("helped_models.py")
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def assistant() -> Iterator[Assistant]:
    with Assistant() as assistant:
        yield assistant


@pytest.fixture
def one_assistant(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the fixture converts for checks, too."""
    place = "qconvert.runners.assistant.Assistant"
    monkeypatch.setattr(place, lambda python: nullcontext(assistant))


@pytest.fixture(scope="module")
def exported(folder: Path, assistant: Assistant) -> onnx.ModelProto:
    return to_onnx(build_graph(read_model(folder / "model.h5"), assistant.to_opaque))


def converted(assistant: Assistant, saved_model: Path, folder: Path) -> onnx.ModelProto:
    assistant.to_h5(saved_model, folder / "model.h5")
    return to_onnx(build_graph(read_model(folder / "model.h5"), assistant.to_opaque))


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    path = folder / "saved_model"
    return qconvert.check(path, via_tensorflow=True, opaque="tf2onnx", samples=40)


def test_a_saved_model_gives_the_export_of_its_h5(
    folder: Path, assistant: Assistant, exported: onnx.ModelProto, tmp_path: Path
) -> None:
    assert converted(assistant, folder / "saved_model", tmp_path) == exported


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
    assert set(opaque) == {"einsum", "group"}
    for layer in opaque.values():
        assert "no NumPy reference" in layer.finding.reason
        witnesses = {w for c in layer.finding.comparisons for w in c.witnesses}
        assert Witness.NUMPY not in witnesses
        assert Witness.ORT in witnesses
    found = json.loads(to_json(report))
    jsonschema.validate(found, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert [layer["converter"] is None for layer in found["layers"]].count(False) == 2


def test_opaque_layers_pass_and_the_layers_behind_them_have_all_witnesses(report: Report) -> None:
    verdicts = {layer.name: layer.finding.verdict for layer in report.layers}
    assert verdicts["einsum"] is Verdict.SAMPLED
    assert verdicts["group"] in (Verdict.SAMPLED, Verdict.BOUNDED)
    assert report.exit_code == 0
    (late,) = (layer for layer in report.layers if layer.name == "late")
    assert Witness.NUMPY in {w for c in late.finding.comparisons for w in c.witnesses}
    weights = {(w.layer, w.role): w.verdict for w in report.weights}
    assert weights["einsum", "kernel"] is Verdict.PROVEN


@pytest.mark.usefixtures("one_assistant")
@pytest.mark.parametrize("name", ["refused.h5", "refused.keras"])
def test_options_that_no_parser_knows_fall_back(folder: Path, name: str) -> None:
    """From the archive too, which lists the weights of attention in an order of its own."""
    with pytest.raises(UnsupportedError) as raised:
        qconvert.load(folder / name)
    assert all("--opaque tf2onnx" in str(problem) for problem in raised.value.problems)
    report = qconvert.check(folder / name, opaque="tf2onnx", samples=24)
    found = {layer.name: layer for layer in report.layers if layer.converter}
    assert set(found) == {"area", "causal", "cell", "mask", "square"}
    passed = {Verdict.SAMPLED, Verdict.BOUNDED}
    assert {layer.finding.verdict for layer in found.values()} <= passed
    assert report.exit_code == 0
    assert {w.verdict for w in report.weights} == {Verdict.PROVEN}
    assert len(report.weights) == 2 * 8 + 3


def test_opaque_layers_are_explained_by_those_who_know_them(folder: Path) -> None:
    explanation = qconvert.explain(folder / "model.h5", "einsum", opaque="tf2onnx")
    (step,) = explanation.steps
    assert isinstance(step.reason, Unknown)
    assert step.reason.converter.startswith("tf2onnx")
    values = {each.witness: each.value for each in explanation.witnesses}
    exact = explanation.value
    assert values == {"TensorFlow": exact, "ONNX Runtime": exact, "NumPy": None}
    behind = qconvert.explain(folder / "model.h5", "act", opaque="tf2onnx", witnesses=False)
    assert isinstance(behind.steps[0].reason, Rounded)


def test_the_file_marks_opaque_layers(exported: onnx.ModelProto) -> None:
    (text,) = (entry.value for entry in exported.metadata_props if entry.key == "qconvert")
    found = {layer["layer"]: layer.get("converter") for layer in json.loads(text)["layers"]}
    assert found["einsum"].startswith("tf2onnx ")
    assert [name for name, converter in found.items() if converter] == ["einsum", "group"]


@pytest.mark.usefixtures("one_assistant")
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


def test_metadata_of_tensorflow_before_2_5_is_read(
    folder: Path, assistant: Assistant, exported: onnx.ModelProto, tmp_path: Path
) -> None:
    assert not (folder / "old" / "keras_metadata.pb").exists()
    assert converted(assistant, folder / "old", tmp_path) == exported
