"""Histograms merge exactly, codes are counted one by one, and maps say where differences are."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qconvert.checking.distribution import (
    BINS,
    NumberTally,
    error_map,
    of_effective,
    of_raw,
    tally_of,
)
from qconvert.ir import Grid

FLOATS = st.lists(st.floats(width=32), max_size=40)
GRID = Grid(-4, 3, -1)


@given(st.lists(FLOATS, min_size=1, max_size=6))
def test_batches_count_as_all_their_numbers_at_once(batches: list[list[float]]) -> None:
    arrays = [np.array(batch, np.float32) for batch in batches]
    one, many, backwards = NumberTally(), NumberTally(), NumberTally()
    one.add(np.concatenate(arrays))
    for array in arrays:
        many.add(array)
    for array in reversed(arrays):
        backwards.add(array)
    assert one.distribution() == many.distribution() == backwards.distribution()


@given(FLOATS)
def test_every_finite_number_is_in_its_bin(numbers: list[float]) -> None:
    x = np.array(numbers, np.float32)
    tally = NumberTally()
    tally.add(x)
    found = tally.distribution()
    histogram, finite = found.histogram, x[np.isfinite(x)].astype(np.float64)
    assert len(histogram.counts) <= BINS
    edges = (histogram.first + np.arange(len(histogram.counts) + 1)) * 2.0**histogram.exp
    counted = [int(((finite >= a) & (finite < b)).sum()) for a, b in pairwise(edges)]
    assert list(histogram.counts) == counted and sum(counted) == finite.size
    assert found.outside == x.size - finite.size
    assert found.zeros == int((x == 0).sum())


def test_codes_are_counted_and_what_is_none_is_outside() -> None:
    tally = tally_of(GRID)
    tally.add(np.array([-2, -2, 0, 0.5, 1.5], np.float32))
    tally.add(np.array([1.5, 0.25, 2.0, np.nan, np.inf], np.float32))
    found = tally.distribution()
    assert found.histogram.counts == (2, 0, 0, 0, 1, 1, 0, 2)
    assert (found.histogram.first, found.histogram.exp) == (-4, -1)
    assert (found.used, found.lowest, found.highest, found.zeros) == (4, 2, 2, 1)
    assert (found.elements, found.outside) == (10, 4)


def test_many_codes_share_bins_and_are_still_counted_one_by_one() -> None:
    x = np.arange(256, dtype=np.float32) / np.float32(256)
    found = of_effective(x, Grid(0, 255, -8))
    assert found.histogram.counts == (4,) * 64 and found.histogram.exp == -6
    assert (found.used, found.lowest, found.highest) == (256, 1, 1)


@pytest.mark.parametrize("grid", [Grid(-(1 << 31), (1 << 31) - 1, -4), None])
def test_what_has_too_many_codes_is_counted_by_bins(grid: Grid | None) -> None:
    tally = tally_of(grid)
    tally.add(np.array([-1, 0, 1], np.float32))
    assert tally.distribution().used is None


def test_raw_weights_beyond_the_ends_are_outside() -> None:
    found = of_raw(np.array([-2.25, -2, 1.5, 1.5625, 0.3], np.float32), GRID)
    assert (found.outside, found.grid) == (2, GRID)
    assert of_raw(np.ones(3, np.float32), None).outside == 0


def test_a_map_counts_neighbours_of_long_axes_together() -> None:
    differing = np.zeros((40, 3, 100), np.int64)
    differing[39, 2, 99] = 5
    differing[0, 0, 0] = 2
    found = error_map(differing)
    assert (found.shape, found.rows, found.columns) == ((40, 3, 100), 20, 3)
    assert found.places[0] == 2 and found.places[-1] == 5 and sum(found.places) == 7
    assert found.channels[0] == 2 and found.channels[-1] == 5 and len(found.channels) == 25


@pytest.mark.parametrize(("shape", "rows", "columns"), [((7,), 1, 1), ((4, 7), 4, 1), ((), 1, 1)])
def test_results_of_few_axes_have_a_map_too(
    shape: tuple[int, ...], rows: int, columns: int
) -> None:
    found = error_map(np.ones(shape, np.int64))
    assert (found.rows, found.columns) == (rows, columns)
    assert sum(found.places) == sum(found.channels) == np.ones(shape).sum()
