"""A file that tf2onnx wrote, with the real TensorFlow: QKeras's arithmetic in float operations."""

import os
import subprocess
from pathlib import Path
from typing import Final

import onnx
import pytest

import qconvert
from qconvert.checking.results import Report, Verdict
from scripts.bench_export import CONVERT_WITH_TF2ONNX, python
from tests.checking.foreign_files import with_wrong_code

MODEL: Final = Path(__file__).parents[1] / "data" / "jet_mlp.h5"

pytestmark = pytest.mark.usefixtures("shared_tensorflow")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("foreign") / "tf2onnx.onnx"
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    command = python(CONVERT_WITH_TF2ONNX, MODEL, output)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return output


def verdicts(report: Report) -> dict[str, str]:
    return {layer.name: layer.finding.verdict.value for layer in report.layers}


def test_a_file_of_tf2onnx_agrees_layer_by_layer(converted: Path) -> None:
    report = qconvert.check(MODEL, converted, samples=80)
    exact = ("fc1", "relu1", "fc2", "relu2", "fc3", "relu3", "output")
    assert verdicts(report) == dict.fromkeys(exact, "SAMPLED") | {"softmax": "BOUNDED"}
    assert (report.not_found, report.failed, report.exit_code) == ((), (), 0)
    assert report.layers[0].finding.doubt.startswith("found by its values alone: the tensor 'model")


def test_its_wrong_layer_is_named(converted: Path) -> None:
    model = onnx.load(converted)
    (kernel,) = (t.name for t in model.graph.initializer if list(t.dims) == [64, 32])
    report = qconvert.check(MODEL, with_wrong_code(model, kernel, 100), samples=80)
    assert report.first_difference is not None
    assert report.first_difference.name == "fc2"
    assert {name for name, found in verdicts(report).items() if found == "SAMPLED"} == {
        "fc1",
        "relu1",
    }
    assert report.verdict is Verdict.DIFFERS
