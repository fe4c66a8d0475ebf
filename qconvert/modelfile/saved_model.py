"""A SavedModel folder: copied file by file, so that what is hashed is what TensorFlow reads."""

import hashlib
from pathlib import Path

from qconvert.errors import BadFileError, LimitError
from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits
from qconvert.modelfile.source import is_saved_model, read_source

_MAX_FILES = 1000


def copy_saved_model(folder: Path, target: Path, limits: Limits = DEFAULT_LIMITS) -> str:
    """Copy a folder's regular files to the new folder *target*; the sha256 over them.

    It is over every file's relative name, a zero byte, its length in decimal, a zero byte, and
    its contents, in the order of the names. Raises `BadFileError` or `LimitError`.
    """
    if not is_saved_model(folder):
        raise BadFileError("QC130", folder, "not a SavedModel folder: it has no saved_model.pb")
    digest, total = hashlib.sha256(), 0
    for name in _files(folder):
        pieces: list[bytes] = []
        read_source(folder / name, pieces.append, limits)
        data = b"".join(pieces)
        total += len(data)
        if total > limits.total_bytes:
            raise LimitError("QC110", f"{folder}: too large: {limits.of('total_bytes')}")
        digest.update(f"{name}\0{len(data)}\0".encode(errors="surrogateescape"))
        digest.update(data)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)
    return digest.hexdigest()


def _files(folder: Path) -> list[str]:
    """The relative names of everything that is no folder, sorted."""
    found: list[str] = []
    for path in folder.rglob("*"):
        if not path.is_dir():
            found.append(path.relative_to(folder).as_posix())
        if len(found) > _MAX_FILES:
            raise LimitError("QC110", f"{folder}: more than {_MAX_FILES} files")
    return sorted(found)
