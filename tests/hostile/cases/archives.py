"""Archives that lie of what is in them."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable

import h5py

from tests.hostile.building import archive, field, parts
from tests.hostile.case import Case, Make

CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


def without(name: str) -> Make:
    return archive([(key, value) for key, value in parts().items() if key != name])


def also(name: str | zipfile.ZipInfo, content: bytes = b"x") -> Make:
    return archive([*parts().items(), (name, content)])


def instead(name: str, content: bytes) -> Make:
    return archive(list((parts() | {name: content}).items()))


def link(name: str) -> Make:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    entries = parts()
    content = entries.pop(name)
    return archive([(info, content), *entries.items()])


def encrypted(content: bytearray) -> None:
    for signature, at in ((LOCAL, 6), (CENTRAL, 8)):
        content[content.index(signature) + at] |= 1


def overlapping(content: bytearray) -> None:
    """The second entry's directory points into the first one's bytes."""
    second = content.index(CENTRAL, content.index(CENTRAL) + 1)
    struct.pack_into("<I", content, second + 42, 8)


def spoiled(change: Callable[[bytearray], object]) -> Make:
    return archive(spoil=change, packing=zipfile.ZIP_STORED)


def with_weights(change: Callable[[h5py.File], object]) -> Make:
    stream = io.BytesIO(parts()["model.weights.h5"])
    with h5py.File(stream, "a") as file:
        change(file)
    return instead("model.weights.h5", stream.getvalue())


def looped(file: h5py.File) -> None:
    file["layers/q_dense/again"] = file["layers"]


def not_utf8(file: h5py.File) -> None:
    h5py.h5g.create(file["layers"].id, b"\xff")


CASES = (
    Case(66, "assets", also("assets/vocabulary.txt"), "", 0),
    Case(66, "no architecture", without("config.json"), "QC121", 4, "no config.json"),
    Case(66, "no metadata", without("metadata.json"), "QC123", 4, "0 entries metadata.json"),
    Case(66, "no weights", without("model.weights.h5"), "QC123", 4, "0 entries model.weights.h5"),
    Case(66, "another zip", archive([("data.pkl", b"x")]), "QC121", 4, "but not Keras's"),
    Case(66, "an empty zip", archive([]), "QC121", 4, "but not Keras's"),
    Case(66, "two architectures", also("config.json", b"{}"), "QC123", 4, "2 entries config.json"),
    Case(66, "two files of weights", also("model.weights.h5"),
         "QC123", 4, "2 entries model.weights"),
    *(
        Case(66, f"an entry {name}", also(name), "QC124", 4, "does not write")
        for name in ("../../evil", "/etc/passwd", "evil.py", "config.json/", "CONFIG.JSON", "a\\b")
    ),
    Case(66, "a symbolic link", link("config.json"), "QC124", 4, "symbolic link"),
    Case(66, "a link as weights", link("model.weights.h5"), "QC124", 4, "symbolic link"),
    Case(66, "1,001 entries", archive([*parts().items(), *((f"assets/{i}",
         b"") for i in range(998))]),
         "QC122", 4, "--limit archive-entries=N"),
    Case(66, "bzip2", archive(packing=zipfile.ZIP_BZIP2), "QC125", 4, "other than deflate"),
    Case(66, "LZMA", archive(packing=zipfile.ZIP_LZMA), "QC125", 4, "other than deflate"),
    Case(66, "encrypted", archive(spoil=encrypted), "QC125", 4, "encrypted"),
    Case(66, "40 MiB of blanks", instead("config.json", b" " * (40 << 20)), "QC126", 4,
         "--limit config-bytes=N"),
    Case(66, "a bomb of weights", instead("model.weights.h5", bytes(17 << 20)), "QC126", 4,
         "--limit dataset-ratio=N"),
    Case(66, "entries that overlap", spoiled(overlapping), "QC127", 4, "overlap"),
    Case(66, "no end", spoiled(lambda content: content.__delitem__(slice(-30, None))), "QC120", 4),
    Case(66, "half", spoiled(lambda content: content.__delitem__(slice(len(content) // 2, None))),
         "QC120", 4),
    Case(66, "a flipped byte", spoiled(lambda content: content.__setitem__(60, content[60] ^ 1)),
         "QC120", 4),
    Case(66, "a directory elsewhere", spoiled(field(END, 16, "<I", 1 << 30)), "QC120", 4),
    Case(66, "a size that lies", spoiled(field(CENTRAL, 24, "<I", 1 << 31)), "QC120", 4),
    Case(66, "sizes of zip64 that are missing", spoiled(field(CENTRAL, 24, "<I", 0xFFFFFFFF)),
         "QC120", 4),
    Case(66, "weights that are no HDF5", instead("model.weights.h5", b"hello"), "QC111", 4),
    Case(66, "weights in a loop", with_weights(looped), "QC511", 4, "in a loop"),
    Case(20, "weights of no UTF-8", with_weights(not_utf8), "QC209", 4, "not UTF-8"),
    Case(66, "no JSON", instead("config.json", b"hello"), "QC202", 4, "config.json is not JSON"),
    Case(66, "metadata that are no JSON", instead("metadata.json", b"["),
         "QC202", 4, "metadata.json"),
    Case(66, "metadata of a list", instead("metadata.json", b"[]"), "QC203", 4, "metadata.json"),
)  # fmt: skip
