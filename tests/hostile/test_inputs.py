"""Samples from anybody: one error with its code, nothing loaded but numbers."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from qconvert.cli import run


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(text: str) -> bytes:
    """An array of which only this is there."""
    data = text.encode()
    return b"\x93NUMPY\x01\x00" + len(data).to_bytes(2, "little") + data


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def described(shape: str, kind: str = "<f4") -> bytes:
    return header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}")


class Evil:
    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, ("touch executed",)


def damaged() -> bytes:
    data = bytearray(npz(x=npy(np.random.default_rng(0).random((64, 3), np.float32))))
    data[120:200] = bytes(80)
    return bytes(data)


X: Final = np.zeros((4, 3), np.float32)
CASES: Final = {
    "empty": (b"", "QC710"),
    "text": (b"1, 2, 3", "QC710"),
    "pickle": (pickle.dumps(Evil()), "QC710"),
    "objects": (npy(np.array([Evil()], object), allow_pickle=True), "QC710"),
    "objects in an archive": (npz(x=npy(np.array([Evil()], object), allow_pickle=True)), "QC710"),
    "truncated": (npy(X)[:-4], "QC710"),
    "header alone": (header(""), "QC710"),
    "code in a header": (header("__import__('os').system('touch executed')"), "QC710"),
    "nested header": (header("(" * 9000), "QC710"),
    "4 TiB": (described("(1099511627776, 3)"), "QC710"),
    "a negative size": (described("(-1, 3)"), "QC710"),
    "an archive that unpacks to much": (npz(x=described("(4, 3)") + bytes(1 << 24)), None),
    "a damaged archive": (damaged(), "QC710"),
    "another name": (npz(y=npy(X)), "QC711"),
    "one too many": (npz(x=npy(X), y=npy(X)), "QC711"),
    "a path as a name": (npz(**{"../x": npy(X)}), "QC711"),
    "0-dimensional": (npy(np.float32(1)), "QC712"),
    "another shape": (npy(np.zeros((4, 5), np.float32)), "QC712"),
    "complex numbers": (npy(X.astype(complex)), "QC713"),
    "texts": (npy(np.full((4, 3), "a")), "QC713"),
    "no samples": (npy(X[:0]), "QC714"),
    "NaN": (npy(np.full((4, 3), np.nan, np.float32)), "QC714"),
    "infinity": (npy(np.full((4, 3), np.inf, np.float32)), "QC714"),
    "numbers that float32 has not": (npy(np.full((4, 3), 0.1)), "QC714"),
}


@pytest.mark.parametrize("name", CASES)
def test_samples_get_their_code(
    name: str,
    keras: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, code = CASES[name]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "inputs"
    path.write_bytes(data)
    ended = run(["check", str(keras), "--inputs", str(path), "--tf-python", "/nowhere/python"])
    out, err = capsys.readouterr()
    assert list(tmp_path.iterdir()) == [path]
    if code is None:
        assert ended == 5 and "TensorFlow: NOT RUN" in out
        return
    assert ended in (2, 4) and err.startswith(f"qconvert: error {code}: ") and out == ""


def test_what_is_no_file_is_not_opened(
    keras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        assert run(["check", str(keras), "--inputs", str(path)]) == 4
        assert "QC106" in capsys.readouterr().err
