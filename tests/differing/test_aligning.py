import itertools
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qconvert.differing import aligning
from qconvert.differing.aligning import by_kind, by_name

names = st.lists(st.text("abcdef", min_size=1, max_size=1), unique=True, max_size=6)


@given(names, names)
def test_everything_is_paired_once_in_the_order_of_the_first(
    one: list[str], two: list[str]
) -> None:
    pairs = by_name([(x, "kind") for x in one], [(x, "kind") for x in two])
    assert [a for a, _ in pairs if a is not None] == list(range(len(one)))
    assert sorted(b for _, b in pairs if b is not None) == list(range(len(two)))
    for a, b in pairs:
        if a is not None and one[a] in two:
            assert b is not None and two[b] == one[a]


def test_names_between_equal_ones_are_renamed_if_they_are_of_one_kind() -> None:
    first = [("a", "Dense"), ("b", "Relu"), ("c", "Dense")]
    assert by_name(first, [("a", "Dense"), ("x", "Relu"), ("c", "Dense")])[1] == (1, 1)
    assert by_name(first, [("a", "Dense"), ("x", "Tanh"), ("c", "Dense")])[1:3] == [
        (1, None),
        (None, 1),
    ]


def test_a_name_that_moved_is_the_same() -> None:
    assert by_name([("a", 1), ("b", 2)], [("b", 2), ("a", 1)]) == [(0, 1), (1, 0)]


def test_equal_parts_are_paired_in_order() -> None:
    assert by_kind("xyz", "xwz") == [(0, 0), (1, None), (None, 1), (2, 2)]


kinds = st.text("abc", max_size=12)


@given(kinds, kinds)
def test_as_many_equal_parts_are_paired_as_there_can_be(one: str, two: str) -> None:
    @cache
    def most(a: int, b: int) -> int:
        if a == len(one) or b == len(two):
            return 0
        return max(most(a + 1, b), most(a, b + 1), (one[a] == two[b]) + most(a + 1, b + 1))

    found = [(a, b) for a, b in by_kind(one, two) if a is not None and b is not None]
    assert len(found) == most(0, 0)
    assert all(one[a] == two[b] for a, b in found)
    assert all(a < c and b < d for (a, b), (c, d) in itertools.pairwise(found))


def test_many_parts_of_two_kinds_are_paired_at_once() -> None:
    """Which a search for the longest pieces is not done with in minutes."""
    pairs = by_kind("ra" * 10_000, "aar" * 7_000)
    assert sum(None not in pair for pair in pairs) > 13_000


@given(kinds, kinds)
def test_long_sequences_are_paired_half_by_half(one: str, two: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aligning, "_MOST_BITS", 4)
        pairs = by_kind(one, two)
    assert [a for a, _ in pairs if a is not None] == list(range(len(one)))
    assert sorted(b for _, b in pairs if b is not None) == list(range(len(two)))
    assert all(one[a] == two[b] for a, b in pairs if a is not None and b is not None)
