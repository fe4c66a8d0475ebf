"""`export`, `inspect`, `weights`, `explain` work where only the core dependencies are installed."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

DATA: Final = Path(__file__).parents[1] / "data"

# Extras are installed where this runs, so their import is made to fail as if they were not.
WITHOUT_EXTRAS: Final = """
import runpy, sys
EXTRAS = ("PIL", "onnxruntime", "tensorflow", "tf_keras", "keras", "qkeras", "tf2onnx")
sys.modules.update(dict.fromkeys(EXTRAS))
runpy.run_module("qconvert", run_name="__main__", alter_sys=True)
"""


def run_without_extras(*arguments: str | Path) -> None:
    """Run the command line without the extras; it must succeed."""
    command = [sys.executable, "-c", WITHOUT_EXTRAS, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_export_needs_the_core_only(tmp_path: Path) -> None:
    run_without_extras("export", DATA / "jet_mlp.h5", "-o", tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size > 0


@pytest.mark.parametrize("name", ["weights.npz", "weights.safetensors"])
def test_weights_need_the_core_only(tmp_path: Path, name: str) -> None:
    run_without_extras("weights", DATA / "jet_mlp.h5", "-o", tmp_path / name)
    assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("model", ["jet_mlp.h5", "mnist_cnn.keras"])
def test_inspect_needs_the_core_only(model: str) -> None:
    run_without_extras("inspect", DATA / model)


def test_explain_needs_the_core_only(tmp_path: Path) -> None:
    """Witnesses that are missing are said to be."""
    page = tmp_path / "page.html"
    run_without_extras("explain", DATA / "jet_mlp.h5", "--layer", "fc1", "--html", page)
    assert page.stat().st_size > 0
