import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qconvert.checking.compare import UNORDERED, Difference, compare, compare_all
from qconvert.checking.witness import Witness
from qconvert.ir import F32

TF, ORT, NUMPY = Witness.TENSORFLOW, Witness.ORT, Witness.NUMPY


def two(a: F32, b: F32, start: int = 0) -> Difference:
    return compare((TF, ORT), {TF: a, ORT: b}, start)


def floats(*values: float) -> F32:
    return np.array(values, np.float32)


def test_equal_arrays_have_no_difference() -> None:
    assert two(floats(1, 2, 3), floats(1, 2, 3)) == Difference(elements=3)


def test_nan_equals_nan_and_zero_equals_minus_zero() -> None:
    assert two(floats(math.nan, 0.0, math.inf), floats(math.nan, -0.0, math.inf)).differing == 0


def test_nan_against_a_number_is_the_largest_difference() -> None:
    found = two(floats(math.nan, 1), floats(1, 1))
    assert (found.differing, found.largest, found.largest_ulp) == (1, math.inf, UNORDERED)


def test_one_ulp_is_seen_across_zero_and_at_any_magnitude() -> None:
    tiny = 2.0**-149
    assert two(floats(-tiny), floats(tiny)).largest_ulp == 2
    big = floats(3e38)
    assert two(big, np.nextafter(big, np.float32(0))).largest_ulp == 1


def test_first_index_counts_samples_over_batches_and_tells_every_witness() -> None:
    a = np.zeros((2, 3), np.float32)
    b = a.copy()
    b[1, 2] = 0.5
    found = compare((TF, ORT), {TF: a, ORT: b, NUMPY: a + 7}, start=40)
    assert found.first is not None
    assert found.first.index == (41, 2)
    assert found.first.values == ((TF, 0.0), (ORT, 0.5), (NUMPY, 7.0))


def test_a_shape_mismatch_is_a_difference_of_everything() -> None:
    found = two(np.zeros((2, 3), np.float32), np.zeros((2, 2), np.float32), start=5)
    assert (found.elements, found.differing, found.largest) == (6, 6, math.inf)
    assert found.first is not None
    assert found.first.shapes == ((TF, (2, 3)), (ORT, (2, 2)))


def test_a_shape_mismatch_of_empty_arrays_is_a_difference() -> None:
    assert two(np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32)).differing > 0


def test_only_pairs_of_present_witnesses_are_compared() -> None:
    assert set(compare_all({TF: floats(1), ORT: floats(1)})) == {(TF, ORT)}


numbers = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf])
rows = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(rows, st.lists(st.integers(0, 12), min_size=2, max_size=2))
def test_parts_merge_to_the_whole_in_any_grouping(
    pairs: list[tuple[float, float]], cuts: list[int]
) -> None:
    a, b = (np.array(column, np.float32) for column in zip(*pairs, strict=True))
    i, j = sorted(min(cut, len(a)) for cut in cuts)
    parts = [two(a[s:t], b[s:t], s) for s, t in ((0, i), (i, j), (j, len(a)))]
    left = parts[0].merge(parts[1]).merge(parts[2])
    right = parts[0].merge(parts[1].merge(parts[2]))
    swapped = parts[2].merge(parts[0]).merge(parts[1])
    # repr, because an example may hold NaN.
    assert repr(left) == repr(right) == repr(swapped) == repr(two(a, b))
