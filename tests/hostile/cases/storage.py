"""HDF5 that leads elsewhere, or to more than it stores."""

import os
import re
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from tests.hostile.building import KERNEL, KERNEL_PATH, hdf5
from tests.hostile.building import instead_of_kernel as instead
from tests.hostile.case import Case, Make

SECRET = "secret"


def beside(make: Callable[[Path], Make]) -> Make:
    """A model that refers to a file beside it."""

    def write(folder: Path) -> Path:
        (folder / SECRET).write_bytes(b"SECRET-FILE-CONTENT-" * 4)
        return make(folder / SECRET)(folder)

    return write


def external(secret: Path) -> Make:
    return instead(
        lambda file: file.create_dataset(KERNEL_PATH, (4, 2), "f4", external=[(secret, 0, 32)])
    )


def linked(link: object, place: str = KERNEL_PATH) -> Make:
    return instead(lambda file: file.__setitem__(place, link), place)


def to_file(place: str, secret: Path) -> Make:
    return linked(h5py.ExternalLink(str(secret), "/x"), place)


def to_pipe(folder: Path) -> Path:
    """A link to what would never be opened to its end."""
    os.mkfifo(folder / SECRET)
    return to_file(KERNEL_PATH, folder / SECRET)(folder)


def ring(file: h5py.File) -> None:
    """A group that is its own grandchild."""
    file["model_weights/d/d/again"] = file["model_weights/d"]


def deep(count: int, file: h5py.File) -> None:
    """Variables in so many groups within each other."""
    place = "/".join("g" * count)
    file[f"model_weights/d/{place}/kernel:0"] = KERNEL
    file["model_weights/d"].attrs["weight_names"] = [f"{place}/kernel:0", "d/bias:0"]


def more(file: h5py.File) -> None:
    file["more"] = np.ones(9, np.float32)


def overlapping(folder: Path) -> Path:
    """The bias lies in the kernel's bytes."""
    path = hdf5()(folder)
    with h5py.File(path) as file:
        kernel, bias = (file[f"model_weights/d/d/{name}:0"].id for name in ("kernel", "bias"))
        old, new = (each.get_offset().to_bytes(8, "little") for each in (bias, kernel))
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource(SECRET, "x", (4, 2))
    file.create_virtual_dataset(KERNEL_PATH, layout)


def twice(file: h5py.File) -> None:
    file["model_weights/d/again"] = file[KERNEL_PATH]
    file["model_weights/d"].attrs["weight_names"] = ["d/kernel:0", "again"]


def packed(**options: object) -> Make:
    return instead(lambda file: file.create_dataset(KERNEL_PATH, data=KERNEL, **options))


def unknown_filter(file: h5py.File) -> None:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((4, 2))
    settings.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((4, 2))
    group = file["model_weights/d/d"]
    h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.IEEE_F32LE, space, settings)


def gzip_bomb(file: h5py.File) -> None:
    zeros = np.zeros(8 << 20, np.float32)
    file.create_dataset(KERNEL_PATH, data=zeros, compression="gzip")


def zeros(size: int) -> bytes:
    """So many bytes, as gzip packs them."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*pieces, packer.flush()])


def in_chunks(
    shape: tuple[int, ...], chunks: tuple[int, ...], written: int, deflates: int = 1
) -> Make:
    """A kernel whose only chunk unpacks to so many zeros, packed as often as it says."""

    def put(file: h5py.File) -> None:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk(chunks)
        for _ in range(deflates):
            settings.set_deflate(9)
        space = h5py.h5s.create_simple(shape, (h5py.h5s.UNLIMITED,) * 2)
        group, packed = file["model_weights/d/d"].id, zeros(written)
        kernel = h5py.h5d.create(group, b"kernel:0", h5py.h5t.IEEE_F32LE, space, settings)
        for _ in range(1, deflates):
            packed = zlib.compress(packed, 9)
        kernel.write_direct_chunk((0, 0), packed)

    return instead(put)


def shuffled_last(file: h5py.File) -> None:
    """Bytes that are shuffled when they are packed, so that nobody sees how many they are."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((4, 2))
    settings.set_deflate(9)
    settings.set_shuffle()
    space = h5py.h5s.create_simple((4, 2))
    group = file["model_weights/d/d"].id
    kernel = h5py.h5d.create(group, b"kernel:0", h5py.h5t.IEEE_F32LE, space, settings)
    kernel.write(h5py.h5s.ALL, h5py.h5s.ALL, KERNEL)


def wider_than_itself(shape: tuple[int, ...], file: h5py.File) -> None:
    """Chunks that go beyond the kernel, as h5py makes them where it may grow."""
    chunks = tuple(max(1, 3 * size // 4) for size in shape)
    kernel = np.zeros(shape, np.float32)
    kernel[:4, :2] = KERNEL
    options = {"maxshape": (None, None), "chunks": chunks, "compression": "gzip"}
    file.create_dataset(KERNEL_PATH, data=kernel, **options)


def partly_written(rows: int, file: h5py.File) -> None:
    """Of a kernel in chunks of a row so many are there."""
    file.create_dataset(KERNEL_PATH, (4, 2), "f4", chunks=(1, 2))[:rows] = KERNEL[:rows]


def as_table(file: h5py.File) -> None:
    """The names of layers with two axes."""
    attributes = file["model_weights"].attrs
    attributes["layer_names"] = np.array([attributes["layer_names"]], "S")


def endless_names(folder: Path) -> Path:
    """Thousands of names in a list, all of which are the same MiB."""
    path, count = hdf5(change=names_of(1 << 20, 4000))(folder), 4000
    content = path.read_bytes()
    size, other = ((length).to_bytes(4, "little") for length in (1 << 20, 1))
    at = next(m.start() for m in re.finditer(re.escape(size), content)
              if content[m.start() + 16 : m.start() + 20] == other)  # fmt: skip
    first = content[at : at + 16]
    path.write_bytes(content[:at] + first * count + content[at + 16 * count :])
    return path


def names_of(length: int, count: int) -> Callable[[h5py.File], None]:
    """A list of *count* names of layers, the first of them of that length, the others of 1."""

    def write(file: h5py.File) -> None:
        names = np.array(["a" * length, *"b" * (count - 1)], object)
        file["model_weights"].attrs.create("layer_names", names, dtype=h5py.string_dtype())

    return write


def slow(file: h5py.File) -> None:
    """Two GiB of zeros, of which the same packed MiB is stored again and again."""
    rows = 1 << 20
    shape = (rows * 512,)
    kernel = file.create_dataset(KERNEL_PATH, shape, "f4", chunks=(rows,), compression="gzip")
    kernel[:rows] = 0
    _, chunk = kernel.id.read_direct_chunk((0,))
    for i in range(1, 512):
        kernel.id.write_direct_chunk((i * rows,), chunk)


PATIENT = {"dataset-bytes": 1 << 32, "reader-memory": 1 << 34, "reader-seconds": 1}
GROUPS = (KERNEL_PATH, "model_weights/d/d", "model_weights/d", "model_weights")

CASES = (
    Case(64, "gzip", packed(compression="gzip", shuffle=True, fletcher32=True), "", 0),
    Case(64, "chunks", packed(chunks=(2, 1)), "", 0),
    Case(20, "a name in no UTF-8", hdf5(change=lambda file: h5py.h5g.create(file.id, b"\xff")),
         "", 0),
    Case(64, "a chunk wider than its kernel", packed(chunks=(8, 8), maxshape=(None, None)), "", 0),
    Case(60, "external storage", beside(external), "QC510", 4, "was not opened: "),
    Case(63, "virtual", instead(virtual), "QC510", 4, "another file, which was not opened"),
    *(
        Case(61, f"a link to a file, {i}", beside(partial(to_file, place)),
             "QC510", 4, "not opened")
        for i, place in enumerate(GROUPS)
    ),
    *(
        Case(62, f"a soft link, {i}", linked(h5py.SoftLink("/elsewhere"), place),
             "QC511", 4, "a link")
        for i, place in enumerate(GROUPS)
    ),
    Case(61, "a link to a pipe", to_pipe, "QC510", 4, "not opened"),
    Case(62, "groups in a ring", hdf5(change=ring), "", 0),
    Case(62, "40 groups in each other", hdf5(change=partial(deep, 40)), "", 0),
    Case(65, "one array in another", overlapping, "QC512", 4, "bytes of another"),
    Case(65, "an array of nothing", hdf5(change=more), "", 0),
    Case(62, "a loop", linked(h5py.SoftLink(f"/{KERNEL_PATH}")), "QC511", 4, "a link"),
    Case(62, "one array, two names", hdf5(change=twice), "QC511", 4, "under two names"),
    Case(64, "4 TiB of nothing", instead(lambda file: file.create_dataset(
        KERNEL_PATH, (1 << 40,), "f4", chunks=(1024,))), "QC512", 4, "stores none"),
    Case(64, "nothing in one piece", instead(lambda file: file.create_dataset(
        KERNEL_PATH, (4, 2), "f4")), "QC512", 4, "stores none"),
    Case(64, "chunks that were never written", instead(partial(partly_written, 3)),
         "QC512", 4, "stores 3 chunks where its shape has 4"),
    Case(64, "chunks that were written one by one", instead(partial(partly_written, 4)), "", 0),
    Case(21, "names of layers as a table", hdf5(change=as_table), "QC212", 4, "a table"),
    Case(19, "names of gigabytes", endless_names, "QC801", 7, "--limit reader-memory=N",
         {"reader-memory": 1 << 30}),
    Case(64, "a gzip bomb", instead(gzip_bomb), "QC512", 4, "--limit dataset-ratio=N"),
    Case(64, "a gzip bomb of 2 GiB", instead(slow), "QC512", 4, "--limit dataset-ratio=N"),
    Case(11, "2 GiB to unpack in a second", instead(slow), "QC109", 7, "--limit reader-seconds=N",
         PATIENT),
    Case(64, "a gzip bomb in a chunk", in_chunks((4, 2), (1 << 13, 1 << 13), 1 << 28), "QC512", 4,
         "32 bytes in chunks of 268435456"),
    Case(64, "a gzip bomb in a chunk that is no longer", in_chunks((512, 512), (512, 512), 1 << 28),
         "QC512", 4, "a chunk that does not unpack to 1048576 bytes"),
    Case(64, "a gzip bomb, packed twice", in_chunks((4, 2), (4, 2), 1 << 28, 2), "QC512", 4,
         "is packed twice"),
    Case(64, "shuffled last", instead(shuffled_last), "QC512", 4, "in another order"),
    Case(64, "chunks at a shape's ends", instead(partial(wider_than_itself, (1024, 1024))),
         "QC512", 4, "declares 9437184 bytes", {"dataset-bytes": 5 << 20}),
    Case(64, "chunks at the ends of all", instead(partial(wider_than_itself, (4, 2))), "QC513", 7,
         "--limit total-bytes=N", {"total-bytes": 40}),
    Case(64, "lzf", packed(compression="lzf"), "QC512", 4, "a filter other than gzip"),
    Case(64, "scale and offset", packed(chunks=True, scaleoffset=4), "QC512", 4, "a filter"),
    Case(64, "blosc", instead(unknown_filter), "QC512", 4, "a filter"),
    Case(64, "40 bytes at most", hdf5(), "QC513", 7, "--limit total-bytes=N", {"total-bytes": 39}),
)  # fmt: skip
