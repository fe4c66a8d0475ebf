"""What is no model file at all."""

import os
import pickle
import socket
from pathlib import Path

import numpy as np

from tests.hostile.building import archive, hdf5
from tests.hostile.case import Case, Make, bytes_of


def truncated(folder: Path) -> Path:
    path = hdf5()(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def damaged(folder: Path) -> Path:
    path = hdf5()(folder)
    content = path.read_bytes()
    path.write_bytes(content[:96] + b"\xff" * 512 + content[608:])
    return path


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "model.h5")
    return folder / "model.h5"


def listening(folder: Path) -> Path:
    before = Path.cwd()
    os.chdir(folder)  # paths of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("model.h5")
    finally:
        os.chdir(before)
    return folder / "model.h5"


def saved_model(folder: Path) -> Path:
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    return folder


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


def linked(make: Make) -> Make:
    def through(folder: Path) -> Path:
        (folder / "link.h5").symlink_to(make(folder))
        return folder / "link.h5"

    return through


def behind(size: int) -> Make:
    """A model with other bytes in front, which HDF5 reads over if their number is its own."""

    def make(folder: Path) -> Path:
        path = hdf5()(folder)
        path.write_bytes(b"x" * size + path.read_bytes())
        return path

    return make


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 53480\n"

CASES = (
    Case(6, "a model", hdf5(), "", 0),
    Case(6, "an archive", archive(), "", 0),
    Case(6, "an archive called .h5", archive(name="model.h5"), "", 0),
    Case(6, "HDF5 called .keras", hdf5(name="model.keras"), "", 0),
    Case(8, "a link to a model", linked(hdf5()), "", 0),
    Case(1, "an empty file", bytes_of(b""), "QC101", 4, "an empty file"),
    Case(2, "the first half", truncated, "QC102", 4, "truncated: "),
    Case(2, "a signature", bytes_of(b"\x89HDF\r\n\x1a\n"), "QC102", 4, "truncated: 8 bytes"),
    Case(
        10, "a superblock", bytes_of(b"\x89HDF\r\n\x1a\n" + bytes(80)), "QC111", 4, "damaged HDF5"
    ),
    Case(10, "spoiled metadata", damaged, "QC111", 4, "damaged HDF5"),
    Case(
        3, "random bytes", bytes_of(np.random.default_rng(0).bytes(9999)), "QC103", 4, "starts with"
    ),
    Case(3, "a text", bytes_of(b"hello"), "QC103", 4, "starts with b'hello'"),
    Case(4, "a page", bytes_of(b"\n<!doctype HTML><p>"), "QC103", 4, "did the download fail?"),
    Case(4, "a page of XML", bytes_of(b"<?xml version='1.0'?><html>"), "QC103", 4, "starts with"),
    *(
        Case(
            3,
            f"HDF5 behind {size} bytes",
            behind(size),
            "QC103",
            4,
            f"block of {size} bytes",
        )
        for size in (512, 4096)
    ),
    Case(3, "HDF5 behind 100 bytes", behind(100), "QC103", 4, "starts with"),
    Case(5, "a Git LFS pointer", bytes_of(LFS), "QC104", 4, "git lfs pull"),
    Case(7, "ONNX", bytes_of(b"\x08\x08\x12\x05keras"), "QC105", 3, "an ONNX file"),
    Case(7, "TFLite", bytes_of(b"\x1c\0\0\0TFL3" + bytes(20)), "QC105", 3, "a TFLite file"),
    Case(7, "a SavedModel's graph", bytes_of(b"\x08\x01\x12\x80"), "QC105", 3, "SavedModel"),
    Case(7, "a SavedModel", saved_model, "QC132", 3, "--via-tensorflow"),
    *(
        Case(7, f"a pickle, {n}", bytes_of(pickle.dumps(_Evil(), n)), "QC105", 3, "never opened")
        for n in (2, 3, 4, 5)
    ),
    Case(8, "a folder", lambda folder: folder, "QC106", 4, "a directory"),
    Case(8, "a pipe", pipe, "QC106", 4, "not a regular file"),
    Case(8, "a socket", listening, "QC106", 4, "not a regular file"),
    Case(8, "a device", lambda _: Path("/dev/zero"), "QC106", 4, "not a regular file"),
    Case(9, "nothing", lambda folder: folder / "model.h5", "QC107", 4, "no such file"),
    Case(
        9, "a file as a folder", lambda f: bytes_of(b"x")(f) / "y.h5", "QC107", 4, "cannot be read"
    ),
    Case(9, "a long name", lambda folder: folder / ("x" * 300), "QC107", 4, "cannot be read"),
    Case(19, "too many bytes", hdf5(), "QC110", 7, "--limit file-bytes=N", {"file-bytes": 99}),
)
