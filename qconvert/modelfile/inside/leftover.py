"""What lies in a file and nothing was read of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What Keras keeps of training.
OF_TRAINING = frozenset({"metrics", "optimizer", "optimizer_weights"})
#: How many paths are told, and how many links are looked at.
TOLD, LOOKED_AT = 10, 100_000


def unused(file: h5py.Group, consumed: set[h5py.Dataset]) -> list[str]:
    """Paths of data and links in *file* besides what was *consumed*; no link is followed."""
    found: list[str] = []
    for count, (path, member) in enumerate(walk(file)):
        if len(found) == TOLD or count == LOOKED_AT:
            break
        if member is None or (isinstance(member, h5py.Dataset) and member not in consumed):
            found.append(path)
    return found


def walk(file: h5py.Group) -> Iterator[tuple[str, object]]:
    """All paths with what lies there, None for links to elsewhere; each group once."""
    seen, pending = {file}, [("", file)]
    while pending:
        prefix, group = pending.pop()
        for name in group.id:  # bytes, which need not be UTF-8
            shown = name.decode(errors="replace")
            path = f"{prefix}/{shown}"
            if not prefix and shown in OF_TRAINING:
                continue
            if group.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                yield path, None
                continue
            member = group[name]
            yield path, member
            if isinstance(member, h5py.Group) and member not in seen:
                seen.add(member)
                pending.append((path, member))
