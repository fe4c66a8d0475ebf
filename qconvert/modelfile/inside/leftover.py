"""What lies in a file and nothing was read of."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What Keras keeps of training.
OF_TRAINING = frozenset({"metrics", "optimizer", "optimizer_weights"})
#: By its version, where a superblock has the size of addresses and the end of the file; its bytes.
SUPERBLOCKS = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}
HEAD, ADDRESS = 52, 8
#: How many paths are told, and how many links are looked at.
TOLD, LOOKED_AT = 10, 100_000


def unused(file: h5py.Group, consumed: set[h5py.Dataset]) -> list[str]:
    """Paths of data, types and links in *file* besides what was *consumed*; no link is followed.

    Data of training are left out, but not if a layer takes them under another name.
    """
    names = {each: str(each.name) for each in consumed}
    around = {name[:end] for name in names.values() for end in slashes(name)}
    found: list[str] = []
    for count, (path, member) in enumerate(walk(file)):
        if len(found) == TOLD or count == LOOKED_AT:
            break
        if member is None and path not in around:
            found.append(path)
        if isinstance(member, (h5py.Dataset, h5py.Datatype)) and names.get(member) != path:
            of = names.get(member)
            if of is not None:
                found.append(f"{path} (another name of {of})")
            elif path.split("/")[1] not in OF_TRAINING:
                found.append(path)
    return found


def slashes(name: str) -> Iterator[int]:
    """Where groups end that *name* lies in."""
    return (i for i, character in enumerate(name) if character == "/")


def walk(file: h5py.Group) -> Iterator[tuple[str, object]]:
    """All paths with what lies there, None for links to elsewhere and for groups seen before."""
    seen, pending = {file}, [("", file)]
    while pending:
        prefix, group = pending.pop()
        for name in group.id:  # bytes, which need not be UTF-8
            shown = name.decode(errors="replace")
            path = f"{prefix}/{shown}"
            if group.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                yield path, None
                continue
            member = group[name]
            again = member in seen
            yield path, None if again else member
            if isinstance(member, h5py.Group) and not again:
                seen.add(member)
                pending.append((path, member))


def behind(descriptor: int) -> list[str]:
    """What is told of bytes behind the end that an HDF5 file states (format spec II.A)."""
    head = os.pread(descriptor, HEAD, 0)
    size_at, end_at = SUPERBLOCKS.get(head[8] if len(head) == HEAD else -1, (0, 0))
    if not end_at or head[size_at] != ADDRESS:
        return []  # what HDF5 makes of it, it tells
    (end,) = struct.unpack_from("<Q", head, end_at)
    more = os.fstat(descriptor).st_size - end
    return [f"{more:,} bytes behind the end of HDF5"] if more > 0 else []
