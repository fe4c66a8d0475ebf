"""Where outputs can be, which is told before the work: never over an input, nor without leave."""

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Final

from qconvert.errors import OutputError
from qconvert.staged import is_part, require_open

#: Where names are of devices and processes; one folder there is for files.
_NO_FILES: Final = frozenset({Path("/dev"), Path("/proc")})
_MEMORY: Final = Path("/dev/shm")
#: What is mounted where, the fifth of each line; what would not be one word has octal codes.
_MOUNTS: Final = Path("/proc/self/mountinfo")
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")
#: The most that Linux follows.
_MOST_LINKS: Final = 40


def output_file(path: str | os.PathLike[str]) -> Path:
    """The *path* of a file; `OutputError` if it is spelled as a folder that is not there.

    A `Path` does not tell ``new/`` from ``new``.
    """
    text = os.fspath(path)
    spelled = text.endswith((os.sep, f"{os.sep}{os.curdir}"))
    if spelled and not os.path.isdir(text):  # noqa: PTH112 - Path's raises of long names
        raise OutputError("QC601", text, "the directory does not exist")
    return Path(path)


def require_apart(*paths: Path | None) -> None:
    """Raise `OutputError` if an output is another one, or is to be inside of it.

    None is one that is not wanted.
    """
    places = []
    for path in filter(None, paths):
        with reported(path):
            # The current folder may be gone.
            places.append((path, resolved(path)))
    for (path, place), (other, around) in permutations(places, 2):
        if place == around:
            raise twice(path)
        if around in place.parents:
            raise OutputError("QC607", path, f"is to be inside of {other}, another output")


def require_writable(path: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise `OutputError` if `write` would refuse or fail to write *path*.

    Asked before long work: a file is made where it will be, and removed.
    """
    require_replaceable(path, force=force, inputs=inputs)
    with reported(path):
        require_open(path.parent)


def require_writable_folder(path: Path, *, force: bool) -> None:
    """The same of `write_folder`."""
    require_replaceable_folder(path, force=force)
    with reported(path):
        require_open(path if path.is_dir() else path.parent)


def require_replaceable(path: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """`OutputError` if something at *path* is not to be replaced, or no place of files."""
    if any(_same(path, source) for source in inputs):
        raise OutputError("QC605", path, "is an input of this command and is not overwritten")
    try:
        if not path.parent.is_dir():
            there = path.parent.exists()
            reason = (
                f"{path.parent} is not a directory" if there else "the directory does not exist"
            )
            raise OutputError("QC601", path, reason)
        _require_place_of_files(path)
        mode = _mode(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError("QC601", path, _reason(error)) from error
    if stat.S_ISDIR(mode):
        raise OutputError("QC603", path, "is a directory, not a file: give the name of one in it")
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OutputError("QC603", path, "exists and is not a regular file")
    if _is_mounted(path):
        raise OutputError(
            "QC603", path, "is mounted by itself, so that nothing replaces it: mount its folder"
        )
    if not force:
        raise OutputError("QC604", path, "exists already; --force replaces it")


def require_replaceable_folder(path: Path, *, force: bool) -> None:
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


def place_of(path: Path) -> Path:
    """*path* without detours; a link stays one, for it is what is replaced."""
    return resolved(path.parent) / path.name


def twice(path: Path) -> OutputError:
    """The error of two outputs that are one."""
    return OutputError("QC607", path, "is to be two outputs of this command")


def place_of_system(path: Path) -> Path | None:
    """Where *path* leads through ``/dev`` or ``/proc``, whose names are another's in a minute."""
    for place in _places(path):
        if any(each in _NO_FILES for each in place.parents) and _MEMORY not in place.parents:
            return place
    return None


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """Within, `OSError` is that the output *path* cannot be written."""
    try:
        yield
    except OSError as error:
        raise OutputError("QC602", path, _reason(error)) from error


def _require_place_of_files(path: Path) -> None:
    """`OutputError` for ``/dev/stdout`` and its like, and for links by which they are reached.

    The last of these links may lead to a file, if standard output is one.
    """
    if place := place_of_system(path):
        raise OutputError("QC603", path, f"is not a regular file: {place} is the system's")


def _places(path: Path) -> Iterator[Path]:
    """The place of *path*, and those to which it leads, link by link."""
    for _ in range(_MOST_LINKS):
        place = place_of(path)
        yield place
        if not place.is_symlink():
            return
        path = place.parent / place.readlink()


def _is_mounted(path: Path) -> bool:
    """Whether a file is a mount point, as far as Linux tells; `os.path.ismount` is for folders."""
    if not _MOUNTS.exists():
        return False
    place = os.fsencode(place_of(path))
    points = (line.split(b" ")[4] for line in _MOUNTS.read_bytes().splitlines())
    return any(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), each) == place for each in points)


def _mode(path: Path) -> int:
    """What *path* leads to; of a link that leads nowhere what this is itself. `OSError`."""
    try:
        return path.stat().st_mode
    except OSError:
        return path.lstat().st_mode


def _same(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        return False


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
