"""Output files: complete or absent, never over an input, never over a file without leave."""

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from qconvert.errors import OutputError

_PREFIX: Final = ".qconvert-"
_SUFFIX: Final = ".part"
_STALE_SECONDS: Final = 86_400.0


def require_writable(path: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise `OutputError` if `write` would refuse *path*; asked before long work."""
    if any(_same(path, source) for source in inputs):
        raise OutputError("QC605", path, "is an input of this command and is not overwritten")
    if not path.parent.is_dir():
        raise OutputError("QC601", path, "the directory does not exist")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError("QC601", path, _reason(error)) from error
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OutputError("QC603", path, "exists and is not a regular file")
    if not force:
        raise OutputError("QC604", path, "exists already; --force replaces it")


def write(path: Path, data: bytes, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Write *data* to *path* at once; a symbolic link is replaced, its target left alone.

    Raises `OutputError`; then *path* is as it was before.
    """
    require_writable(path, force=force, inputs=inputs)
    part = path.parent / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
    try:
        _remove_stale(path.parent)
        _write_through(part, data)
        part.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise OutputError("QC602", path, _reason(error)) from error
    finally:
        # Also on an interrupt; after success there is no such file.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def require_writable_folder(path: Path, *, force: bool) -> None:
    """Raise `OutputError` if `write_folder` would refuse *path*; asked before long work."""
    if not path.resolve().parent.is_dir():
        raise OutputError("QC601", path, "the directory that it is to be in does not exist")
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise OutputError("QC603", path, "exists and is not a directory")
    try:
        filled = any(path.iterdir())
    except OSError as error:
        raise OutputError("QC601", path, _reason(error)) from error
    if filled and not force:
        raise OutputError("QC606", path, "is not empty; --force replaces files in it")


def write_folder(
    path: Path, files: Mapping[str, bytes], *, force: bool, inputs: Iterable[Path] = ()
) -> None:
    """Write *files* by name to the folder *path*, which is made: at once, unless it has content.

    Then, with leave by *force*, each file is replaced at once, and others stay.
    Raises `OutputError`.
    """
    require_writable_folder(path, force=force)
    sources = list(inputs)
    if path.is_dir() and any(path.iterdir()):
        for name in files:
            require_writable(path / name, force=True, inputs=sources)
        for name, data in files.items():
            write(path / name, data, force=True, inputs=sources)
        return
    target = path.resolve()
    part = target.parent / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
    try:
        part.mkdir()
        for name, data in files.items():
            _write_through(part / name, data)
        part.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        raise OutputError("QC602", path, _reason(error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_through(part: Path, data: bytes) -> None:
    # A file made by os.open has the permissions that the umask leaves, one by mkstemp has 0600.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    # The file is complete by now, so a file system that cannot do this is no error.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_stale(directory: Path) -> None:
    """Remove what a run that was killed long ago has left."""
    oldest = time.time() - _STALE_SECONDS
    for part in directory.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            if part.lstat().st_mtime < oldest:
                part.unlink()


def _same(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        return False


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
