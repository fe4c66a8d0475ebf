"""Histograms and maps as they are drawn."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qconvert.checking.distribution import Distribution, Histogram, error_map, of_effective, of_raw
from qconvert.ir import Grid
from qconvert.report.html import captions
from qconvert.report.html.heatmap import SHADES, heat_map
from qconvert.report.html.histogram import HEIGHT, WIDTH, result_figure, weight_figure

GRID = Grid(-4, 3, -2)


def outline(path: str) -> list[tuple[int, int, int]]:
    """The bars of a path: from where to where, and how high."""
    bars, x, y = [], 0, 0
    assert path.startswith("M0 ")
    for command, number in re.findall(r"([hv])(-?\d+)", path):
        if command == "v":
            y += int(number)
        else:
            bars.append((x, x + int(number), -y))
            x += int(number)
    assert y == 0
    return [bar for bar in bars if bar[2]]


def codes(*counts: int, lowest: int = 0, highest: int = 0) -> Distribution:
    return Distribution(
        Histogram(GRID.lo, GRID.exp, counts), sum(counts), 0, GRID, 8, lowest, highest
    )


def test_bars_stand_over_their_codes_and_are_as_high_as_roots_of_counts() -> None:
    figure = result_figure(codes(0, 0, 0, 4, 16, 0, 0, 0))
    assert figure is not None
    first, second = outline(figure.bars)
    assert (first[2], second[2]) == (HEIGHT // 2, HEIGHT)
    for bar, code in ((first, -1), (second, 0)):
        assert bar[0] < figure.axis.pixel(code * GRID.step) < bar[1]
    assert first[1] < second[0]


def test_a_single_number_beside_a_million_is_seen() -> None:
    figure = result_figure(codes(0, 0, 1, 0, 10**6, 0, 0, 0))
    assert figure is not None
    assert [bar[2] for bar in outline(figure.bars)] == [1, HEIGHT]


def test_bars_at_the_ends_of_the_codes_stand_apart() -> None:
    figure = result_figure(codes(2, 0, 0, 4, 0, 0, 0, 8, lowest=2, highest=8))
    assert figure is not None
    low, high = outline(figure.saturated)
    assert low[0] < WIDTH / 8 and high[1] > WIDTH * 7 / 8
    assert len(outline(figure.bars)) == 1


def test_zero_is_not_saturated_where_it_is_the_lowest_code() -> None:
    grid = Grid(0, 7, -3)
    found = Distribution(Histogram(0, -3, (9, 0, 0, 1)), 10, 9, grid, 2, 9, 0)
    figure = result_figure(found)
    assert figure is not None and not figure.saturated
    assert len(outline(figure.bars)) == 2
    assert "at the lowest" not in captions.of_results(found)


def test_captions_tell_either_end_of_the_codes_by_itself() -> None:
    told = captions.of_results(codes(0, 0, 0, 6, 0, 0, 0, 2, highest=2))
    assert told == "8 numbers; 8 of 8 codes used, in steps of 0.25; 2 (25.0 %) at the highest, 0.75"
    told = captions.of_results(codes(2, 0, 0, 6, 0, 0, 0, 0, lowest=2))
    assert told == "8 numbers; 8 of 8 codes used, in steps of 0.25; 2 (25.0 %) at the lowest, -1"


def test_raw_weights_beyond_the_clip_range_are_drawn_beyond_it() -> None:
    raw = np.array([-2.0, 0.1, 0.1, 1.4], np.float32)
    effective = np.array([-1.0, 0.0, 0.0, 0.75], np.float32)
    figure = weight_figure(of_raw(raw, GRID), of_effective(effective, GRID))
    assert figure is not None and figure.clip is not None
    begin, width = figure.clip
    assert begin == figure.axis.pixel(-1.0) and begin + width == figure.axis.pixel(0.75)
    bars = outline(figure.raw)
    assert bars[0][1] < begin and bars[-1][0] > begin + width
    downwards = [bar for bar in outline(figure.effective) if bar[2] < 0]
    assert [
        bar[0] < figure.axis.pixel(at) < bar[1]
        for bar, at in zip(downwards, (-1, 0, 0.75), strict=True)
    ] == [True] * 3
    assert figure.ticks.count("v4") == 8


def test_numbers_of_which_none_is_finite_have_no_figure() -> None:
    nothing = of_raw(np.array([np.nan, np.inf], np.float32), GRID)
    assert weight_figure(nothing, nothing) is None
    assert result_figure(nothing) is None


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=64), st.integers(-100, 100))
def test_every_outline_lies_in_its_drawing(counts: list[int], first: int) -> None:
    found = Distribution(Histogram(first, -3, tuple(counts)), sum(counts), 0)
    figure = result_figure(found)
    if figure is None:
        assert not sum(counts)
        return
    bars = outline(figure.bars)
    assert bars
    assert all(
        0 <= low < high <= WIDTH + len(bars) and 1 <= top <= HEIGHT for low, high, top in bars
    )
    assert len(figure.bars) < 500


@pytest.mark.parametrize(
    ("part", "told"), [(1, "1 (<0.1 %)"), (99_999, "99,999 (>99.9 %)"), (100_000, "all 100,000")]
)
def test_no_share_is_rounded_to_nothing_or_to_all(part: int, told: str) -> None:
    found = Distribution(Histogram(0, 0, (1,)), 100_000, part)
    assert captions.of_results(found) == f"100,000 numbers; {told} zero"


def test_a_map_in_full_has_the_count_of_every_cell() -> None:
    differing = np.zeros((4, 6, 3), np.int64)
    differing[1, 5, 2], differing[3, 0, 0] = 10, 1
    found = heat_map(error_map(differing), full=True)
    assert found.places is not None and (found.places.rows, found.places.columns) == (4, 6)
    spots = [(cell.path, cell.count, cell.shade) for cell in found.places.cells]
    assert spots == [("M5 1h1", 10, SHADES), ("M0 3h1", 1, 1)]
    assert [cell.path for cell in found.channels.cells] == ["M0 0h1", "M2 0h1"]


def test_a_map_in_short_counts_neighbours_together() -> None:
    differing = np.zeros((32, 32, 40), np.int64)
    differing[0, 0, 0] = differing[3, 3, 1] = differing[31, 31, 39] = 1
    found = heat_map(error_map(differing), full=False)
    assert found.places is not None and (found.places.rows, found.places.columns) == (8, 8)
    assert [(cell.shade, cell.path, cell.count) for cell in found.places.cells] == [
        (3, "M7 7h1", None),
        (SHADES, "M0 0h1", None),
    ]


def test_a_result_with_one_place_has_its_channels_alone() -> None:
    found = heat_map(error_map(np.array([0, 2, 0], np.int64)), full=True)
    assert found.places is None
    assert [(cell.path, cell.count) for cell in found.channels.cells] == [("M1 0h1", 2)]
