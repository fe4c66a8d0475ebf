"""Quantizers that no theorem certifies, with TensorFlow and ONNX Runtime at work."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import qconvert
from qconvert.checking.grounds import Method
from qconvert.checking.results import Report, Verdict
from qconvert.report import to_json

SCHEMA = Path(__file__).parents[2] / "schemas" / "report.schema.json"

pytestmark = pytest.mark.usefixtures("shared_tensorflow")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scanned") / "model.h5"
    script = Path(__file__).with_name("scanned_model.py")
    subprocess.run([sys.executable, script, path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def checked(model: Path, cache: Path, file: onnx.ModelProto | None = None) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QCONVERT_CACHE", str(cache))
        return qconvert.check(model, file, samples=20)


@pytest.fixture(scope="module")
def report(model: Path, cache: Path) -> Report:
    return checked(model, cache)


def test_quantizers_are_proven_by_their_thresholds(report: Report) -> None:
    found = {layer.name: layer.finding for layer in report.layers}
    for name in ("tanh", "sigmoid", "power", "ulaw", "hswish", "leaky", "sigmoidal"):
        proof = found[name].proof
        assert found[name].verdict is Verdict.PROVEN and proof is not None, name
        assert proof.method is Method.ENUMERATED and proof.numbers > 500
        assert any("processors that compute like this one" in text for text in proof.assumptions)


def test_what_reads_them_is_proven_by_their_levels(report: Report) -> None:
    verdicts = {layer.name: layer.finding.verdict for layer in report.layers}
    readers = ("tanh", "sigmoid", "power", "hswish", "leaky", "sigmoidal")
    assert {verdicts[f"of_{name}"] for name in readers} == {Verdict.PROVEN}
    # Logarithms are levels on no grid that is coarse enough.
    assert verdicts["of_ulaw"] is Verdict.BOUNDED


def test_a_sigmoid_of_any_numbers_is_ambiguous(report: Report) -> None:
    (free,) = (layer.finding for layer in report.layers if layer.name == "free")
    assert free.verdict is Verdict.BOUNDED and "TensorFlow disagrees with itself" in free.doubt


def test_the_report_has_the_numbers(report: Report) -> None:
    written = json.loads(to_json(report))
    jsonschema.validate(written, json.loads(SCHEMA.read_text()))
    (tanh,) = (layer for layer in written["layers"] if layer["name"] == "tanh")
    assert tanh["proof"]["numbers"] > 500


def test_a_threshold_off_by_one_number_is_found_and_other_scans_come_from_the_cache(
    model: Path, cache: Path, report: Report
) -> None:
    assert report.verdict is Verdict.BOUNDED
    before = {path: path.stat().st_mtime_ns for path in (cache / "scans").iterdir()}
    file = qconvert.export(model).model
    # That of "free", which anything can come to.
    node = [x for x in file.graph.node if x.name.startswith("free/GreaterOrEqual")][9]
    (tensor,) = (x for x in file.graph.initializer if x.name == node.input[1])
    moved = np.nextafter(numpy_helper.to_array(tensor), np.float32(-9))
    tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
    found = checked(model, cache, file)
    assert found.verdict is Verdict.DIFFERS
    assert found.first_difference is not None and found.first_difference.name == "free"
    after = {path: path.stat().st_mtime_ns for path in (cache / "scans").iterdir()}
    assert before.items() <= after.items() and len(after) == len(before) + 1
