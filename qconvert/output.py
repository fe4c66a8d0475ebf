"""Output files: complete or absent, never over an input, never over a file without leave.

Every file is written beside its place under a passing name, made durable and then renamed; those
of one command are all renamed at its end, so that they appear together or not at all.
"""

import contextlib
import os
import signal
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from qconvert.ending import ENDING
from qconvert.errors import OutputError
from qconvert.staged import (
    Staged,
    beside,
    is_part,
    remove_stale,
    require_open,
    sync_directory,
    write_through,
)

#: Where names are of devices and processes; one folder there is for files.
_NO_FILES: Final = frozenset({Path("/dev"), Path("/proc")})
_MEMORY: Final = Path("/dev/shm")
#: The most that Linux follows.
_MOST_LINKS: Final = 40


class Outputs:
    """A context of files to be written, which all appear at its end, or none after an error.

    A symbolic link is replaced, its target left alone. Not even this can rename several files at
    one moment: a machine that stops between two of the renames leaves some old and some new, each
    of them complete. Raises `OutputError`; then everything is as it was before, except that
    a file that was replaced stays where the system made no hard link of the old one.
    """

    def __init__(self, *, force: bool, inputs: Iterable[Path] = ()) -> None:
        self._force = force
        self._inputs = tuple(inputs)
        self._staged: list[Staged] = []

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
        _require_replaceable(path, force=self._force, inputs=self._inputs)
        with _reported(path):
            remove_stale(path.parent)
            write_through(self._part(path, force=self._force), data)

    def folder(self, path: Path, files: Mapping[str, bytes]) -> None:
        """*files* by name are to become those of the folder *path*, which is made.

        Into one that exists, which may be a mount point, they are put one by one; others stay. If
        it has content, that needs leave by *force*.
        """
        _require_replaceable_folder(path, force=self._force)
        if path.is_dir():
            for name, data in files.items():
                self.file(path / name, data)
            return
        with _reported(path):
            remove_stale(path.parent)
            part = self._part(path, force=False)
            part.mkdir()
            for name, data in files.items():
                write_through(part / name, data)
            sync_directory(part)

    def _part(self, path: Path, *, force: bool) -> Path:
        """A name beside *path*, which is known before there is such a file."""
        if any(_place(each.path) == _place(path) for each in self._staged):
            raise _twice(path)
        part = beside(path)
        self._staged.append(Staged(path, part, force))
        return part

    def _rename_all(self) -> None:
        try:
            for each in self._staged:
                with _reported(each.path):
                    _put(each)
            for directory, path in {each.path.parent: each.path for each in self._staged}.items():
                with _reported(path):
                    sync_directory(directory)
        except BaseException:
            # Memory may run out here, too.
            for each in reversed(self._staged):
                each.take_back()
            raise

    def _clean(self) -> None:
        for each in self._staged:
            each.clean()


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


def require_apart(*paths: Path | None) -> None:
    """Raise `OutputError` if an output is another one, or is to be inside of it.

    None is one that is not wanted.
    """
    places = []
    for path in filter(None, paths):
        with _reported(path):
            # The current folder may be gone.
            places.append((path, resolved(path)))
    for (path, place), (other, around) in permutations(places, 2):
        if place == around:
            raise _twice(path)
        if around in place.parents:
            raise OutputError("QC607", path, f"is to be inside of {other}, another output")


def require_writable(path: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise `OutputError` if `write` would refuse or fail to write *path*.

    Asked before long work: a file is made where it will be, and removed.
    """
    _require_replaceable(path, force=force, inputs=inputs)
    with _reported(path):
        require_open(path.parent)


def require_writable_folder(path: Path, *, force: bool) -> None:
    """The same of `write_folder`."""
    _require_replaceable_folder(path, force=force)
    with _reported(path):
        require_open(path if path.is_dir() else path.parent)


def _require_replaceable(path: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """`OutputError` if something at *path* is not to be replaced, or no place of files."""
    if any(_same(path, source) for source in inputs):
        raise OutputError("QC605", path, "is an input of this command and is not overwritten")
    try:
        if not path.parent.is_dir():
            raise OutputError("QC601", path, "the directory does not exist")
        _require_place_of_files(path)
        mode = _mode(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError("QC601", path, _reason(error)) from error
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OutputError("QC603", path, "exists and is not a regular file")
    if not force:
        raise OutputError("QC604", path, "exists already; --force replaces it")


def _require_replaceable_folder(path: Path, *, force: bool) -> None:
    """The same of a folder, and of what is in it."""
    try:
        _require_place_of_files(path)
        if not path.parent.is_dir():
            raise OutputError("QC601", path, "the directory that it is to be in does not exist")
        if not path.exists() and not path.is_symlink():
            return
        if not path.is_dir():
            raise OutputError("QC603", path, "exists and is not a directory")
        # What lies there for this command's end, or of one that was killed, is no content.
        filled = not all(map(is_part, path.iterdir()))
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
    found = {number: signal.getsignal(number) for number in ENDING}
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


def _put(staged: Staged) -> None:
    try:
        staged.put()
    except OSError:
        # Something may have appeared since it was asked for.
        if staged.part.is_dir():
            _require_replaceable_folder(staged.path, force=False)
        else:
            _require_replaceable(staged.path, force=staged.force)
        raise


def _require_place_of_files(path: Path) -> None:
    """`OutputError` for ``/dev/stdout`` and its like, and for links by which they are reached.

    The last of these links may lead to a file, if standard output is one.
    """
    for place in _places(path):
        if any(each in _NO_FILES for each in place.parents) and _MEMORY not in place.parents:
            raise OutputError("QC603", path, f"is not a regular file: {place} is the system's")


def _places(path: Path) -> Iterator[Path]:
    """The place of *path*, and those to which it leads, link by link."""
    for _ in range(_MOST_LINKS):
        place = _place(path)
        yield place
        if not place.is_symlink():
            return
        path = place.parent / place.readlink()


def _mode(path: Path) -> int:
    """What *path* leads to; of a link that leads nowhere what this is itself. `OSError`."""
    try:
        return path.stat().st_mode
    except OSError:
        return path.lstat().st_mode


def _place(path: Path) -> Path:
    """*path* without detours; a link stays one, for it is what is replaced."""
    return resolved(path.parent) / path.name


def _same(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        return False


def _twice(path: Path) -> OutputError:
    return OutputError("QC607", path, "is to be two outputs of this command")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
