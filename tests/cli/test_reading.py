"""Limits and strictness of reading on the command line."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from qconvert.cli import run
from tests.hostile.building import hdf5


def leftover(folder: Path) -> Path:
    return hdf5(change=lambda file: file.__setitem__("more", np.ones(3)))(folder)


def test_a_limit_is_told_and_raised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(hdf5()(tmp_path))
    assert run(["inspect", path, "--limit", "layers=2"]) == 7
    assert "error QC324" in (told := capsys.readouterr().err)
    assert "3 layers: limit 2 (--limit layers=N raises it)" in told
    assert run(["inspect", path, "--limit", "layers=2", "--limit", "layers=3"]) == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("layers", "'layers' is not NAME=VALUE"),
        ("layer=1", "there is no limit 'layer' (similar names: layers)"),
        ("layers=0", "the limit layers has to be a positive integer"),
    ],
)
def test_what_is_no_limit_is_a_matter_of_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    assert run(["inspect", str(hdf5()(tmp_path)), "--limit", text]) == 2
    assert told in capsys.readouterr().err


def test_what_no_layer_takes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(leftover(tmp_path))]) == 0
    assert "note: model.h5: holds what no layer takes: /more" in capsys.readouterr().out


def test_strictly_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(leftover(tmp_path)), "--strict"]) == 4
    assert "error QC520" in (told := capsys.readouterr().err)
    assert "holds what no layer takes: /more" in told
    assert not (tmp_path / "model.onnx").exists()


def test_what_training_left_is_no_reason(tmp_path: Path) -> None:
    def trained(file: h5py.File) -> None:
        file["optimizer_weights/Adam/m:0"] = np.ones(3)

    assert run(["inspect", str(hdf5(change=trained)(tmp_path)), "--strict"]) == 0
