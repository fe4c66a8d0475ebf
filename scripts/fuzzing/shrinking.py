"""Bytes made as few as they can be."""

from collections.abc import Callable
from typing import Final

#: How often it is tried.
_TRIES: Final = 2000


def shrunk(content: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """*content* without what is not needed for it to fail: cut in pieces that become smaller."""
    tries, size = 0, max(1, len(content) // 2)
    while tries < _TRIES:
        before, at = len(content), 0
        while at < len(content) and tries < _TRIES:
            tries += 1
            less = content[:at] + content[at + size :]
            if fails(less):
                content = less
            else:
                at += size
        if size == 1 and len(content) == before:
            break
        size = max(1, size // 2)
    return content
