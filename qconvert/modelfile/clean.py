"""A model file written anew, of nothing but what was read and validated, for Keras to load."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from qconvert.errors import OutputError
from qconvert.modelfile.contents import ByName, ByPosition, Contents
from qconvert.modelfile.isolated import confined, started
from qconvert.modelfile.limits import Limits
from qconvert.modelfile.magic import Format
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.model import Array, ModelFile
from qconvert.modelfile.source import nameless_file
from qconvert.strict_json import Json

#: Nothing of a stranger's is parsed here; what was read within limits can be written.
_MUCH = 1 << 40
_LIMITS = Limits(file_bytes=_MUCH, total_bytes=_MUCH, reader_memory=_MUCH, reader_seconds=600)


@dataclass(frozen=True, slots=True)
class KerasFiles:
    """A model for Keras, and the weights of an architecture."""

    model: Path
    weights: Path | None = None


def write_clean(file: ModelFile, folder: Path) -> KerasFiles:
    """Write a model that was read from a file into *folder*, in the same format.

    `OutputError` if there is no room for it.
    """
    try:
        return _written(file, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError("QC602", folder, f"no file can be written for Keras: {reason}") from error


def _written(file: ModelFile, folder: Path) -> KerasFiles:
    assert file.stored is not None
    contents, text = file.stored.contents, json.dumps(file.stored.architecture)
    match file.stored.format:
        case Format.HDF5:
            of_file = {**contents.of_file, "model_config": text}
            _write_hdf5(folder / "model.h5", contents, of_file)
            return KerasFiles(folder / "model.h5")
        case Format.JSON:
            (folder / "model.json").write_text(text, encoding="utf-8")
            _write_hdf5(folder / "weights.h5", contents, contents.of_file)
            return KerasFiles(folder / "model.json", folder / "weights.h5")
        case Format.ZIP:
            _write_hdf5(folder / "weights.h5", contents, contents.of_file)
            version = json.dumps({"keras_version": file.keras_version})
            _write_archive(folder, {"config.json": text, "metadata.json": version})
            return KerasFiles(folder / "model.keras")


def _write_archive(folder: Path, texts: Mapping[str, str]) -> None:
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
        archive.write(folder / "weights.h5", "model.weights.h5")
    (folder / "weights.h5").unlink()


def _write_hdf5(path: Path, contents: Contents, of_file: Mapping[str, str]) -> None:
    """Have the weights written by the process that also reads: nothing here knows HDF5."""
    with nameless_file() as arrays:
        request = {
            "do": "write",
            "file": arrays.fileno(),
            "output": str(path.resolve()),
            "of_file": of_file,
            "group": contents.group,
            "of_weights": contents.of_weights,
            **_variables(contents, _Arrays(arrays)),
            **confined(_LIMITS),
        }
        try:
            with started((arrays.fileno(),), _LIMITS) as writer:
                writer.ask(request)
                writer.answer()
        except MalformedError as error:
            raise OutputError("QC602", path, f"was not written for Keras: {error}") from None


class _Arrays:
    """A file that arrays are written to, one behind the other."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0

    def append(self, array: Array) -> dict[str, Json]:
        """Write an array; where it is."""
        data = np.ascontiguousarray(array).data.cast("B") if array.size else memoryview(b"")
        at = self._end
        while len(data):
            written = self._file.write(data)
            self._end += written
            data = data[written:]
        length = self._end - at
        return {"at": at, "length": length, "dtype": array.dtype.str, "shape": [*array.shape]}


def _variables(contents: Contents, arrays: _Arrays) -> dict[str, object]:
    """The variables as the request says them, by name or by position."""
    match contents.stored:
        case ByName(layers):
            return {
                "by_name": [
                    [name, [[one.name, arrays.append(one.value)] for one in variables]]
                    for name, variables in layers.items()
                ]
            }
        case ByPosition(found, groups):
            listed = [[path, arrays.append(value)] for path, value in found.items()]
            return {"by_position": listed, "groups": groups}
        case None:
            return {}
