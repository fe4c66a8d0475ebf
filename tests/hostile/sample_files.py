"""Files of samples for a model with one input ``x`` of three numbers."""

import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

X: Final = np.zeros((4, 3), np.float32)


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(text: str, version: int = 1, length: int | None = None) -> bytes:
    """An array of which only this is there, which says that it has *length* bytes."""
    data = text.encode()
    said = len(data) if length is None else length
    width = 2 if version == 1 else 4
    return b"\x93NUMPY" + bytes((version, 0)) + said.to_bytes(width, "little") + data


def npz(**members: bytes) -> bytes:
    return archive(*((f"{name}.npy", data) for name, data in members.items()))


def archive(*entries: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, data in entries:
            written.writestr(name, data)
    return file.getvalue()


def described(
    shape: str, kind: str = "<f4", *, version: int = 1, length: int | None = None
) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}"
    return header(text, version, length)


def packed(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as written:
        written.writestr("x.npy", npy(X))
    return file.getvalue()


def claiming(size: int) -> bytes:
    """An array of so many bytes in an archive that says it has them, and has next to none."""
    rows = size // 12
    data = bytearray(npz(x=described(f"({rows}, 3)")))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (size + 128).to_bytes(4, "little")
    return bytes(data)


class Evil:
    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, ("touch executed",)


def no_utf8(count: int) -> bytes:
    """An archive whose name is no UTF-8, though it says so: in its header (1), everywhere (2)."""
    return archive(("\xe4.npy", npy(X))).replace("\xe4".encode(), b"\xff\xff", count)


def damaged() -> bytes:
    data = bytearray(npz(x=npy(np.random.default_rng(0).random((64, 3), np.float32))))
    data[120:200] = bytes(80)
    return bytes(data)


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
    "an archive without arrays": (archive(), "QC711", 4),
    "truncated": (npy(X)[:-4], "QC710", 4),
    "header alone": (header(""), "QC710", 4),
    "code in a header": (header("__import__('os').system('touch executed')"), "QC710", 4),
    "nested header": (header("(" * 9000), "QC710", 4),
    "a header of thousands of signs": (header("-" * 8000 + "1"), "QC710", 4),
    "4 TiB": (described("(1099511627776, 3)"), "QC710", 4),
    "64 TB": (described("(5864062014805, 3)"), "QC710", 4),
    "64 TB in an archive": (npz(x=described("(5864062014805, 3)")), "QC710", 4),
    "64 TB behind a first sample": (described("(5864062014805, 3)") + bytes(12), "QC710", 4),
    "an archive that claims to hold 2 GB": (claiming(2_000_000_000), "QC710", 4),
    "an array packed as NumPy packs none": (packed(zipfile.ZIP_LZMA), "QC710", 4),
    "a size of 2**64": (described(f"({1 << 64}, 3)"), "QC710", 4),
    "a size of thousands of digits": (described(f"(0x{'f' * 7000}, 3)"), "QC710", 4),
    "a negative size of thousands of digits": (described(f"(-0x{'f' * 7000}, 3)"), "QC710", 4),
    "100 axes": (described(f"({'1,' * 100})"), "QC710", 4),
    "a header that claims 4 GB": (described("(4, 3)", version=2, length=(1 << 32) - 1), "QC710", 4),
    "a header shorter than itself": (described("(4, 3)", length=9) + bytes(48), "QC710", 4),
    "a header of version 9": (described("(4, 3)", version=9) + bytes(48), "QC710", 4),
    "a negative size": (described("(-1, 3)"), "QC710", 4),
    "an archive that unpacks to much": (npz(x=described("(4, 3)") + bytes(1 << 24)), "QC711", 4),
    "a damaged archive": (damaged(), "QC710", 4),
    "a name in front of an array that is no UTF-8": (no_utf8(1), "QC710", 4),
    "a name that is no UTF-8": (no_utf8(2), "QC710", 4),
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
