import numpy as np
from numpy.testing import assert_array_equal

from qconvert.ir import F32, Graph, Input, Node, Output
from qconvert.ir.ops import Merge, Recurrence, Scale
from qconvert.ir.stock import StepMask, Where
from qconvert.reference import apply

#: ``s' = s + x`` and ``p' = -p``.
SUMS = Graph(
    "step",
    (Input("x", (None, 2)), Input("s", (None, 2)), Input("p", (None, 1))),
    (
        Node("sum", Merge("add"), ("s", "x"), (None, 2)),
        Node("minus", Scale(-1.0), ("p",), (None, 1)),
    ),
    (Output("s", "sum"), Output("p", "minus")),
    (),
)
X = np.array([[[1, 2], [10, 20], [100, 200]]], np.float32)


def rows(*values: list[float]) -> F32:
    return np.array([values], np.float32)


def test_states_start_as_zeros_and_go_from_step_to_step() -> None:
    expected = rows([1, 2, 0], [11, 22, 0], [111, 222, 0])
    assert_array_equal(apply(Recurrence(SUMS), X), expected)


def test_given_states_are_those_before_the_first_step() -> None:
    first = (np.array([[0.5, -0.5]], np.float32), np.array([[3]], np.float32))
    expected = rows([1.5, 1.5, -3], [11.5, 21.5, 3], [111.5, 221.5, -3])
    assert_array_equal(apply(Recurrence(SUMS), X, *first), expected)


def test_in_reverse_the_last_step_is_taken_first_and_stands_first() -> None:
    expected = rows([100, 200, 0], [110, 220, 0], [111, 222, 0])
    assert_array_equal(apply(Recurrence(SUMS, reverse=True), X), expected)


def test_samples_do_not_meet() -> None:
    both = np.concatenate([X, -2 * X])
    one = apply(Recurrence(SUMS), X)
    assert_array_equal(apply(Recurrence(SUMS), both)[:1], one)
    assert_array_equal(apply(Recurrence(SUMS), both)[1:], -2 * one)


#: ``s' = s + x`` where the mask is, and so many steps were left out before.
COUNTED = Graph(
    "step",
    (Input("x", (None, 2)), Input("m", (None, 1)), Input("s", (None, 2)), Input("p", (None, 2))),
    (
        Node("sum", Merge("add"), ("s", "x"), (None, 2)),
        Node("kept", Where(), ("m", "sum", "s"), (None, 2)),
        Node("zero", Where(), ("m", "sum"), (None, 2)),
    ),
    (Output("s", "kept"), Output("p", "zero")),
    (),
)
MASK = np.array([[[0], [1], [0]]], np.float32)


def test_steps_of_two_sequences_are_taken_together() -> None:
    loop = Recurrence(COUNTED, sequences=2)
    expected = rows([0, 0, 0, 0], [10, 20, 10, 20], [10, 20, 0, 0])
    assert_array_equal(apply(loop, X, MASK), expected)
    backwards = rows([100, 200, 100, 200], [100, 200, 0, 0], [100, 200, 0, 0])
    mask = np.array([[[0], [0], [1]]], np.float32)
    assert_array_equal(apply(Recurrence(COUNTED, True, 2), X, mask), backwards)


def test_states_that_are_not_given_are_zeros() -> None:
    first = np.array([[1, 2]], np.float32)
    expected = rows([1, 2, 0, 0], [11, 22, 11, 22], [11, 22, 0, 0])
    assert_array_equal(apply(Recurrence(COUNTED, sequences=2), X, MASK, first), expected)


def test_a_step_counts_if_any_number_differs() -> None:
    x = np.array([[[0, 0], [0, 1], [-0.0, 0], [np.nan, 0]]], np.float32)
    assert_array_equal(apply(StepMask(0.0), x)[0, :, 0], [0, 1, 0, 1])
    assert_array_equal(apply(StepMask(1.0), x)[0, :, 0], [1, 1, 1, 1])


def test_what_is_not_chosen_does_not_matter() -> None:
    nothing = np.full((1, 3, 2), np.nan, np.float32)
    assert_array_equal(apply(Where(), MASK, X)[0], [[0, 0], [10, 20], [0, 0]])
    assert_array_equal(apply(Where(), 1 - MASK, nothing, X)[0, 1], [10, 20])
