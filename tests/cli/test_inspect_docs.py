"""The commands of docs/INSPECT.md print what stands there, and its example runs."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from qconvert.cli import run

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "INSPECT.md").read_text(encoding="utf-8")


def retrained(path: Path) -> None:
    """What the page says of this file."""
    with h5py.File(path, "r+") as file:
        kernel = file["model_weights/fc2/fc2_1/kernel:0"]
        kernel[3, 4] += 0.1
        kernel[0, 0] += 1e-4
        config = file.attrs["model_config"].replace('"relu2"', '"act2"')
        file.attrs["model_config"] = config.replace("quantized_relu(6", "quantized_relu(5", 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("jet_mlp.h5", "retrained.h5"):
        shutil.copy(ROOT / "tests" / "data" / "jet_mlp.h5", name)
    retrained(tmp_path / "retrained.h5")
    for name in ("jet_mlp.h5", "retrained.h5"):
        assert run(["export", name]) == 0
    return tmp_path


def test_commands_print_what_is_shown_and_the_example_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = re.findall(r"```console\n\$ qconvert ([^\n]*)\n(.*?)```", DOCS, re.DOTALL)
    assert len(sessions) == 4
    for command, shown in sessions:
        capsys.readouterr()
        assert run(shlex.split(command)) == (1 if command.startswith("diff") else 0)
        assert without_hashes(capsys.readouterr().out) == shown
    (example,) = re.findall(r"```py\n(.*?)```", DOCS, re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", example]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "QuantizedBits(bits=6, alpha=1.0) int8\n"


def without_hashes(text: str) -> str:
    # The hash of a file that was changed depends on the library that changed it.
    return re.sub(r"SHA-256 [0-9a-f]{64}", "SHA-256 ...", text)
