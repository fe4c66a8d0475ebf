"""What a zip archive says of its entries in several places, where programs may read another one.

The directory at the end lists them, and a header stands in front of each (APPNOTE 6.3.10, 4.3).
"""

from __future__ import annotations

import itertools
import os
import stat
import struct
from typing import TYPE_CHECKING

from .refusal import RefusalError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Collection, Iterator, Mapping
    from typing import BinaryIO, TypeAlias

    Header: TypeAlias = tuple[str, int, int, int, int, int]

#: Where Keras stores files of layers, none of which is read.
ASSETS = "assets/"
#: Signature, version, flags, method, time, date, checksum, two sizes, and lengths of what follows.
HEADER = struct.Struct("<4s5H3I2H")
HEADER_SIGNATURE = b"PK\x03\x04"
#: Flags: sizes stand behind the entry; its name is UTF-8.
DESCRIPTOR, UTF8 = 8, 0x800
DESCRIPTOR_SIGNATURE = b"PK\7\x08"
#: Checksum and two sizes, also those of zip64.
DESCRIPTORS = struct.Struct("<3I"), struct.Struct("<I2Q")
#: What stands for a number of zip64, which lies elsewhere.
BEYOND, BEYOND_COUNT = 0xFFFFFFFF, 0xFFFF
#: Extra fields: the sizes of zip64; another name.
ZIP64, UNICODE_PATH = 1, 0x7075
#: The record at the end, where it counts entries, and the longest comment behind it.
END, END_BYTES, COUNTS_AT, COMMENT = b"PK\x05\x06", 22, 8, 0xFFFF
#: Those of zip64 in front of it: one that counts, too, and one of where that is.
END64, END64_BYTES, COUNTS64_AT, LOCATOR, LOCATOR_BYTES = b"PK\6\6", 56, 24, b"PK\6\7", 20


def require_written_by_keras(entries: list[zipfile.ZipInfo], parts: Collection[str]) -> None:
    """No entries but *parts* and assets, and no links; no name has a second reading."""
    for entry in entries:
        name = entry.orig_filename
        if name != entry.filename or not (name in parts or is_asset(name)):
            raise RefusalError(
                "QC124", f"the archive has an entry that Keras does not write: {name[:200]!r}"
            )
        require_one_name(name, fields(entry.extra))
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise RefusalError("QC124", f"{name[:200]} is a symbolic link")


def require_one_name(name: str, extra: Mapping[int, bytes]) -> None:
    """No other name in UTF-8 among the extra fields, which some programs take."""
    if UNICODE_PATH in extra:
        raise RefusalError("QC124", f"the archive has an entry of two names: {name[:200]!r}")


def is_asset(name: str) -> bool:
    """Whether *name* lies where Keras stores files of layers, and leads to nowhere else."""
    steps = name.removesuffix("/").split("/")
    return name.startswith(ASSETS) and "\\" not in name and not {"", ".", ".."} & {*steps}


def require_apart(entries: list[zipfile.ZipInfo]) -> None:
    """No bytes that belong to two entries, with which small archives unpack to large ones."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    for one, following in itertools.pairwise(ordered):
        if one.header_offset + one.compress_size > following.header_offset:
            raise RefusalError(
                "QC127", f"the entries {one.filename} and {following.filename} overlap"
            )


def require_as_counted(file: BinaryIO, count: int) -> None:
    """As many entries as the record at the end says, where some programs stop."""
    for stated in counts(tail(file)):
        if stated != count:
            raise RefusalError("QC120", f"the archive lists {count} entries and counts {stated}")


def tail(file: BinaryIO) -> bytes:
    """The bytes in which the records at the end lie."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - COMMENT - END_BYTES - LOCATOR_BYTES - END64_BYTES))
    return file.read()


def counts(data: bytes) -> Iterator[int]:
    """The counts of entries in the records at the end of *data*, which zipfile has found, too."""
    at = len(data) - END_BYTES
    if not data.startswith(END, at) or data[-2:] != b"\0\0":
        at = data.rindex(END)
    at64 = at - LOCATOR_BYTES - END64_BYTES
    has64 = data.startswith(LOCATOR, at - LOCATOR_BYTES) and data.startswith(END64, at64)
    if has64:
        yield from struct.unpack_from("<2Q", data, at64 + COUNTS64_AT)
    for count in struct.unpack_from("<2H", data, at + COUNTS_AT):
        if not has64 or count != BEYOND_COUNT:
            yield count


def require_as_listed(file: BinaryIO, entries: list[zipfile.ZipInfo]) -> None:
    """Headers that say of their entries what the directory says."""
    for entry in entries:
        file.seek(entry.header_offset)
        stated = header(file)
        listed = (
            entry.orig_filename,
            entry.flag_bits,
            entry.compress_type,
            entry.CRC,
            entry.file_size,
            entry.compress_size,
        )
        if not (is_described(file, entry, stated, listed) or stated == listed):
            raise RefusalError(
                "QC120",
                f"the header of {entry.filename[:200]} says something else than the directory",
            )


def is_described(file: BinaryIO, entry: zipfile.ZipInfo, stated: Header, listed: Header) -> bool:
    """Whether checksum and sizes stand behind the entry (4.3.9), not in front of it."""
    if not entry.flag_bits & DESCRIPTOR or stated != (*listed[:3], 0, 0, 0):
        return False
    file.seek(entry.compress_size, os.SEEK_CUR)
    found = file.read(DESCRIPTORS[-1].size + len(DESCRIPTOR_SIGNATURE))
    found = found.removeprefix(DESCRIPTOR_SIGNATURE)
    forms = (each.unpack_from(found) for each in DESCRIPTORS if len(found) >= each.size)
    return (entry.CRC, entry.compress_size, entry.file_size) in forms


def header(file: BinaryIO) -> Header:
    """Name, flags, method, checksum, size and packed size in the header that begins here."""
    found = HEADER.unpack(file.read(HEADER.size))
    signature, _, flags, method, _, _, checksum, packed, size, name_length, extra_length = found
    if signature != HEADER_SIGNATURE:
        raise RefusalError("QC120", "damaged or truncated zip archive: an entry without header")
    name = file.read(name_length).decode("utf-8" if flags & UTF8 else "cp437")
    extra = fields(file.read(extra_length))
    require_one_name(name, extra)
    if BEYOND in (size, packed):
        size, packed = struct.unpack_from("<2Q", extra.get(ZIP64, b""))  # in headers always both
    return name, flags, method, checksum, size, packed


def fields(extra: bytes) -> dict[int, bytes]:
    """The extra fields of an entry, by their kinds."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        found[kind] = extra[at + 4 : at + 4 + length]
        at += 4 + length
    return found
