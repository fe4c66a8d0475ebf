"""A private copy of a regular file, which nobody changes while it is read and hashed."""

import fcntl
import hashlib
import mmap
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypeAlias

from qconvert.errors import BadFileError, LimitError, OutputError, Problem, UnsupportedError
from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits

#: Bytes that stay as long as any array in them.
Buffer: TypeAlias = "mmap.mmap | bytes"
#: Raises an error for an opened file that is not to be read.
Admit: TypeAlias = Callable[[Path, os.stat_result], object]
_CHUNK = 1 << 20
#: Bytes that tell the format.
HEAD: Final = 4096
_SAVED_MODEL = (
    "a SavedModel folder, which TensorFlow alone can read: give --via-tensorflow "
    "(via_tensorflow=True) if you trust it, or save the model as .h5: model.save('model.h5')"
)


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """The bytes of a file, and a descriptor of them for another process."""

    data: Buffer
    descriptor: int

    def sha256(self, *others: "SourceFile") -> str:
        """The hash of this file, and of the others joined to it."""
        digest = hashlib.sha256(self.data)
        for other in others:
            digest.update(other.data)
        return digest.hexdigest()


@contextmanager
def opened_source(path: Path, limits: Limits = DEFAULT_LIMITS) -> Iterator[SourceFile]:
    """A copy of *path*, which has to be a regular file of at most ``file_bytes``."""
    with nameless_file() as copy:
        read_source(path, lambda chunk: _write_all(copy, chunk, path), limits)
        yield SourceFile(frozen(copy), copy.fileno())


def read_source(
    path: Path,
    take: Callable[[bytes], object],
    limits: Limits = DEFAULT_LIMITS,
    admit: Admit | None = None,
) -> None:
    """Hand all bytes of *path*, which has to be a regular file, to *take*, in pieces."""
    with _unreadable(path):
        _require_regular(path, path.stat())
        with _opened(path) as file:
            status = os.fstat(file.fileno())
            _require_regular(path, status)
            if admit is not None:
                admit(path, status)
            total = 0
            while chunk := file.read(_CHUNK):
                total += len(chunk)
                if total > limits.file_bytes:
                    raise LimitError("QC110", f"{path}: too large: {limits.of('file_bytes')}")
                take(chunk)


def require_readable(path: Path) -> None:
    """`BadFileError` if *path* leads to nothing, or to a file that cannot be opened."""
    with _unreadable(path):
        if stat.S_ISREG(path.stat().st_mode):
            _opened(path).close()


@contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    """Within, what the system refuses is that *path* cannot be read."""
    try:
        yield
    except FileNotFoundError:
        raise BadFileError("QC107", path, "no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadFileError("QC107", path, f"cannot be read: {reason}") from None


def read_all(path: Path, most: int, admit: Admit | None = None) -> bytes:
    """The bytes of *path*, which has to be a regular file, and small; else `LimitError`."""
    content = bytearray()

    def take(chunk: bytes) -> None:
        content.extend(chunk)
        if len(content) > most:
            raise LimitError("QC110", f"{path}: larger than {most >> 20} MiB")

    read_source(path, take, admit=admit)
    return bytes(content)


def head_of(path: Path) -> bytes:
    """The first bytes of a regular file, which tell its format; none of what cannot be read."""
    if kind_of(path) != stat.S_IFREG:
        return b""
    try:
        with _opened(path) as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _opened(path: Path) -> IO[bytes]:
    # A pipe that has taken the file's place since would be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return open(descriptor, "rb", buffering=0)  # noqa: PTH123 - a descriptor


def name_of(path: Path) -> str:
    """*path* as documents have it, which are UTF-8: what is none in it as ``\\xff``."""
    return os.fsencode(path).decode(errors="backslashreplace")


def nameless_file() -> IO[bytes]:
    """A new file that no path leads to: in memory, where the system has such files."""
    if hasattr(os, "memfd_create"):
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        return open(os.memfd_create("qconvert", flags), "w+b", buffering=0)  # noqa: PTH123
    return tempfile.TemporaryFile(buffering=0)


def frozen(file: IO[bytes]) -> Buffer:
    """The bytes of a `nameless_file`, which nobody can change or cut off any more.

    `OSError` if a process still has them mapped for writing.
    """
    if hasattr(os, "memfd_create"):
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
        fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, seals)
    if not os.fstat(file.fileno()).st_size:
        return b""
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _write_all(copy: IO[bytes], data: bytes, path: Path) -> None:
    """Write *data*, of which the system may take a part; what it refuses is no fault of *path*."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[copy.write(rest) :]
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError("QC602", path, f"no private copy can be written: {reason}") from error


def kind_of(path: Path) -> int:
    """What *path* leads to, as `stat.S_IFMT` says it; 0 if to nothing, or nothing can tell.

    Of a name that is too long Python's own ``is_file`` raises `OSError`.
    """
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        return 0


def is_saved_model(path: Path) -> bool:
    """Whether *path* is a folder as TensorFlow's ``model.save`` writes it."""
    return kind_of(path / "saved_model.pb") == stat.S_IFREG


def _require_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        if is_saved_model(path):
            raise UnsupportedError([Problem("QC132", "", _SAVED_MODEL)], path)
        raise BadFileError("QC106", path, "a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise BadFileError("QC106", path, "not a regular file")
