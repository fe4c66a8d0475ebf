"""The chunks of a dataset, each of which HDF5 unpacks whole, and to the end of its bytes."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

from .refusal import RefusalError

if TYPE_CHECKING:
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


def require_honest_chunks(dataset: h5py.Dataset) -> None:
    """No chunk whose bytes inflate to more than a chunk, which HDF5 notices behind their end."""
    if DEFLATE not in filters_of(dataset):
        return
    most = chunk_bytes(dataset) + CHECKSUM
    for region in dataset.iter_chunks():
        _, packed = dataset.id.read_direct_chunk(tuple(axis.start for axis in region))
        if inflates_beyond(packed, most):
            raise RefusalError(
                "QC512", f"{dataset.name!r} has a chunk that unpacks to more than {most} bytes"
            )


def inflates_beyond(packed: bytes, most: int) -> bool:
    """Whether *packed* are more than so many bytes, of which no more are made."""
    try:
        return len(zlib.decompressobj().decompress(packed, most + 1)) > most
    except zlib.error:
        return False  # as in HDF5, which tells it


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
