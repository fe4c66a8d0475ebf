"""QKeras 0.9.0 under Keras 3, which the default environment can run."""

import subprocess
import sys
from pathlib import Path

import pytest

from qconvert import api


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras3")
    script = Path(__file__).with_name("build_keras3_model.py")
    done = subprocess.run(
        [sys.executable, script, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return path


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_a_model_of_qkeras_0_9_under_keras_3_is_run_there(folder: Path, suffix: str) -> None:
    report = api.check(folder / f"model.{suffix}", samples=20)
    assert report.exit_code == 0
    assert all(layer.finding.equal and layer.finding.verdict.passes for layer in report.layers)
    assert "keras 3" in repr(report).replace("', '", " ")


def test_a_live_model_with_functions_is_checked() -> None:
    """Keras 3 reads its functions from archives alone."""
    command = [sys.executable, "-m", "tests.runners.check_keras3_model"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    names = ("absolute", "concatenate", "d", "e", "multiply", "true_divide")
    assert done.stdout.split() == [f"{name}:equal" for name in names]
