"""What each package loads, in a fresh process, against a literal table."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import pytest

HEAVY: Final = frozenset(
    {
        "PIL",
        "click",
        "h5py",
        "jinja2",
        "keras",
        "numpy",
        "onnx",
        "onnxruntime",
        "qkeras",
        "rich",
        "tensorflow",
        "tf2onnx",
        "tf_keras",
    }
)

LOADED: Final[Mapping[str, frozenset[str]]] = {
    "qconvert": frozenset(),
    "qconvert.errors": frozenset(),
    "qconvert.cli": frozenset({"click"}),
    "qconvert.modelfile": frozenset({"numpy"}),
    "qconvert.ir": frozenset({"numpy"}),
    "qconvert.numerics": frozenset({"numpy"}),
    "qconvert.reference": frozenset({"numpy"}),
    "qconvert.exactness": frozenset({"numpy"}),
    "qconvert.explaining": frozenset({"numpy"}),
    "qconvert.frontend": frozenset({"numpy"}),
    "qconvert.emit": frozenset({"numpy", "onnx"}),
    "qconvert.runners": frozenset({"numpy", "onnx"}),
    "qconvert.checking": frozenset({"numpy", "onnx"}),
    "qconvert.reproducing": frozenset({"numpy", "onnx"}),
    "qconvert.benchmarking": frozenset({"numpy", "onnx"}),
    "qconvert.weighing.costs": frozenset({"numpy"}),
    "qconvert.differing": frozenset(),
    "qconvert.report": frozenset(),
    "qconvert.report.notes": frozenset(),
    "qconvert.asking": frozenset({"numpy", "onnx"}),
    "qconvert.api": frozenset(),
}
"""The heavy modules that importing a package loads, and no others."""

HELP: Final = """
import runpy, sys
sys.argv = ["qconvert", "--help"]
try:
    runpy.run_module("qconvert", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""


def heavy_modules_after(code: str) -> frozenset[str]:
    """The modules of `HEAVY` that a fresh interpreter has loaded once it has run *code*."""
    program = f"{code}\nimport sys\nprint('LOADED', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "LOADED"
    return HEAVY.intersection(last[1:])


@pytest.mark.parametrize("package", LOADED)
def test_package_loads_only_what_it_needs(package: str) -> None:
    assert heavy_modules_after(f"import {package}") == LOADED[package]


def test_inspecting_a_keras_model_loads_no_onnx() -> None:
    code = "import qconvert.opening, qconvert.report.inspection, qconvert.report.summary"
    assert heavy_modules_after(code) == {"numpy", "rich"}


def test_help_loads_nothing_that_reads_models() -> None:
    assert heavy_modules_after(HELP) <= {"click", "rich"}
