"""The bytes of a regular file."""

import stat
from pathlib import Path

from qconvert.errors import BadFileError, LimitError, Problem, UnsupportedError

_MAX_BYTES = 4 << 30
_SAVED_MODEL = (
    "a SavedModel folder, which TensorFlow alone can read: give --via-tensorflow "
    "(via_tensorflow=True) if you trust it, or save the model as .h5: model.save('model.h5')"
)


def read_source(path: Path) -> bytes:
    """All bytes of *path*, which has to be a regular file of at most 4 GiB.

    Everything is parsed from memory, so that what is hashed is what is read.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            _refuse_directory(path)
        if not stat.S_ISREG(status.st_mode):
            raise BadFileError("QC106", path, "not a regular file")
        if status.st_size > _MAX_BYTES:
            raise LimitError("QC110", f"{path}: larger than {_MAX_BYTES >> 30} GiB")
        return path.read_bytes()
    except FileNotFoundError:
        raise BadFileError("QC107", path, "no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadFileError("QC107", path, f"cannot be read: {reason}") from None


def is_saved_model(path: Path) -> bool:
    """Whether *path* is a folder as TensorFlow's ``model.save`` writes it."""
    return (path / "saved_model.pb").is_file()


def _refuse_directory(path: Path) -> None:
    if is_saved_model(path):
        raise UnsupportedError([Problem("QC132", "", _SAVED_MODEL)])
    raise BadFileError("QC106", path, "a directory, not a model file")
