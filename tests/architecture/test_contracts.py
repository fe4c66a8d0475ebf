"""Each import contract of pyproject.toml turns red for an import that it forbids."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
LINTER: Final = Path(sys.executable).with_name("lint-imports")
BROKEN: Final = re.compile(r"^(.+) BROKEN(?: \(\d+ ignored imports?\))?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Offence:
    """A forbidden line, and the module that it is added to; ``{}`` stands for the line."""

    module: str
    line: str
    template: str = "{}"


LAZY: Final = "def lazy() -> None:\n    {}"

OFFENCES: Final[Mapping[str, tuple[Offence, ...]]] = {
    "Dependencies point downwards": (
        Offence("ir/offence.py", "import qconvert.numerics"),
        Offence("emit/offence.py", "import qconvert.reference"),
        Offence("reference/offence.py", "import qconvert.emit"),
        Offence("exactness/offence.py", "import qconvert.frontend"),
        Offence("runners/offence.py", "import qconvert.checking", LAZY),
        Offence("benchmarking/offence.py", "import qconvert.reproducing"),
        Offence("explaining/offence.py", "import qconvert.checking"),
        Offence("errors.py", "import qconvert.ir"),
        Offence("a_package_without_a_place.py", "import qconvert.errors"),
    ),
    "Reading a file knows errors and nothing else of qconvert": (
        Offence("modelfile/offence.py", "import qconvert.ir"),
    ),
    "What sees files of strangers first is started by path, never imported": (
        Offence("modelfile/offence.py", "from qconvert.modelfile import inside"),
        Offence("modelfile/read.py", "from qconvert.modelfile.inside import hdf5", LAZY),
    ),
    "The isolated reader imports nothing of qconvert": (
        Offence("modelfile/inside/values.py", "from qconvert.modelfile import limits", LAZY),
    ),
    "Only the frontend and what is above it see a model file": (
        Offence("emit/offence.py", "import qconvert.modelfile"),
        Offence("reference/offence.py", "import qconvert.modelfile"),
        Offence("exactness/offence.py", "import qconvert.modelfile"),
    ),
    "The arithmetic knows no grid, so that a wrong one shows": (
        Offence("numerics/offence.py", "from qconvert.ir.grids import grid_of"),
        Offence("numerics/offence.py", "from qconvert.ir import grid_of", LAZY),
        Offence("reference/offence.py", "import qconvert.ir.grids", LAZY),
        Offence("reference/offence.py", "from qconvert.ir import Grid"),
    ),
    "What a model means is said without ONNX and without TensorFlow": (
        Offence("ir/offence.py", "import onnx"),
        Offence("numerics/offence.py", "import tensorflow"),
        Offence("reference/offence.py", "import onnxruntime", LAZY),
        Offence("exactness/offence.py", "from onnx import helper", LAZY),
        Offence("frontend/offence.py", "import tf_keras", LAZY),
        Offence("explaining/offence.py", "import qconvert.emit", LAZY),
    ),
    "TensorFlow lives in the worker process": (
        Offence("runners/offence.py", "import tensorflow", LAZY),
        Offence("checking/offence.py", "import qkeras"),
    ),
    "Workers are started by path, never imported": (
        Offence("runners/offence.py", "from qconvert.runners import tf_worker"),
        Offence("runners/offence.py", "from qconvert.runners import ort_worker"),
    ),
    "Workers import nothing of qconvert": (
        Offence("runners/tf_worker/__main__.py", "import qconvert.errors", LAZY),
        Offence("runners/tf_worker/keras3.py", "import qconvert.runners.ort", LAZY),
        Offence("runners/ort_worker/__main__.py", "import qconvert.errors", LAZY),
    ),
}
"""For each contract, by name, imports that break it."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package and its contracts that a test may spoil."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "qconvert", tmp_path / "qconvert", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken_contracts(tree: Path) -> set[str]:
    """The names of the contracts that the linter finds broken in *tree*."""
    done = subprocess.run(
        [LINTER, "--no-cache", "--no-logo"], cwd=tree, capture_output=True, text=True, check=False
    )
    assert "\nContracts: " in done.stdout, done.stdout + done.stderr
    broken = set(BROKEN.findall(done.stdout))
    assert bool(broken) == (done.returncode != 0)
    return broken


def test_clean_tree_keeps_every_contract(tree: Path) -> None:
    assert broken_contracts(tree) == set()


def test_every_contract_has_an_offence() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = [contract["name"] for contract in config["tool"]["importlinter"]["contracts"]]
    assert sorted(names) == sorted(OFFENCES)


@pytest.mark.parametrize(
    ("contract", "offence"),
    [(contract, offence) for contract, offences in OFFENCES.items() for offence in offences],
    ids=lambda value: value.line if isinstance(value, Offence) else "",
)
def test_offence_breaks_its_contract(tree: Path, contract: str, offence: Offence) -> None:
    module = tree / "qconvert" / offence.module
    with module.open("a", encoding="utf-8") as file:
        file.write("\n" + offence.template.format(offence.line) + "\n")
    assert contract in broken_contracts(tree)
