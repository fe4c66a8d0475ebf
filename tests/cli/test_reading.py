"""Limits and strictness of reading on the command line."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from qconvert.cli import run
from tests.hostile.building import archive, hdf5, parts
from tests.hostile.case import Make


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
        ("reader-memory=99999999999999GiB", "error QC003: the limit reader-memory is too large"),
        ("layers=-5", "the limit layers has to be a positive integer, not -5"),
    ],
)
def test_what_is_no_limit_is_a_matter_of_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    assert run(["inspect", str(hdf5()(tmp_path)), "--limit", text]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("end", ["/", "//", "/."])
def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], end: str) -> None:
    path = str(hdf5()(tmp_path))
    assert run(["inspect", f"{path}{end}"]) == 4
    assert capsys.readouterr().err == f"qconvert: error QC107: {path}{end}: not a directory\n"


def test_what_no_layer_takes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(leftover(tmp_path))]) == 0
    assert "note: model.h5: holds what no layer takes: /more" in capsys.readouterr().out


def test_strictly_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(leftover(tmp_path)), "--strict"]) == 4
    assert "error QC520" in (told := capsys.readouterr().err)
    assert "holds what no layer takes: /more" in told
    assert not (tmp_path / "model.onnx").exists()


def second_name(of: str, name: str) -> Make:
    """A file in which *name* is another hard link to what lies at *of*."""
    return hdf5(change=lambda file: file.__setitem__(name, file[of]))


def behind(data: bytes, libver: str) -> Make:
    """A file in a version of the format, and more bytes."""

    def make(folder: Path) -> Path:
        old, new = hdf5(name="old.h5")(folder), folder / "model.h5"
        with h5py.File(old, "r") as source, h5py.File(new, "w", libver=libver) as file:
            source.copy("model_weights", file)
            file.attrs.update(source.attrs)
        new.write_bytes(new.read_bytes() + data)
        return new

    return make


def behind_weights(folder: Path) -> Path:
    entries = parts()
    entries["model.weights.h5"] += b"more"
    return archive([*entries.items()])(folder)


def with_asset(name: str) -> Make:
    return archive([*parts().items(), (name, b"")])


KERNEL = "/model_weights/d/d/kernel:0"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (second_name(KERNEL, "0"), f"/0 (another name of {KERNEL})"),
        (second_name(KERNEL, "z"), f"/z (another name of {KERNEL})"),
        (second_name(KERNEL, "optimizer_weights/m"), f"/m (another name of {KERNEL})"),
        (second_name(KERNEL, "metrics"), f"/metrics (another name of {KERNEL})"),
        (second_name("model_weights/d", "optimizer/d"), f"/kernel:0 (another name of {KERNEL})"),
        (second_name("model_weights", "z"), "/z"),
        (second_name("model_weights/d", "a"), f"/a/d/kernel:0 (another name of {KERNEL})"),
        (behind(b"more", "earliest"), "4 bytes behind the end of HDF5"),
        (behind(b"more", "latest"), "4 bytes behind the end of HDF5"),
        (with_asset("assets/x"), "assets/x"),
        (with_asset("assets/"), "assets/"),
        (hdf5(change=lambda file: file.__setitem__("z", np.dtype("f4"))), "/z"),
        (behind_weights, "4 bytes behind the end of HDF5"),
    ],
)
def test_second_names_and_bytes_without_one_are_refused_strictly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Make, told: str
) -> None:
    path = str(make(tmp_path))
    assert run(["export", path]) == 0
    (note,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("note: model."))
    assert "holds what no layer takes: " in note
    assert told in note
    assert run(["inspect", path, "--strict"]) == 4
    assert f"{note.partition('holds')[2]}\n" in capsys.readouterr().err


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_file_of_nothing_but_its_model_is_read_strictly(tmp_path: Path, libver: str) -> None:
    assert run(["inspect", str(behind(b"", libver)(tmp_path)), "--strict", "--quiet"]) == 0


def test_what_training_left_is_no_reason(tmp_path: Path) -> None:
    def trained(file: h5py.File) -> None:
        file["optimizer_weights/Adam/m:0"] = np.ones(3)

    assert run(["inspect", str(hdf5(change=trained)(tmp_path)), "--strict"]) == 0
