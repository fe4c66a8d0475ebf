"""The ``.keras`` archive: a zip with an architecture, its metadata and positional weights."""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

from qconvert.modelfile import json_strict
from qconvert.modelfile.malformed import MalformedError

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MAX_ENTRIES = 1000
#: The weights may be this large whatever their packed size, or this many times as large.
_SMALL, _MAX_RATIO = 16 << 20, 20
#: What zipfile raises on damaged archives.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class Archive:
    """The three parts of an archive, unpacked."""

    config: bytes
    metadata: bytes
    weights: bytes


def read_archive(data: bytes) -> Archive:
    """Unpack the parts in memory; the names in the archive never become paths."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = _entries(file)
            limit = max(_SMALL, _MAX_RATIO * entries[_WEIGHTS].compress_size)
            return Archive(
                _read(file, entries[_CONFIG], json_strict.MAX_BYTES),
                _read(file, entries[_METADATA], json_strict.MAX_BYTES),
                _read(file, entries[_WEIGHTS], limit),
            )
    except _DAMAGE as error:
        raise MalformedError("QC120", f"damaged or truncated zip archive: {error}") from None


def _entries(file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    listed = file.infolist()
    names = [entry.filename for entry in listed if not entry.filename.startswith("assets/")]
    if _CONFIG not in names:
        raise MalformedError("QC121", f"a zip archive, but not Keras's: it has no {_CONFIG}")
    if len(listed) > _MAX_ENTRIES:
        raise MalformedError("QC122", f"the archive has more than {_MAX_ENTRIES} entries")
    for wanted in (_CONFIG, _METADATA, _WEIGHTS):
        if names.count(wanted) != 1:
            raise MalformedError(
                "QC123", f"the archive has {names.count(wanted)} entries {wanted}, not one"
            )
    if len(names) > 3:
        other = next(name for name in names if name not in (_CONFIG, _METADATA, _WEIGHTS))
        raise MalformedError(
            "QC124", f"the archive has an entry that Keras does not write: {other[:200]!r}"
        )
    return {entry.filename: entry for entry in listed}


def _read(file: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MalformedError(
            "QC125", f"{entry.filename} is packed with a method other than deflate"
        )
    with file.open(entry) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise MalformedError("QC126", f"{entry.filename} unpacks to more than {limit} bytes")
    return content
