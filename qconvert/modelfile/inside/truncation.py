"""Whether a file of protobuf ends too early, which its parser does not tell from other damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

#: How a field is stored: as a number, in 8 bytes, as bytes behind their count, in 4 bytes.
_NUMBER, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def announced(data: bytes, first: int, known: Collection[int]) -> int:
    """How many bytes *data* has by its fields, up to what is none of the *known* ones.

    More than there are of a file that was cut off; 0 if it does not begin with the field *first*.
    """
    at, expected = 0, frozenset({first})
    while at < len(data):
        tag, behind = _number(data, at)
        if tag >> 3 not in expected:
            break
        number, end = _number(data, behind)
        ends = {_NUMBER: end, _EIGHT: behind + 8, _BYTES: end + number, _FOUR: behind + 4}
        if tag & 7 not in ends:
            break
        at, expected = ends[tag & 7], frozenset(known)
    return at


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number at *at*, 7 bits a byte, the lowest first, and where it ends."""
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    return value, max(at + 10, len(data) + 1)
