"""HDF5 whose inner structures lie: trees, heaps, symbol tables and headers of messages.

Each is a whole model but for one field, so that the library meets it on its way. The public corpus
of files that crashed it before is not among them: it would have to be downloaded.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.hostile.building import KERNEL, KERNEL_PATH, WEIGHTS, field, hdf5
from tests.hostile.building import instead_of_kernel as instead
from tests.hostile.case import Case, Make

SUPERBLOCK, TREE, NODE, HEAP, GLOBAL = b"\x89HDF", b"TREE", b"SNOD", b"HEAP", b"GCOL"
#: Where `hdf5` has the tree and the header of its root group.
ROOT_HEADER, ROOT_TREE = 96, 136
NOWHERE, MOST = 1 << 62, (1 << 64) - 1
#: Messages of a header, by their numbers.
SPACE, TYPE, LAYOUT, FILTERS, CONTINUATION = 1, 3, 8, 11, 16

Spoil = Callable[[bytearray], object]


def spoiled(*changes: Spoil, make: Make | None = None) -> Make:
    """A model with other bytes."""

    def spoil(folder: Path) -> Path:
        path = (make or hdf5())(folder)
        content = bytearray(path.read_bytes())
        for change in changes:
            change(content)
        path.write_bytes(content)
        return path

    return spoil


def message(kind: int, at: int, form: str, value: int, make: Make | None = None) -> Make:
    """A model with another number in a message of the kernel's header."""

    def spoil(folder: Path) -> Path:
        path = (make or hdf5())(folder)
        with h5py.File(path) as file:
            header = h5py.h5o.get_info(file[KERNEL_PATH].id).addr
        content = bytearray(path.read_bytes())
        struct.pack_into(form, content, found(content, header, kind) + at, value)
        path.write_bytes(content)
        return path

    return spoil


def found(content: bytearray, header: int, kind: int) -> int:
    """Where a header has the content of its first message of a *kind*; its size stands before."""
    place = header + 16
    while True:
        number, size = struct.unpack_from("<HH", content, place)
        if number == kind:
            return place + 8
        place += 8 + size


def truncated_tree(content: bytearray) -> None:
    """The file ends in a tree, and says that it has to."""
    end = content.rindex(TREE) + 40
    del content[end:]
    field(SUPERBLOCK, 40, "<Q", end)(content)


def long_names(count: int) -> Make:
    """A heap of many long names, which are all there."""
    listed = {f"{i}{'n' * 150}": np.ones(1, np.float32) for i in range(count)}
    return hdf5(weights={**WEIGHTS, "d": listed})


packed = instead(
    lambda file: file.create_dataset(KERNEL_PATH, data=KERNEL, chunks=(4, 2), compression="gzip")
)

HEADERS: tuple[tuple[str, Make], ...] = (
    ("a root beyond the end", spoiled(field(SUPERBLOCK, 64, "<Q", NOWHERE))),
    ("a root in the middle of nowhere", spoiled(field(SUPERBLOCK, 64, "<Q", 97))),
    ("addresses of 255 bytes", spoiled(field(SUPERBLOCK, 13, "<B", 255))),
    ("lengths of 0 bytes", spoiled(field(SUPERBLOCK, 14, "<B", 0))),
    ("a superblock of version 99", spoiled(field(SUPERBLOCK, 8, "<B", 99))),
    ("a header of 4 GiB", spoiled(field(SUPERBLOCK, ROOT_HEADER + 8, "<I", 0xFFFFFFFF))),
    ("a message beyond its header", spoiled(field(SUPERBLOCK, ROOT_HEADER + 18, "<H", 0xFFF8))),
    ("a header that goes on in itself", spoiled(
        field(SUPERBLOCK, ROOT_HEADER + 16, "<H", CONTINUATION),
        field(SUPERBLOCK, ROOT_HEADER + 24, "<Q", ROOT_HEADER),
        field(SUPERBLOCK, ROOT_HEADER + 32, "<Q", 40))),
)  # fmt: skip
TREES: tuple[tuple[str, Make], ...] = (
    ("a truncated tree", spoiled(truncated_tree)),
    ("a tree of 65,535 branches", spoiled(field(TREE, 6, "<H", 65535))),
    ("a tree of 256 levels", spoiled(field(TREE, 5, "<B", 255))),
    ("a branch beyond the end", spoiled(field(TREE, 32, "<Q", NOWHERE))),
    ("a tree of chunks where groups are", spoiled(field(TREE, 4, "<B", 1))),
    ("a tree with a name beyond the heap", spoiled(field(TREE, 40, "<Q", NOWHERE))),
    ("65,535 symbols", spoiled(field(NODE, 6, "<H", 65535))),
    ("a symbol without a header", spoiled(field(NODE, 16, "<Q", MOST))),
    ("a symbol with a name beyond the heap", spoiled(field(NODE, 8, "<Q", NOWHERE))),
)  # fmt: skip
HEAPS: tuple[tuple[str, Make], ...] = (
    ("a heap of 2**62 bytes", spoiled(field(HEAP, 8, "<Q", NOWHERE))),
    ("a heap beyond the end", spoiled(field(HEAP, 24, "<Q", NOWHERE))),
    ("a heap whose free list is a ring", spoiled(field(HEAP, 16, "<Q", 0))),
    ("a heap with free space beyond it", spoiled(field(HEAP, 16, "<Q", 4096))),
    ("texts in 2**62 bytes", spoiled(field(GLOBAL, 8, "<Q", NOWHERE))),
    ("texts in 0 bytes", spoiled(field(GLOBAL, 8, "<Q", 0))),
    ("a text beyond its heap", spoiled(field(GLOBAL, 24, "<Q", NOWHERE))),
    ("a text that is not there", spoiled(field(GLOBAL, 16, "<H", 77))),
)
MESSAGES: tuple[tuple[str, Make], ...] = (
    ("a shape of 255 axes", message(SPACE, 1, "<B", 255)),
    ("a shape of version 99", message(SPACE, 0, "<B", 99)),
    ("a message of 1 byte", message(TYPE, -6, "<H", 1)),
    ("a type of an unknown class", message(TYPE, 0, "<B", 0x1F)),
    ("numbers of 4 GiB", message(TYPE, 4, "<I", 0xFFFFFFFF)),
    ("numbers of 0 bytes", message(TYPE, 4, "<I", 0)),
    ("an exponent of 255 bits", message(TYPE, 13, "<B", 255)),
    ("an array beyond the end", message(LAYOUT, 2, "<Q", NOWHERE)),
    ("an unknown layout", message(LAYOUT, 1, "<B", 99)),
    ("chunks beyond the end", message(LAYOUT, 3, "<Q", NOWHERE, packed)),
    ("chunks of 0", message(LAYOUT, 11, "<I", 0, packed)),
    ("255 filters", message(FILTERS, 1, "<B", 255, packed)),
)

#: Fields that nothing depends on.
IGNORED: tuple[tuple[str, Make], ...] = (
    ("65,535 messages", spoiled(field(SUPERBLOCK, ROOT_HEADER + 2, "<H", 65535))),
    ("a tree beside itself", spoiled(field(TREE, 16, "<Q", ROOT_TREE))),
)
#: Sizes of an array that are not those of its shape, which HDF5 goes by.
SIZES: tuple[tuple[str, Make], ...] = (
    ("an array of fewer bytes", message(LAYOUT, 10, "<Q", 1)),
    ("an array of 2**62 bytes", message(LAYOUT, 10, "<Q", NOWHERE)),
)

CASES = (
    *(
        Case(10, name, make, "QC111", 4, "damaged HDF5")
        for table in (HEADERS, TREES, HEAPS, MESSAGES)
        for name, make in table
    ),
    *(Case(10, name, make, "", 0) for name, make in IGNORED),
    *(Case(10, name, make, "QC512", 4, "where its shape has 32") for name, make in SIZES),
    # HDF5 1.14.6 follows the tree until its stack is full; others may see what it is.
    Case(10, "a tree in itself", spoiled(field(TREE, 5, "<B", 1), field(TREE, 32, "<Q", ROOT_TREE)),
         "QC108", 4, "signal 11, SIGSEGV"),
    Case(10, "a group in itself", spoiled(field(NODE, 16, "<Q", ROOT_HEADER)), "QC506", 4),
    Case(10, "a heap of 3,000 long names", long_names(3000), "QC502", 4),
)  # fmt: skip
