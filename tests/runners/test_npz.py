"""Results of a process that nobody trusts."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qconvert.runners.npz import bytes_in, read_npz, write_npz


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self._path,)


def test_arrays_come_back_under_any_names(tmp_path: Path) -> None:
    arrays = {"a/b:0": np.array([0.5, -0.0], np.float32), "../c": np.zeros((0, 2), np.float32)}
    write_npz(tmp_path / "x.npz", arrays)
    found = read_npz(tmp_path / "x.npz")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_objects_are_not_made(tmp_path: Path) -> None:
    executed, path = tmp_path / "executed", tmp_path / "x.npz"
    np.savez(path, allow_pickle=True, x=np.array([Evil(executed) for _ in range(99)], object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_npz(path)
    assert not executed.exists()
    with np.load(path, allow_pickle=True) as archive:
        archive["x"]
    assert executed.exists()


@pytest.mark.parametrize("shape", [(-1,), (-2, -3), (0, -1)])
def test_axes_below_zero_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as member:
        header = {"shape": shape, "fortran_order": False, "descr": "<f4"}
        np.lib.format.write_array_header_1_0(member, header)
        member.write(bytes(24))
    with pytest.raises(ValueError, match="says that its shape is"):
        bytes_in(path)


def test_other_numbers_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="x is float64, not float32"):
        read_npz(tmp_path / "x.npz")
