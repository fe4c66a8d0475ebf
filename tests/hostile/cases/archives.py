"""Archives that lie of what is in them."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

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


def linked_asset() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("assets/x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def second_name(name: str) -> zipfile.ZipInfo:
    """An entry ``assets/x`` that calls itself so in UTF-8 as well, as *name*."""
    info, content = zipfile.ZipInfo("assets/x"), name.encode()
    extra = struct.pack("<BI", 1, zlib.crc32(b"assets/x")) + content
    info.extra = struct.pack("<HH", 0x7075, len(extra)) + extra
    return info


def one_name_listed(content: bytearray) -> None:
    """The directory's extra field of a second name becomes one that nobody knows."""
    struct.pack_into("<H", content, content.rindex(b"\x75\x70"), 0x7076)


def called(old: bytes, new: bytes, count: int) -> Make:
    """An asset under another name: in its header (1), in the directory as well (2)."""
    return archive(
        [*parts().items(), (old.decode(), b"x")],
        lambda content: content.__setitem__(slice(0, None), content.replace(old, new, count)),
    )


class Pipe(io.BytesIO):
    """A stream of which zipfile thinks that nothing in it can be changed later."""

    def tell(self) -> int:
        raise OSError


def streamed(folder: Path) -> Path:
    """An archive whose sizes stand behind its entries, as zip64 and not."""
    stream = Pipe()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts().items():
            with file.open(name, "w", force_zip64=name.endswith("h5")) as entry:
                entry.write(content)
    (folder / "model.keras").write_bytes(stream.getvalue())
    return folder / "model.keras"


def lying_behind(folder: Path, number: int) -> Path:
    """A streamed archive with another checksum (0), packed size (1) or size (2) behind one."""
    path = streamed(folder)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\7\x08") + 4 + 4 * number] ^= 1
    path.write_bytes(content)
    return path


def counted(folder: Path, count: int = 3) -> Path:
    """An archive whose entries are counted in the record of zip64 at its end."""
    path = archive()(folder)
    content = bytearray(path.read_bytes())
    at, size = content.index(END), content.index(END) - content.index(CENTRAL)
    struct.pack_into("<2H", content, at + 8, 0xFFFF, 0xFFFF)
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, at - size)
    content[at:at] = record + struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    path.write_bytes(content)
    return path


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
        for name in ("../../evil", "/etc/passwd", "evil.py", "config.json/", "CONFIG.JSON", "a\\b",
                     "assets/../../evil", "assets//etc/passwd", "assets/./x", "assets/a\\b")
    ),
    Case(66, "an asset that is a link", also(linked_asset()), "QC124", 4, "symbolic link"),
    Case(66, "a name with an end in it", called(b"assets/x", b"assets/\0", 2), "QC124", 4,
         "does not write"),
    Case(66, "an asset that is elsewhere in front of it", called(b"assets/x12", b"../../evil", 1),
         "QC120", 4, "something else than the directory"),
    Case(66, "a name in UTF-8 that leads elsewhere", also(second_name("assets/../../x")),
         "QC124", 4, "of two names"),
    Case(66, "a name in UTF-8 in front of it alone", archive(
         [*parts().items(), (second_name("assets/../../x"), b"")], one_name_listed),
         "QC124", 4, "of two names"),
    Case(66, "encrypted by one header", archive(spoil=field(LOCAL, 6, "<H", 1)), "QC120", 4,
         "the header of config.json says something else"),
    Case(66, "another size in front of it", archive(spoil=field(LOCAL, 22, "<I", 5)), "QC120", 4,
         "the header of config.json says something else"),
    Case(66, "another method in front of it", archive(spoil=field(LOCAL, 8, "<H", 0)), "QC120", 4,
         "the header of config.json says something else"),
    Case(66, "sizes behind the entries", streamed, "", 0),
    *(
        Case(66, f"another {what} behind it", partial(lying_behind, number=number), "QC120", 4,
             "the header of config.json says something else")
        for number, what in enumerate(("checksum", "packed size", "size"))
    ),
    Case(66, "a count of entries", archive(spoil=field(END, 10, "<H", 2)), "QC120", 4,
         "lists 3 entries and counts 2"),
    Case(66, "a count of this disk", archive(spoil=field(END, 8, "<H", 2)), "QC120", 4,
         "lists 3 entries and counts 2"),
    Case(66, "a count of zip64 that is missing", archive(spoil=field(END, 10, "<H", 0xFFFF)),
         "QC120", 4, "lists 3 entries and counts 65535"),
    Case(66, "entries counted by zip64", counted, "", 0),
    Case(66, "another count of zip64", partial(counted, count=2), "QC120", 4,
         "lists 3 entries and counts 2"),
    Case(66, "a symbolic link", link("config.json"), "QC124", 4, "symbolic link"),
    Case(66, "a link as weights", link("model.weights.h5"), "QC124", 4, "symbolic link"),
    Case(66, "1,001 entries", archive([*parts().items(), *((f"assets/{i}",
         b"") for i in range(998))]),
         "QC122", 4, "--limit archive-entries=N"),
    Case(66, "bzip2", archive(packing=zipfile.ZIP_BZIP2), "QC125", 4, "other than deflate"),
    Case(66, "LZMA", archive(packing=zipfile.ZIP_LZMA), "QC125", 4, "other than deflate"),
    Case(66, "encrypted", archive(spoil=encrypted), "QC125", 4, "encrypted"),
    Case(66, "40 MiB of blanks", instead("config.json", b" " * (40 << 20)), "QC126", 7,
         "--limit config-bytes=N"),
    Case(66, "a bomb of weights", instead("model.weights.h5", bytes(17 << 20)), "QC126", 7,
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
