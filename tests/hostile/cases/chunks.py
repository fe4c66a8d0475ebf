"""Datasets of HDF5 in chunks that are no chunks of theirs."""

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.hostile.building import KERNEL, KERNEL_PATH
from tests.hostile.building import instead_of_kernel as instead
from tests.hostile.case import Case, Make

BIAS_PATH = "model_weights/d/d/bias:0"


def one_chunk(file: h5py.File, stored: bytes, mask: int = 0, **options: object) -> None:
    """A kernel of one chunk, which is stored as it is given, without the filters in *mask*."""
    kernel = file.create_dataset(KERNEL_PATH, (4, 2), "f4", chunks=(4, 2), **options)
    kernel.id.write_direct_chunk((0, 0), stored, mask)


def of_one_chunk(*stored: Any, **options: Any) -> Make:
    return instead(lambda file: one_chunk(file, *stored, **options))


def one_in_another(folder: Path) -> Path:
    """A bias whose chunk is the kernel's."""
    places: dict[str, bytes] = {}

    def put(file: h5py.File) -> None:
        del file[BIAS_PATH]
        for name, values in ((BIAS_PATH, np.ones(2, np.float32)), (KERNEL_PATH, KERNEL)):
            dataset = file.create_dataset(name, data=values, chunks=values.shape)
            places[name] = dataset.id.get_chunk_info(0).byte_offset.to_bytes(8, "little")

    path = instead(put)(folder)
    content = path.read_bytes()
    assert content.count(places[BIAS_PATH]) == 1
    path.write_bytes(content.replace(places[BIAS_PATH], places[KERNEL_PATH]))
    return path


WHOLE = KERNEL.tobytes()
GZIP: dict[str, Any] = {"compression": "gzip"}
#: What HDF5 would take the rest of from its memory, or writes behind the end of a chunk.
STORED: tuple[tuple[str, bytes, dict[str, Any]], ...] = (
    ("8 bytes", WHOLE[:8], {}),
    ("40 bytes", WHOLE + WHOLE[:8], {}),
    ("8 bytes, not gzip", WHOLE[:8], GZIP | {"mask": 1}),
    ("40 bytes, not gzip", WHOLE + WHOLE[:8], GZIP | {"mask": 1}),
    ("8 bytes as gzip", zlib.compress(WHOLE[:8]), GZIP),
    ("40 bytes as gzip", zlib.compress(WHOLE + WHOLE[:8]), GZIP),
    ("8 bytes, shuffled", zlib.compress(WHOLE[:8]), GZIP | {"shuffle": True}),
    ("8 bytes with a checksum", zlib.compress(WHOLE[:8]) + b"1234", GZIP | {"fletcher32": True}),
    ("gzip that is cut off", zlib.compress(WHOLE)[:-4], GZIP),
    ("gzip and more", zlib.compress(WHOLE) + b"more", GZIP),
    ("something else than gzip", b"something else", GZIP),
)

CASES = (
    *(
        Case(64, f"a chunk of {what}", of_one_chunk(stored, **options), "QC512", 4,
             "a chunk that does not unpack to 32 bytes")
        for what, stored, options in STORED
    ),
    Case(64, "a chunk that gzip makes larger", of_one_chunk(WHOLE, 1, **GZIP), "", 0),
    Case(65, "one chunk in another", one_in_another, "QC512", 4, "bytes of another"),
)  # fmt: skip
