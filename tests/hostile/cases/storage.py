"""HDF5 that leads elsewhere, or to more than it stores."""

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


GROUPS = (KERNEL_PATH, "model_weights/d/d", "model_weights/d", "model_weights")

CASES = (
    Case("gzip", packed(compression="gzip", shuffle=True, fletcher32=True), "", 0),
    Case("chunks", packed(chunks=(2, 1)), "", 0),
    Case("a name in no UTF-8", hdf5(change=lambda file: h5py.h5g.create(file.id, b"\xff")), "", 0),
    Case("external storage", beside(external), "QC510", 4, "was not opened: "),
    Case("virtual", instead(virtual), "QC510", 4, "another file, which was not opened"),
    *(
        Case(f"a link to a file, {i}", beside(partial(to_file, place)), "QC510", 4, "not opened")
        for i, place in enumerate(GROUPS)
    ),
    *(
        Case(f"a soft link, {i}", linked(h5py.SoftLink("/elsewhere"), place), "QC511", 4, "a link")
        for i, place in enumerate(GROUPS)
    ),
    Case("a loop", linked(h5py.SoftLink(f"/{KERNEL_PATH}")), "QC511", 4, "a link"),
    Case("one array, two names", hdf5(change=twice), "QC511", 4, "under two names"),
    Case("4 TiB of nothing", instead(lambda file: file.create_dataset(
        KERNEL_PATH, (1 << 40,), "f4", chunks=(1024,))), "QC512", 4, "stores none"),
    Case("a gzip bomb", instead(gzip_bomb), "QC512", 4, "--limit dataset-ratio=N"),
    Case("lzf", packed(compression="lzf"), "QC512", 4, "a filter other than gzip"),
    Case("scale and offset", packed(chunks=True, scaleoffset=4), "QC512", 4, "a filter"),
    Case("blosc", instead(unknown_filter), "QC512", 4, "a filter"),
    Case("40 bytes at most", hdf5(), "QC513", 7, "--limit total-bytes=N", {"total-bytes": 39}),
)  # fmt: skip
