"""Output files: complete or absent, never over an input, never over a file without leave.

Every file is written beside its place under a passing name, made durable and then renamed; those
of one command are all renamed at its end, so that they appear together or not at all.
"""

import contextlib
import errno
import os
import secrets
import shutil
import signal
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from qconvert.errors import OutputError

_PREFIX: Final = ".qconvert-"
_SUFFIX: Final = ".part"
_STALE_SECONDS: Final = 86_400.0
#: Signals that end a command; SIGALRM is that of `qconvert.cli`.
_ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")
#: What file systems answer that cannot make directories durable, or may not open them.
_CANNOT_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM})


@dataclass(slots=True)
class _Staged:
    """A file or folder ``part`` that is to become *path*.

    ``old`` keeps what was there, if anything ``existed``, while others are renamed.
    """

    path: Path
    part: Path
    old: Path | None = None
    existed: bool = False
    renamed: bool = False


class Outputs:
    """A context of files to be written, which all appear at its end, or none after an error.

    A symbolic link is replaced, its target left alone. Not even this can rename several files at
    one moment: a machine that stops between two of the renames leaves some old and some new, each
    of them complete. Raises `OutputError`; then everything is as it was before, except that
    file systems without hard links keep a file that was replaced before another one failed.
    """

    def __init__(self, *, force: bool, inputs: Iterable[Path] = ()) -> None:
        self._force = force
        self._inputs = tuple(inputs)
        self._staged: list[_Staged] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with _undisturbed():
                try:
                    if kind is None:
                        self._rename_all()
                finally:
                    self._clean()
        except BaseException:
            # A signal may have come just before it would have waited.
            self._clean()
            raise

    def file(self, path: Path, data: bytes) -> None:
        """*data* is to become the file *path*."""
        require_writable(path, force=self._force, inputs=self._inputs)
        with _reported(path):
            _remove_stale(path.parent)
            _write_through(self._part(path), data)

    def folder(self, path: Path, files: Mapping[str, bytes]) -> None:
        """*files* by name are to become those of the folder *path*, which is made.

        Into one that has content they are put one by one, with leave by *force*; others stay.
        """
        require_writable_folder(path, force=self._force)
        if path.is_dir() and any(path.iterdir()):
            for name, data in files.items():
                require_writable(path / name, force=True, inputs=self._inputs)
                with _reported(path / name):
                    _write_through(self._part(path / name), data)
            return
        target = resolved(path)
        with _reported(path):
            _remove_stale(target.parent)
            part = self._part(target)
            part.mkdir()
            for name, data in files.items():
                _write_through(part / name, data)
            _sync_directory(part)

    def _part(self, path: Path) -> Path:
        """A name beside *path*, which is known before there is such a file."""
        if any(each.path == path for each in self._staged):
            raise OutputError("QC607", path, "is to be two outputs of this command")
        part = _beside(path)
        self._staged.append(_Staged(path, part))
        return part

    def _rename_all(self) -> None:
        try:
            for each in self._staged:
                with _reported(each.path):
                    _rename(each)
            for directory, path in {each.path.parent: each.path for each in self._staged}.items():
                with _reported(path):
                    _sync_directory(directory)
        except OutputError:
            for each in reversed(self._staged):
                _take_back(each)
            raise

    def _clean(self) -> None:
        for each in self._staged:
            _remove(each.part)
            if each.old is not None:
                _remove(each.old)


def write(path: Path, data: bytes, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Write *data* to *path* at once, as `Outputs` does."""
    with Outputs(force=force, inputs=inputs) as outputs:
        outputs.file(path, data)


def write_folder(
    path: Path, files: Mapping[str, bytes], *, force: bool, inputs: Iterable[Path] = ()
) -> None:
    """Write *files* by name to the folder *path*, as `Outputs` does."""
    with Outputs(force=force, inputs=inputs) as outputs:
        outputs.folder(path, files)


def require_writable(path: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise `OutputError` if `write` would refuse *path*; asked before long work."""
    if any(_same(path, source) for source in inputs):
        raise OutputError("QC605", path, "is an input of this command and is not overwritten")
    try:
        if not path.parent.is_dir():
            raise OutputError("QC601", path, "the directory does not exist")
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError("QC601", path, _reason(error)) from error
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OutputError("QC603", path, "exists and is not a regular file")
    if not force:
        raise OutputError("QC604", path, "exists already; --force replaces it")


def require_writable_folder(path: Path, *, force: bool) -> None:
    """Raise `OutputError` if `write_folder` would refuse *path*; asked before long work."""
    try:
        if not resolved(path).parent.is_dir():
            raise OutputError("QC601", path, "the directory that it is to be in does not exist")
        if not path.exists() and not path.is_symlink():
            return
        if not path.is_dir():
            raise OutputError("QC603", path, "exists and is not a directory")
        filled = any(path.iterdir())
    except OSError as error:
        raise OutputError("QC601", path, _reason(error)) from error
    if filled and not force:
        raise OutputError("QC606", path, "is not empty; --force replaces files in it")


def resolved(path: Path) -> Path:
    """Where *path* leads; unlike with `Path.resolve`, links in a loop are no error of Python's."""
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError("QC602", path, _reason(error)) from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that end a command wait until the end; in other threads Python has none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    numbers = [signal.Signals[name] for name in _ENDING if hasattr(signal, name)]
    found = {number: signal.getsignal(number) for number in numbers}
    # One that Python did not install could not be put back.
    before = {number: handler for number, handler in found.items() if handler is not None}
    try:
        for each in before:
            signal.signal(each, lambda number, _: caught.append(number))
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in dict.fromkeys(caught):
            signal.raise_signal(number)


def _rename(staged: _Staged) -> None:
    staged.existed = os.path.lexists(staged.path)
    if staged.existed and not staged.part.is_dir():
        old = _beside(staged.path)
        with contextlib.suppress(OSError):
            os.link(staged.path, old, follow_symlinks=False)
            staged.old = old
    staged.part.replace(staged.path)
    staged.renamed = True


def _take_back(staged: _Staged) -> None:
    """Have what was there before, if it is known."""
    if not staged.renamed:
        return
    with contextlib.suppress(OSError):
        if staged.old is not None:
            staged.old.replace(staged.path)
        elif not staged.existed:
            _remove(staged.path)
        elif staged.path.is_dir():
            _remove(staged.path)
            staged.path.mkdir()


def _write_through(part: Path, data: bytes) -> None:
    # A file made by os.open has the permissions that the umask leaves, one by mkstemp has 0600.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _beside(path: Path) -> Path:
    return path.parent / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"


def _remove_stale(directory: Path) -> None:
    """Remove what a run that was killed long ago has left."""
    oldest = time.time() - _STALE_SECONDS
    for part in directory.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            if part.lstat().st_mtime < oldest:
                _remove(part)


def _remove(path: Path) -> None:
    """Whatever is there, if anything."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _same(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        return False


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
