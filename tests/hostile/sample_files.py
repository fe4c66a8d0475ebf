"""Files of samples for a model with one input ``x`` of three numbers."""

import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(text: str) -> bytes:
    """An array of which only this is there."""
    data = text.encode()
    return b"\x93NUMPY\x01\x00" + len(data).to_bytes(2, "little") + data


def npz(**members: bytes) -> bytes:
    return archive(*((f"{name}.npy", data) for name, data in members.items()))


def archive(*entries: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, data in entries:
            written.writestr(name, data)
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
#: For each file of samples: the code, and the exit code.
SAMPLES: Final[Mapping[str, tuple[bytes, str, int]]] = {
    "empty": (b"", "QC710", 4),
    "text": (b"1, 2, 3", "QC710", 4),
    "pickle": (pickle.dumps(Evil()), "QC710", 4),
    "objects": (npy(np.array([Evil()], object), allow_pickle=True), "QC710", 4),
    "objects in an archive": (
        npz(x=npy(np.array([Evil()], object), allow_pickle=True)),
        "QC710",
        4,
    ),
    "truncated": (npy(X)[:-4], "QC710", 4),
    "header alone": (header(""), "QC710", 4),
    "code in a header": (header("__import__('os').system('touch executed')"), "QC710", 4),
    "nested header": (header("(" * 9000), "QC710", 4),
    "4 TiB": (described("(1099511627776, 3)"), "QC710", 4),
    "a negative size": (described("(-1, 3)"), "QC710", 4),
    "an archive that unpacks to much": (npz(x=described("(4, 3)") + bytes(1 << 24)), "QC711", 4),
    "a damaged archive": (damaged(), "QC710", 4),
    "a flag as size": (described("(True, 3)") + bytes(12), "QC710", 4),
    "an array twice": (archive(("x.npy", npy(X)), ("x.npy", npy(X + 1))), "QC711", 4),
    "an array with and without suffix": (archive(("x.npy", npy(X)), ("x", npy(X + 1))), "QC711", 4),
    "an array behind the array": (npy(X) + npy(X + 1), "QC711", 4),
    "a byte behind the array": (npy(X) + b"\0", "QC711", 4),
    "a byte behind an array of an archive": (npz(x=npy(X) + b"\0"), "QC711", 4),
    "another name": (npz(y=npy(X)), "QC711", 2),
    "one too many": (npz(x=npy(X), y=npy(X)), "QC711", 2),
    "a path as a name": (npz(**{"../x": npy(X)}), "QC711", 2),
    "0-dimensional": (npy(np.float32(1)), "QC712", 2),
    "another shape": (npy(np.zeros((4, 5), np.float32)), "QC712", 2),
    "complex numbers": (npy(X.astype(complex)), "QC713", 2),
    "texts": (npy(np.full((4, 3), "a")), "QC713", 2),
    "no samples": (npy(X[:0]), "QC714", 2),
    "NaN": (npy(np.full((4, 3), np.nan, np.float32)), "QC714", 2),
    "infinity": (npy(np.full((4, 3), np.inf, np.float32)), "QC714", 2),
    "numbers that float32 has not": (npy(np.full((4, 3), 0.1)), "QC714", 2),
}
