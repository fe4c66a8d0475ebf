"""Which parts of one sequence are which of another: by name, the others by place and kind."""

from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import TypeAlias

#: Positions in the first and the second sequence; ``None`` where one has no counterpart.
Pair: TypeAlias = tuple[int | None, int | None]
#: A name, and what it is the name of.
Named: TypeAlias = tuple[str, Hashable]


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
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            yield block.a + offset, block.b + offset


def merged(first: int, second: int, found: dict[int, int]) -> list[Pair]:
    """All places of both: those of the first in order, the others of the second behind theirs."""
    places = {b: a for a, b in found.items()}
    pairs: list[Pair] = []
    waiting = [b for b in range(second) if b not in places]
    for a in range(first):
        b = found.get(a)
        if b is not None:
            pairs += [(None, n) for n in waiting if n < b]
            waiting = [n for n in waiting if n > b]
        pairs.append((a, b))
    return pairs + [(None, n) for n in waiting]
