from typing import Any

import numpy as np
import pytest

from qconvert.explaining.weights import base_name, raw_op, source
from qconvert.ir import F32, Weight
from qconvert.ir.ops import Affine, Dense


def weight(effective: F32, shift: float = 0.125) -> Weight:
    return Weight(effective + np.float32(shift), effective, None)


@pytest.fixture
def kernel() -> Weight:
    return weight(np.arange(24, dtype=np.float32).reshape(2, 3, 4))


@pytest.mark.parametrize(
    "view", [np.s_[:], np.s_[1], np.s_[:, 1:, ::2], np.s_[0, 2, 3:], np.s_[:, ::-1]]
)
def test_of_a_part_of_a_variable_the_same_part_is_stored(kernel: Weight, view: Any) -> None:
    found = source(kernel.effective[view], "kernel", {"kernel": kernel})
    assert found.raw is not None
    np.testing.assert_array_equal(found.raw, kernel.raw[view])
    last = tuple(n - 1 for n in found.array.shape)
    element = found.at(last)
    assert kernel.effective[element.index] == element.effective == found.array[last]
    assert kernel.raw[element.index] == element.raw


def test_a_variable_in_another_shape_has_its_own_indices(kernel: Weight) -> None:
    found = source(kernel.effective.reshape(6, 4), "kernel", {"kernel": kernel})
    assert found.at((4, 1)).index == (1, 1, 1)


def test_of_two_equal_kernels_each_is_its_own(kernel: Weight) -> None:
    other = weight(kernel.effective.copy(), 0.25)
    both = {"first_kernel": kernel, "second_kernel": other}
    assert source(other.effective, "kernel", both).role == "second_kernel"
    # Of a copy nobody knows.
    assert source(other.effective.copy(), "kernel", both).raw is None


def test_a_copy_of_the_only_variable_with_its_numbers_is_that(kernel: Weight) -> None:
    found = source(kernel.effective.copy(), "kernel", {"depthwise_kernel": kernel})
    assert found.role == "depthwise_kernel"
    assert found.raw is not None


def test_a_constant_that_looks_like_a_bias_is_none() -> None:
    bias = weight(np.zeros(2, np.float32))
    op = Affine(None, np.zeros(2, np.float32))
    changed = raw_op(op, {"bias": bias})
    assert isinstance(changed, Affine)
    assert changed.offset is op.offset


def test_a_kernel_of_nobody_has_no_stored_numbers(kernel: Weight) -> None:
    assert raw_op(Dense(np.ones((2, 2), np.float32), None), {"kernel": kernel}) is None


def test_an_array_that_reaches_beyond_a_variable_is_not_of_it() -> None:
    memory = np.arange(8, dtype=np.float32)
    bias = Weight(memory[2:4] + 1, memory[2:4], None)
    assert source(memory[1:5], "bias", {"bias": bias}).raw is None


def test_a_further_call_is_listed_as_the_first() -> None:
    names = ("a@1/b@2:1", "a/b", "b@1x/c", "b:x")
    assert [base_name(name) for name in names] == ["a/b", "a/b", "b@1x/c", "b:x"]
