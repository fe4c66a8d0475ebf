"""Graphs of layers are drawn so that every layer and every edge can be seen."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qconvert.report.html.layout import MOST_NAMED, NAMED, SMALL, drawn, ranks_of


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """Sources of up to 80 layers, all before their layer."""
    count = draw(st.integers(0, 80))
    before = [st.lists(st.integers(0, i - 1), max_size=3, unique=True) for i in range(1, count)]
    return [[], *(draw(each) for each in before)] if count else []


@given(graphs())
def test_no_two_layers_overlap_and_all_lie_in_the_drawing(sources: list[list[int]]) -> None:
    drawing = drawn(sources)
    assert len(set(drawing.corners)) == len(sources)
    for x, y in drawing.corners:
        assert x >= 0 and x + drawing.cell.width <= drawing.width
        assert y >= 0 and y + drawing.cell.height <= drawing.height


@given(graphs())
def test_every_edge_is_drawn_and_leads_to_a_later_rank(sources: list[list[int]]) -> None:
    ranks = ranks_of(sources)
    edges = [(source, i) for i, of_layer in enumerate(sources) for source in of_layer]
    assert all(ranks[source] < ranks[i] for source, i in edges)
    assert drawn(sources).edges.count("M") == len(edges)


def test_a_chain_goes_straight_down() -> None:
    drawing = drawn([[], [0], [1]])
    assert [x for x, _ in drawing.corners] == [1, 1, 1]
    assert "C" not in drawing.edges


def test_branches_lie_side_by_side_and_a_skip_goes_around() -> None:
    branched = drawn([[], [0], [0], [1, 2]])
    assert branched.corners[1][1] == branched.corners[2][1]
    skipping = drawn([[], [0], [1, 0]])
    assert skipping.edges.count("C") == 1


@pytest.mark.parametrize("count", [1, MOST_NAMED, MOST_NAMED + 1, 300])
def test_a_chain_fits_on_a_phone(count: int) -> None:
    drawing = drawn([[i - 1] if i else [] for i in range(count)])
    assert drawing.cell is (NAMED if count <= MOST_NAMED else SMALL)
    assert drawing.width <= 356
    numbers = map(int, re.findall(r"-?\d+", drawing.edges))
    assert all(0 <= number <= max(drawing.width, drawing.height) for number in numbers)
