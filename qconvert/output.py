"""Output files: complete or absent, never over an input, never over a file without leave.

Every file is written beside its place under a passing name, made durable and then renamed; those
of one command are all renamed at its end, so that they appear together or not at all.
"""

import contextlib
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from qconvert.ending import ENDING
from qconvert.places import (
    place_of,
    reported,
    require_replaceable,
    require_replaceable_folder,
    twice,
)
from qconvert.staged import Staged, beside, remove_stale, sync_directory, write_through


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
        require_replaceable(path, force=self._force, inputs=self._inputs)
        with reported(path):
            remove_stale(path.parent)
            write_through(self._part(path, force=self._force), data)

    def folder(self, path: Path, files: Mapping[str, bytes]) -> None:
        """*files* by name are to become those of the folder *path*, which is made.

        Into one that exists, which may be a mount point, they are put one by one; others stay. If
        it has content, that needs leave by *force*.
        """
        require_replaceable_folder(path, force=self._force)
        if path.is_dir():
            for name, data in files.items():
                self.file(path / name, data)
            return
        with reported(path):
            remove_stale(path.parent)
            part = self._part(path, force=False)
            part.mkdir()
            for name, data in files.items():
                write_through(part / name, data)
            sync_directory(part)

    def _part(self, path: Path, *, force: bool) -> Path:
        """A name beside *path*, which is known before there is such a file."""
        if any(place_of(each.path) == place_of(path) for each in self._staged):
            raise twice(path)
        part = beside(path)
        self._staged.append(Staged(path, part, force))
        return part

    def _rename_all(self) -> None:
        try:
            for each in self._staged:
                with reported(each.path):
                    _put(each)
            for directory, path in {each.path.parent: each.path for each in self._staged}.items():
                with reported(path):
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
            require_replaceable_folder(staged.path, force=False)
        else:
            require_replaceable(staged.path, force=staged.force)
        raise
