"""One output beside its place, and how it gets there: durable, at once, and back again."""

import contextlib
import errno
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PREFIX: Final = ".qconvert-"
_SUFFIX: Final = ".part"
_STALE_SECONDS: Final = 86_400.0
#: What file systems answer that cannot make directories durable, or may not open them.
_CANNOT_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM})


@dataclass(slots=True)
class Staged:
    """A file ``part`` that is to become *path*, by ``force`` in the place of another; or a folder.

    ``old`` keeps what was there, if anything ``existed``, while others are renamed.
    """

    path: Path
    part: Path
    force: bool
    old: Path | None = None
    existed: bool = False
    renamed: bool = False

    def put(self) -> None:
        """Have it at its path; `OSError`, also of something there that is not to be replaced."""
        if self.force:
            self._replace()
        elif self.part.is_dir():
            # The system puts it in the place of nothing, or of an empty one that has appeared.
            self.part.replace(self.path)
        else:
            self._add()
        self.renamed = True

    def take_back(self) -> None:
        """Have what was there before, if it is known."""
        if not self.renamed:
            return
        with contextlib.suppress(OSError):
            if self.old is not None:
                self.old.replace(self.path)
            elif not self.existed:
                remove(self.path)

    def clean(self) -> None:
        """Remove what is beside the path."""
        remove(self.part)
        if self.old is not None:
            remove(self.old)

    def _replace(self) -> None:
        self.existed = os.path.lexists(self.path)
        if self.existed:
            old = beside(self.path)
            # Neither every file system has links, nor Linux one to another user's file.
            with contextlib.suppress(OSError):
                os.link(self.path, old, follow_symlinks=False)
                self.old = old
        self.part.replace(self.path)

    def _add(self) -> None:
        """By a link, which the system refuses where a rename would replace what has appeared."""
        try:
            os.link(self.part, self.path)
        except OSError:
            if os.path.lexists(self.path):
                raise
            # A file system without hard links: here a moment stays open.
            self.part.replace(self.path)
        else:
            remove(self.part)


def write_through(part: Path, data: bytes) -> None:
    """Make the file *part* of *data*, durable; `OSError`."""
    # A file made by os.open has the permissions that the umask leaves, one by mkstemp has 0600.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def require_open(directory: Path) -> None:
    """Make a file in *directory*, and remove it; `OSError` if none can be made."""
    part = beside(directory / "file")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    finally:
        remove(part)


def sync_directory(directory: Path) -> None:
    """Make the names in *directory* durable, where the system can; `OSError`."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def beside(path: Path) -> Path:
    """A new name in the folder of *path*."""
    return path.parent / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"


def is_part(path: Path) -> bool:
    """Whether *path* is such a name."""
    return path.match(f"{_PREFIX}*{_SUFFIX}")


def remove_stale(directory: Path) -> None:
    """Remove what a run that was killed long ago has left."""
    oldest = time.time() - _STALE_SECONDS
    for part in directory.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            # Not its mtime: what keeps a file while others are renamed has that of the file.
            if part.lstat().st_ctime < oldest:
                remove(part)


def remove(path: Path) -> None:
    """Whatever is there, if anything."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
