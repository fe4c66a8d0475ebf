from hypothesis import given
from hypothesis import strategies as st

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
