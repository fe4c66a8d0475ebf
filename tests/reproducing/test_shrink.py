from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qconvert.ir import F32
from qconvert.reproducing.shrink import Budget, nonzeros, shrunk

INPUTS = {"a": np.ones((1, 40), np.float32), "b": np.full((1, 3, 20), 2, np.float32)}
PLENTY = 10_000


@given(st.sets(st.integers(0, 99), max_size=6))
def test_what_is_needed_is_kept_and_nothing_else(needed: set[int]) -> None:
    def holds(inputs: Mapping[str, F32]) -> bool:
        flat = np.concatenate([array.ravel() for array in inputs.values()])
        return all(flat[i] for i in needed)

    found = shrunk(INPUTS, holds, Budget(PLENTY))
    assert holds(found)
    assert nonzeros(found) == len(needed)
    assert {name: array.shape for name, array in found.items()} == {"a": (1, 40), "b": (1, 3, 20)}


def test_any_of_several_is_reduced_to_one_that_no_more_can_go_from() -> None:
    found = shrunk(INPUTS, lambda x: float(sum(a.sum() for a in x.values())) >= 5, Budget(PLENTY))
    assert nonzeros(found) in (3, 4, 5)
    total = sum(float(array.sum()) for array in found.values())
    smallest = min(float(array[array > 0].min()) for array in found.values() if array.any())
    assert total - smallest < 5


def test_no_more_evaluations_than_there_are() -> None:
    asked = 0

    def holds(inputs: Mapping[str, F32]) -> bool:
        nonlocal asked
        asked += 1
        return bool(inputs["a"][0, 7])

    found = shrunk(INPUTS, holds, Budget(5))
    assert asked == 5
    assert found["a"][0, 7] == 1
