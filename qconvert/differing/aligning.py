"""Which parts of one sequence are which of another: by name, the others by place and kind."""

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, TypeAlias

#: Positions in the first and the second sequence; ``None`` where one has no counterpart.
Pair: TypeAlias = tuple[int | None, int | None]
#: A name, and what it is the name of.
Named: TypeAlias = tuple[str, Hashable]
#: For which 256 MiB are taken: two sequences of 46,000.
_MOST_BITS: Final = 1 << 31


def by_name(first: Sequence[Named], second: Sequence[Named]) -> list[Pair]:
    """Equal names, and between these in order what is of one kind, which was renamed then."""
    common = {name for name, _ in first} & {name for name, _ in second}
    found = dict(_in_order(_tokens(first, common), _tokens(second, common)))
    places = {name: place for place, (name, _) in enumerate(second)}
    found |= {i: places[name] for i, (name, _) in enumerate(first) if name in common}
    return merged(len(first), len(second), found)


def by_kind(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[Pair]:
    """Equal parts, in order."""
    return merged(len(first), len(second), dict(_in_order(first, second)))


def _tokens(parts: Sequence[Named], common: set[str]) -> list[Hashable]:
    return [("name", name) if name in common else ("kind", kind) for name, kind in parts]


def _in_order(first: Sequence[Hashable], second: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """The places of a longest common subsequence, in any order."""
    shorter = min(len(first), len(second))
    start = next((i for i in range(shorter) if first[i] != second[i]), shorter)
    left = shorter - start
    end = next((i for i in range(left) if first[-1 - i] != second[-1 - i]), left)
    yield from ((i, i) for i in range(start))
    yield from ((len(first) - 1 - i, len(second) - 1 - i) for i in range(end))
    pieces = first[start : len(first) - end], second[start : len(second) - end]
    yield from ((start + a, start + b) for a, b in _common(*pieces))


def _common(first: Sequence[Hashable], second: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """The same by bits (Hyyrö 2004, "Bit-parallel LCS-length computation revisited").

    Sequences that are too long for it are cut in two halves each, which have nothing in common.
    """
    if len(first) * len(second) > _MOST_BITS:
        half, other = len(first) // 2, len(second) // 2
        yield from _common(first[:half], second[:other])
        yield from ((half + a, other + b) for a, b in _common(first[half:], second[other:]))
        return
    masks: dict[Hashable, int] = {}
    for place, kind in enumerate(second):
        masks[kind] = masks.get(kind, 0) | 1 << place
    every = (1 << len(second)) - 1
    # A bit is 0 where the sequences are longer by one with this place of the second.
    rows = [every]
    for kind in first:
        row = rows[-1]
        found = row & masks.get(kind, 0)
        rows.append((row + found | row - found) & every)
    a, b = len(first), len(second)
    while a and b:
        if rows[a] >> b - 1 & 1:
            b -= 1
        else:
            a -= 1
            if rows[a] >> b - 1 & 1:
                b -= 1
                yield a, b


def merged(first: int, second: int, found: dict[int, int]) -> list[Pair]:
    """All places of both: those of the first in order, the others of the second behind theirs."""
    places = {b: a for a, b in found.items()}
    pairs: list[Pair] = []
    waiting = deque(b for b in range(second) if b not in places)
    for a in range(first):
        b = found.get(a)
        while b is not None and waiting and waiting[0] < b:
            pairs.append((None, waiting.popleft()))
        pairs.append((a, b))
    return pairs + [(None, n) for n in waiting]
