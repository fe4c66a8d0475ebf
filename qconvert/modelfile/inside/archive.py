"""The ``.keras`` archive: a zip with an architecture, its metadata and positional weights."""

from __future__ import annotations

import itertools
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from .hdf5 import read_hdf5
from .refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO, TypeAlias

    from .values import Budget

    Json: TypeAlias = Any

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
ENCRYPTED = 1
#: What zipfile raises on damaged archives.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def read_archive(file: BinaryIO, results: int, budget: Budget) -> dict[str, Json]:
    """Unpack the parts into the file of *results*; the names in the archive never become paths."""
    try:
        with zipfile.ZipFile(file) as archive:
            parts = unpacked(archive, budget.limits)
    except DAMAGE as error:
        reason = repr(str(error)[:200])[1:-1]
        raise RefusalError("QC120", f"damaged or truncated zip archive: {reason}") from None
    # First, so that places in the HDF5 file are those in the file of results.
    budget.results.append(parts[WEIGHTS])
    budget.results.in_results = True
    return {
        **read_hdf5(results, budget),
        "config": budget.results.append(parts[CONFIG]),
        "metadata": budget.results.append(parts[METADATA]),
    }


def unpacked(archive: zipfile.ZipFile, limits: Mapping[str, int]) -> dict[str, bytes]:
    """The three parts."""
    entries = listed(archive, limits)
    packed = entries[WEIGHTS].compress_size
    most = max(limits["dataset_bytes"], limits["dataset_ratio"] * packed)
    return {
        CONFIG: part(archive, entries[CONFIG], limits["config_bytes"], "config_bytes"),
        METADATA: part(archive, entries[METADATA], limits["config_bytes"], "config_bytes"),
        WEIGHTS: part(archive, entries[WEIGHTS], most, "dataset_ratio"),
    }


def listed(archive: zipfile.ZipFile, limits: Mapping[str, int]) -> dict[str, zipfile.ZipInfo]:
    """The entries by name, which are those that Keras writes and lie side by side."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries if not entry.filename.startswith("assets/")]
    if CONFIG not in names:
        raise RefusalError("QC121", f"a zip archive, but not Keras's: it has no {CONFIG}")
    if len(entries) > limits["archive_entries"]:
        raise RefusalError("QC122", "the archive has too many entries", "archive_entries")
    for wanted in (CONFIG, METADATA, WEIGHTS):
        if names.count(wanted) != 1:
            raise RefusalError(
                "QC123", f"the archive has {names.count(wanted)} entries {wanted}, not one"
            )
    if len(names) > 3:
        other = next(name for name in names if name not in (CONFIG, METADATA, WEIGHTS))
        raise RefusalError(
            "QC124", f"the archive has an entry that Keras does not write: {other[:200]!r}"
        )
    found = {entry.filename: entry for entry in entries}
    require_apart([found[CONFIG], found[METADATA], found[WEIGHTS]])
    return found


def require_apart(entries: list[zipfile.ZipInfo]) -> None:
    """No bytes that belong to two entries, with which small archives unpack to large ones."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    for one, following in itertools.pairwise(ordered):
        if one.header_offset + one.compress_size > following.header_offset:
            raise RefusalError(
                "QC127", f"the entries {one.filename} and {following.filename} overlap"
            )


def part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int, limit: str) -> bytes:
    """The content of an entry of at most so many bytes."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise RefusalError("QC124", f"{entry.filename} is a symbolic link")
    if entry.flag_bits & ENCRYPTED:
        raise RefusalError("QC125", f"{entry.filename} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusalError("QC125", f"{entry.filename} is packed with a method other than deflate")
    with archive.open(entry) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise RefusalError("QC126", f"{entry.filename} unpacks to too many bytes", limit)
    if len(content) != entry.file_size:
        raise RefusalError(
            "QC120", f"{entry.filename} has {len(content)} bytes, not {entry.file_size}"
        )
    return content
