"""The chunks of a dataset, each of which HDF5 unpacks whole, and to the end of its bytes."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

from .refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py

DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3
#: In the order of h5py: no other filter changes what is inflated, or inflates it again.
PIPELINE = (SHUFFLE, DEFLATE, FLETCHER32)
#: Bytes that FLETCHER32 adds to a chunk.
CHECKSUM = 4
#: h5py makes no larger chunks by itself, however small the dataset.
SMALL_CHUNK = 1 << 20


def require_known_filters(dataset: h5py.Dataset) -> None:
    """No decoder but HDF5's own, each of them once."""
    filters = filters_of(dataset)
    if not set(filters) <= set(PIPELINE):
        raise RefusalError("QC512", f"{dataset.name!r} is packed with a filter other than gzip")
    if filters != [each for each in PIPELINE if each in filters]:
        raise RefusalError("QC512", f"{dataset.name!r} is packed twice, or in another order")


def filters_of(dataset: h5py.Dataset) -> list[int]:
    """The filters that a chunk goes through when it is written."""
    settings = dataset.id.get_create_plist()
    return [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]


def require_fitting_chunks(dataset: h5py.Dataset) -> None:
    """No large chunk in which there is more than all of its dataset."""
    if dataset.chunks is not None and chunk_bytes(dataset) > max(SMALL_CHUNK, dataset.nbytes):
        raise RefusalError(
            "QC512",
            f"{dataset.name!r} has {dataset.nbytes} bytes in chunks of {chunk_bytes(dataset)}",
        )


def whole_chunks(dataset: h5py.Dataset) -> Iterator[tuple[int, int]]:
    """Where each chunk lies, and its bytes; none unpacks to less or more than a chunk.

    HDF5 makes up for less with what its memory holds, and notices more behind its end.
    """
    filters, whole = filters_of(dataset), chunk_bytes(dataset)
    for region in dataset.iter_chunks():
        corner = tuple(axis.start for axis in region)
        stored = dataset.id.get_chunk_info_by_coord(corner)
        # A filter that makes a chunk larger is left out, which its bit in the mask says.
        applied = {each for i, each in enumerate(filters) if not stored.filter_mask >> i & 1}
        length = stored.size - CHECKSUM * (FLETCHER32 in applied)
        if DEFLATE in applied:
            _, packed = dataset.id.read_direct_chunk(corner)
            fits = inflates_to(packed[:length], whole)
        else:
            fits = length == whole
        if not fits:
            raise RefusalError(
                "QC512", f"{dataset.name!r} has a chunk that does not unpack to {whole} bytes"
            )
        yield stored.byte_offset, stored.size


def inflates_to(packed: bytes, length: int) -> bool:
    """Whether *packed* are exactly so many bytes, of which not many more are made."""
    stream = zlib.decompressobj()
    try:
        found = len(stream.decompress(packed, length + 1))
    except zlib.error:
        return False
    return found == length and stream.eof and not stream.unused_data


def unpacked(dataset: h5py.Dataset) -> int:
    """Bytes that HDF5 unpacks of a dataset, also those of chunks that lie outside of its shape."""
    if dataset.chunks is None:
        return int(dataset.nbytes)
    return count_of_chunks(dataset) * chunk_bytes(dataset)


def chunk_bytes(dataset: h5py.Dataset) -> int:
    """Bytes of an unpacked chunk."""
    return int(math.prod(dataset.chunks) * dataset.dtype.itemsize)


def count_of_chunks(dataset: h5py.Dataset) -> int:
    """How many chunks the shape of a dataset needs."""
    sizes = zip(dataset.shape, dataset.chunks, strict=True)
    return math.prod(-(-size // chunk) for size, chunk in sizes)
