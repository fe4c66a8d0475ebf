"""Samples from anybody: one error with its code, nothing loaded but numbers."""

import os
import tracemalloc
from pathlib import Path

import pytest

from qconvert.cli import run
from tests.hostile.sample_files import SAMPLES

pytestmark = pytest.mark.usefixtures("forked_reader")


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_get_their_code(
    name: str,
    keras: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, code, exit_code = SAMPLES[name]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "inputs"
    path.write_bytes(data)
    ended = run(["check", str(keras), "--inputs", str(path), "--tf-python", "/nowhere/python"])
    out, err = capsys.readouterr()
    assert list(tmp_path.iterdir()) == [path]
    assert ended == exit_code
    if code == "QC720":
        assert "TensorFlow: NOT RUN: QC720" in out
        return
    assert err.startswith(f"qconvert: error {code}: ") and out == ""


def test_what_is_no_file_is_not_opened(
    keras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        assert run(["check", str(keras), "--inputs", str(path)]) == 4
        assert "QC106" in capsys.readouterr().err


def test_one_byte_is_not_told_as_several(
    keras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(SAMPLES["a byte behind the array"][0])
    assert run(["check", str(keras), "--inputs", str(path)]) == 4
    assert "bytes that stand behind the array: 1\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["64 TB", "64 TB in an archive", "64 TB behind a first sample"])
def test_an_array_tells_what_it_would_take(
    name: str, keras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(SAMPLES[name][0])
    assert run(["check", str(keras), "--inputs", str(path)]) == 4
    said = "an array of shape (5864062014805, 3) takes 70,368,744,177,660 bytes, no more than"
    assert f"{path}: truncated: {said}" in capsys.readouterr().err


def test_no_memory_is_taken_for_what_a_file_claims(
    keras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(SAMPLES["a header that claims 4 GB"][0])
    with path.open("r+b") as file:
        file.truncate(1 << 33)
    tracemalloc.start()
    try:
        assert run(["check", str(keras), "--inputs", str(path)]) == 4
        assert tracemalloc.get_traced_memory()[1] < 1 << 28
    finally:
        tracemalloc.stop()
    assert "a header of 4,294,967,295 bytes; at most 8,192 are read" in capsys.readouterr().err
