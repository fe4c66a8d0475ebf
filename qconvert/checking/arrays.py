"""Arrays that are read row by row, from memory or from ``.npy`` and ``.npz`` files of any size."""

import math
import os
import stat
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.checking.npy import read_header
from qconvert.errors import BadFileError, QConvertError
from qconvert.modelfile.magic import ZIP
from qconvert.modelfile.source import kind_of

AnyArray: TypeAlias = npt.NDArray[np.generic]

#: Characters of a name in a message.
_SHOWN: Final = 60
#: How NumPy packs arrays, and to how many bytes one of these can unpack.
_RATIOS: Final = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}


class Rows(Protocol):
    """An array that gives its rows away once, from the first on."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all rows together."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""

    def take(self, count: int) -> AnyArray:
        """The next *count* rows."""


@dataclass(slots=True)
class InMemory:
    """The rows of an array."""

    array: AnyArray
    position: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all rows together."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.array.dtype

    def take(self, count: int) -> AnyArray:
        """The next *count* rows."""
        self.position += count
        return self.array[self.position - count : self.position]


@dataclass(slots=True)
class NpyStream:
    """The rows of an array in NumPy's format, whose header has been read from *file*."""

    path: Path
    file: IO[bytes]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def take(self, count: int) -> AnyArray:
        """The next *count* rows."""
        shape = (count, *self.shape[1:])
        size = math.prod(shape) * self.dtype.itemsize
        try:
            data = self.file.read(size)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise BadFileError("QC710", self.path, f"damaged array data: {error}") from error
        if len(data) != size:
            raise BadFileError(
                "QC710", self.path, f"truncated: {size - len(data)} bytes are missing"
            )
        return np.frombuffer(data, self.dtype).reshape(shape)


def open_arrays(path: Path, only: str | None, stack: ExitStack) -> Mapping[str, Rows]:
    """The arrays of a ``.npz`` by name, or of a ``.npy`` as *only*; *stack* closes the files."""
    if kind_of(path) not in (0, stat.S_IFREG):
        raise BadFileError("QC106", path, "not a regular file")
    try:
        file = stack.enter_context(path.open("rb"))
        magic = file.read(6)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
    except FileNotFoundError:
        raise BadFileError("QC107", path, "no such file") from None
    except OSError as error:
        raise BadFileError("QC107", path, error.strerror or str(error)) from error
    if magic == b"\x93NUMPY":
        if only is None:
            raise BadFileError(
                "QC711", path, "the model has several inputs; give an .npz with their names"
            )
        return {only: _npy(path, file, size, size)}
    if magic.startswith(ZIP):
        return _members(path, file, size, stack)
    raise BadFileError("QC710", path, "neither a .npy nor an .npz file")


def _members(path: Path, file: IO[bytes], size: int, stack: ExitStack) -> dict[str, Rows]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
        if not archive.infolist():
            raise BadFileError("QC711", path, "an .npz without arrays")
        found: dict[str, Rows] = {}
        for entry in archive.infolist():
            # NumPy reads `x` as `x.npy` too, if there is one.
            name = entry.filename.removesuffix(".npy")
            if name in found:
                raise BadFileError("QC711", path, f"two arrays have the name {name[:_SHOWN]!r}")
            member = stack.enter_context(archive.open(entry))
            found[name] = _npy(path, member, entry.file_size, _held(entry, size))
        return found
    except (QConvertError, MemoryError):
        raise
    except Exception as error:  # zipfile meets damage with errors of many kinds
        raise BadFileError("QC710", path, f"not a readable .npz: {error}") from error


def _npy(path: Path, file: IO[bytes], size: int, held: int) -> NpyStream:
    """The array in *file*, which has nothing but it in its *size* bytes; it may hold fewer."""
    try:
        shape, fortran, dtype = read_header(file)
    except ValueError as error:
        raise BadFileError("QC710", path, str(error)) from error
    if dtype.hasobject:
        raise BadFileError("QC710", path, "contains Python objects, which are never loaded")
    if fortran and len(shape) > 1:
        raise BadFileError(
            "QC710", path, "stored column by column; save numpy.ascontiguousarray(x)"
        )
    needed, start = math.prod(shape) * dtype.itemsize, file.tell()
    if needed > (there := max(0, held - start)):
        reason = f"truncated: an array of shape {shape} takes {needed:,} bytes"
        raise BadFileError("QC710", path, f"{reason}, no more than {there:,} are there")
    if (more := size - start - needed) > 0:
        # Another array, for one, of `numpy.save` to a file that was open.
        raise BadFileError("QC711", path, f"bytes that stand behind the array: {more:,}")
    return NpyStream(path, file, shape, dtype)


def _held(entry: zipfile.ZipInfo, size: int) -> int:
    """How many bytes a member of an archive of *size* bytes can unpack to, whatever it says."""
    if entry.compress_type not in _RATIOS:
        raise zipfile.BadZipFile("an array is packed in another way than NumPy does")
    return min(entry.file_size, _RATIOS[entry.compress_type] * min(entry.compress_size, size))
