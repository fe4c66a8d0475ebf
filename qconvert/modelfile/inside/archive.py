"""The ``.keras`` archive: a zip with an architecture, its metadata and positional weights."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from .entries import (
    require_apart,
    require_as_counted,
    require_as_listed,
    require_written_by_keras,
)
from .hdf5 import read_hdf5
from .leftover import TOLD
from .refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO, TypeAlias

    from .values import Budget

    Json: TypeAlias = Any

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
PARTS = (CONFIG, METADATA, WEIGHTS)
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

#: What zipfile says of an archive without its end, and what is meant.
_NO_END = {"File is not a zip file": "the list of its parts is missing, which stands at its end"}


def read_archive(file: BinaryIO, results: int, budget: Budget) -> dict[str, Json]:
    """Unpack the parts into the file of *results*; the names in the archive never become paths."""
    try:
        parts, assets = unpacked(file, budget.limits)
    except DAMAGE as error:
        reason = _NO_END.get(str(error)) or repr(str(error)[:200])[1:-1]
        raise RefusalError("QC120", f"damaged or truncated zip archive: {reason}") from None
    # First, so that places in the HDF5 file are those in the file of results.
    budget.results.append(parts[WEIGHTS])
    budget.results.in_results = True
    found = read_hdf5(results, budget)
    return {
        **found,
        "unused": [*found["unused"], *assets][:TOLD],
        "config": budget.results.append(parts[CONFIG]),
        "metadata": budget.results.append(parts[METADATA]),
    }


def unpacked(file: BinaryIO, limits: Mapping[str, int]) -> tuple[dict[str, bytes], list[str]]:
    """The three parts, and the names of assets, of which nothing is read."""
    with zipfile.ZipFile(file) as archive:
        entries = listed(archive, file, limits)
        most = max(
            limits["dataset_bytes"], limits["dataset_ratio"] * entries[WEIGHTS].compress_size
        )
        parts = {
            CONFIG: part(archive, entries[CONFIG], limits["config_bytes"], "config_bytes"),
            METADATA: part(archive, entries[METADATA], limits["config_bytes"], "config_bytes"),
            WEIGHTS: part(archive, entries[WEIGHTS], most, "dataset_ratio"),
        }
    return parts, [name for name in entries if name not in PARTS]


def listed(
    archive: zipfile.ZipFile, file: BinaryIO, limits: Mapping[str, int]
) -> dict[str, zipfile.ZipInfo]:
    """The entries by name, which are those that Keras writes and are told alike everywhere."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if CONFIG not in names:
        raise RefusalError("QC121", f"a zip archive, but not Keras's: it has no {CONFIG}")
    if len(entries) > limits["archive_entries"]:
        raise RefusalError("QC122", "the archive has too many entries", "archive_entries")
    for wanted in PARTS:
        if names.count(wanted) != 1:
            raise RefusalError(
                "QC123", f"the archive has {names.count(wanted)} entries {wanted}, not one"
            )
    require_written_by_keras(entries, PARTS)
    require_apart(entries)
    require_as_counted(file, len(entries))
    require_as_listed(file, entries)
    return {entry.filename: entry for entry in entries}


def part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int, limit: str) -> bytes:
    """The content of an entry of at most so many bytes."""
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
