"""A file is repaired for a TensorFlow that computes otherwise, as without oneDNN."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import onnx
import pytest

import qconvert
from qconvert.checking.results import Report, Verdict
from qconvert.errors import OutputError, UsageError
from qconvert.report import to_json
from tests.shared_tensorflow import one_tensorflow

SCHEMA = Path(__file__).parents[2] / "schemas" / "report.schema.json"


@pytest.fixture(scope="module", params=[12, 4], ids=["floats", "kernel"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With so few bits, that the normalization becomes part of an integer kernel, or with more."""
    path = tmp_path_factory.mktemp("repaired") / "model.h5"
    script = Path(__file__).with_name("repaired_model.py")
    subprocess.run(
        [sys.executable, script, path, str(request.param)], check=True, capture_output=True
    )
    return path


def checked(model: Path, file: Path | onnx.ModelProto | None, repair: Path | None) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
        return qconvert.check(model, file, samples=8, repair=repair)


@pytest.fixture(scope="module", autouse=True)
def without_onednn() -> Iterator[None]:
    """One TensorFlow for all checks, as the first of them starts it."""
    with one_tensorflow():
        yield


@pytest.fixture(scope="module")
def target(model: Path) -> Path:
    return model.with_name("repaired.onnx")


@pytest.fixture(scope="module")
def report(model: Path, target: Path) -> Report:
    return checked(model, None, target)


def test_codes_that_flip_are_proven_with_moved_constants(report: Report, target: Path) -> None:
    assert report.verdict is Verdict.PROVEN
    assert report.repair.path == report.onnx.path == str(target)
    assert report.repair.moved and not report.repair.unrepaired
    assert {move.layer for move in report.repair.moved} == {"bn"}
    written = json.loads(to_json(report))
    jsonschema.validate(written, json.loads(SCHEMA.read_text()))
    assert written["repair"]["moved"][0]["layer"] == "bn"


def test_without_it_nothing_is_proven_and_with_it_a_check_is_as_good(
    model: Path, target: Path, report: Report
) -> None:
    before, after = (checked(model, file, None) for file in (None, target))
    found = {layer.name: layer.finding.verdict for layer in before.layers}
    assert found["act"] is Verdict.BOUNDED and not before.repair.moved
    assert after.verdict is Verdict.PROVEN and after.repair.path is None
    assert after.repair.moved == report.repair.moved
    assert after.onnx.sha256 == report.onnx.sha256


def test_the_file_is_not_over_another_and_not_of_another_converter(
    model: Path, target: Path, report: Report
) -> None:
    with pytest.raises(OutputError, match="exists already"):
        qconvert.check(model, repair=target, force=False)
    with pytest.raises(OutputError, match="input of this command"):
        qconvert.check(model, target, repair=target)
    other = onnx.load(target)
    del other.metadata_props[:]
    with pytest.raises(UsageError, match="did not write"):
        qconvert.check(model, other, repair=target.with_name("other.onnx"))
