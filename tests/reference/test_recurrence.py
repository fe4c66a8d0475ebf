import numpy as np
from numpy.testing import assert_array_equal

from qconvert.ir import F32, Graph, Input, Node, Output
from qconvert.ir.ops import Merge, Recurrence, Scale
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
