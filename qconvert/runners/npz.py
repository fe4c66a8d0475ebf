"""Arrays to and from the files that a worker reads and writes."""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32


def write_npz(file: Path | IO[bytes], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays under any names (`numpy.savez` takes them as keyword arguments)."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def read_npz(path: Path) -> dict[str, F32]:
    """Read arrays; `ValueError` if one is not float32, `OSError` or others if it is no npz."""
    bytes_in(path)
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise ValueError(f"{name} is {array.dtype}, not float32")
    return arrays


def bytes_in(path: Path) -> int:
    """How many all arrays take, which nothing was read of.

    `ValueError` for an array that says it is larger than what is there of it, or less than
    nothing; other errors if it
    is no npz.
    """
    size, total = path.stat().st_size, 0
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as member:
                np.lib.format.read_magic(member)
                shape, _, dtype = np.lib.format.read_array_header_1_0(member)
            needed = math.prod(shape) * dtype.itemsize
            if min(shape, default=0) < 0 or needed > min(info.file_size, size):
                raise ValueError(f"{info.filename} says that its shape is {shape}")
            total += needed
    return total
