"""Starts `audited.py`, which reads files under an audit hook."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.building import archive, hdf5, model

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
MODELS = ("encoder.json", "jet_deepsets.h5", "jet_mlp.h5", "mnist_cnn.keras", "pruned_cnn.h5")


def audited(folder: Path, files: list[list[str]], plant: str = "") -> list[str]:
    """What Python did besides reading *files*."""
    return audited_with(folder, files, [plant])[plant]


def audited_with(
    folder: Path, files: list[list[str]], plants: Sequence[str]
) -> dict[str, list[str]]:
    """What Python did besides reading *files*, with each of the *plants*; one process for all."""
    warm = [DATA / name for name in MODELS]
    for i, make in enumerate((hdf5("{"), hdf5({**model(), "class_name": "Evil"}), archive([]))):
        (folder / f"warm{i}").mkdir()
        warm.append(make(folder / f"warm{i}"))
    request = folder / "request.json"
    request.write_text(json.dumps({"warm": [*map(str, warm)], "files": files, "plants": plants}))
    command = [sys.executable, str(Path(__file__).with_name("audited.py")), str(request)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found
