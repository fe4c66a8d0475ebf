"""Every rule against brute force: results of small numbers lie in the reach, exact or refused."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.exactness import Argument, Certificate, Doubt, Free, Reach
from qconvert.exactness.rules import examine
from qconvert.ir import F32, Op
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Elementwise,
    Function,
    Merge,
    Pad,
    Pool,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.ir.stock import (
    Embedding,
    FoldTime,
    MatMul,
    PRelu,
    Resize,
    StepMask,
    UnfoldTime,
    Where,
    WithConstant,
)
from qconvert.reference import apply
from tests.exactness.samples import draw, grid, inside, random_reach

F = np.float32
IMAGE = (1, 4, 6, 3)


def numbers(*values: float) -> F32:
    return np.array(values, F)


#: Ops on images (batch, 4, 6, 3) whose results are exact for small codes.
EXACT: list[Op] = [
    Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0))),
    Pool("max", (3, 3), (1, 1), ((1, 1), (1, 1))),
    Pool("mean", (2, 2), (2, 2), ((0, 0), (0, 0))),
    Pool("mean", (1, 4), (1, 1), ((0, 0), (0, 0))),
    Reduce("max", (1, 2), keepdims=False),
    Reduce("min", (3,), keepdims=True),
    Reduce("sum", (1, 2), keepdims=False),
    Reduce("mean", (1,), keepdims=True),
    Scale(0.25),
    Scale(-3.0),
    Affine(numbers(2, -0.5, 3), numbers(1, 0.25, -8)),
    Affine(numbers(0.5), None),
    Affine(None, numbers(1.5, 0, -2)),
    Relu(),
    Relu(max_value=1.5),
    Relu(threshold=0.75),
    Relu(slope=0.25),
    Reshape((24, 3)),
    Reshape((-1,)),
    Transpose((0, 3, 1, 2)),
    Pad(((0, 0), (1, 2), (0, 0))),
    Slice((1, None, -1), (None, 4, None), (1, 2, 1), squeeze=(3,)),
    Slice((None, None, None), (None, None, None), (-1, 1, 1)),
    UpSample((2, 3)),
    WithConstant("add", numbers(1, 2, 0.125).reshape(1, 1, 3)),
    WithConstant("subtract", numbers(1, 2, 3).reshape(1, 1, 3)),
    WithConstant("subtract", numbers(1, 2, 3).reshape(1, 1, 3), first=True),
    WithConstant("multiply", numbers(-1, 2, 0.5).reshape(1, 1, 3)),
    WithConstant("divide", numbers(2, 0.25, -1).reshape(1, 1, 3)),
    WithConstant("maximum", numbers(-1, 2, 0.5).reshape(1, 1, 3)),
    WithConstant("minimum", numbers(-1, 2, 0.5).reshape(1, 1, 3)),
    Resize((4, 6), (7, 3), "nearest"),
    FoldTime(),
]


@pytest.mark.parametrize("op", EXACT, ids=str)
def test_results_lie_in_the_reach(op: Op) -> None:
    random = np.random.default_rng(0)
    for _ in range(40):
        x = random_reach(random, IMAGE)
        reach, found = examine(op, (x,), ((None, *IMAGE[1:]),))
        assert isinstance(found, Certificate), found
        assert isinstance(reach, Reach)
        assert inside(apply(op, draw(random, x, (3, *IMAGE[1:]))), reach)


@pytest.mark.parametrize("op", [Reshape((24, 3)), Reshape((-1,)), Transpose((0, 3, 1, 2))], ids=str)
def test_elements_keep_their_own_intervals(op: Op) -> None:
    codes = np.arange(72).reshape(IMAGE)
    x = Reach(codes, codes, np.zeros(IMAGE, np.int64))
    reach, _ = examine(op, (x,), ((None, *IMAGE[1:]),))
    assert isinstance(reach, Reach)
    assert_array_equal(reach.lo, apply(op, codes.astype(F)))


MERGES: list[Op] = [
    *(Merge(kind) for kind in ("add", "subtract", "multiply", "maximum", "minimum")),
    Concat(1),
    Concat(3),
]


@pytest.mark.parametrize("op", MERGES, ids=str)
def test_merged_values_lie_in_the_reach(op: Op) -> None:
    random = np.random.default_rng(0)
    shape = (None, *IMAGE[1:])
    for _ in range(40):
        xs = tuple(random_reach(random, IMAGE) for _ in range(2))
        reach, found = examine(op, xs, (shape, shape))
        assert isinstance(found, Certificate) and isinstance(reach, Reach)
        assert inside(apply(op, *(draw(random, x, (3, *IMAGE[1:])) for x in xs)), reach)


def test_joined_parts_keep_their_intervals_and_steps() -> None:
    parts = (grid(0, 3, 0, (1, 2)), grid(-4, 5, -2, (1, 1)))
    reach, _ = examine(Concat(1), parts, ((None, 2), (None, 1)))
    assert isinstance(reach, Reach)
    assert_array_equal(reach.lo, [[0, 0, -4]])
    assert_array_equal(reach.exp, [[0, 0, -2]])


def test_an_average_of_two_or_four_is_exact_and_one_of_three_rounds_once() -> None:
    x = grid(-8, 7, -3, (1, 2))
    for count, exact in ((2, True), (3, False), (4, True)):
        reach, found = examine(Merge("average"), (x,) * count, ((None, 2),) * count)
        assert isinstance(found, Certificate)
        assert isinstance(reach, Reach) == exact
        assert found.argument is (Argument.EXACT if exact else Argument.ROUNDED_ONCE)


@pytest.mark.parametrize(
    "op",
    [
        Pool("mean", (3, 3), (1, 1), ((0, 0), (0, 0))),
        # At the border fewer than four elements are divided by their number.
        Pool("mean", (2, 2), (1, 1), ((0, 1), (0, 1))),
        Reduce("mean", (1, 2), keepdims=False),
    ],
    ids=str,
)
def test_a_mean_of_other_counts_rounds_once(op: Op) -> None:
    reach, found = examine(op, (grid(0, 15, -4, (1, 1, 1, 1)),), ((None, 4, 6, 3),))
    assert reach is None
    assert isinstance(found, Certificate) and found.argument is Argument.ROUNDED_ONCE


def test_a_sum_that_is_divided_has_to_be_exact() -> None:
    op, shape = Reduce("mean", (1,), keepdims=False), (None, 8)
    assert isinstance(examine(op, (grid(0, 2**21, 0, (1, 1)),), (shape,))[1], Certificate)
    assert isinstance(examine(op, (grid(0, 2**21 + 1, 0, (1, 1)),), (shape,))[1], Doubt)


def test_two_numbers_are_added_once_and_three_in_some_order() -> None:
    x, shape = grid(0, 2**24, 0, (1, 2)), (None, 2)
    two = examine(Merge("add"), (x, x), (shape, shape))[1]
    assert isinstance(two, Certificate) and two.argument is Argument.ROUNDED_ONCE
    assert isinstance(examine(Merge("add"), (x, x, x), (shape,) * 3)[1], Doubt)
    sums = [F(F(F(2**24) + F(1)) + F(1)), F(F(2**24) + F(F(1) + F(1)))]
    assert sums[0] != sums[1]


def test_sums_of_different_steps_need_the_bits_between_them() -> None:
    coarse, shape = grid(-1, 1, 12, (1, 1)), (None, 1)
    op = Merge("add")
    assert isinstance(examine(op, (coarse, grid(-1, 1, -11, (1, 1))), (shape,) * 2)[0], Reach)
    assert examine(op, (coarse, grid(-1, 1, -12, (1, 1))), (shape,) * 2)[0] is None


def test_products_of_matrices() -> None:
    op = MatMul()
    random = np.random.default_rng(0)
    for _ in range(20):
        xs = random_reach(random, (1, 2, 3)), random_reach(random, (1, 3, 4))
        reach, found = examine(op, xs, ((None, 2, 3), (None, 3, 4)))
        assert isinstance(found, Certificate) and isinstance(reach, Reach)
        drawn = draw(random, xs[0], (5, 2, 3)), draw(random, xs[1], (5, 3, 4))
        assert inside(apply(op, *drawn), reach)


def test_steps_that_count_and_what_is_chosen_by_them() -> None:
    shape, x = (None, 4, 3), grid(-5, 7, -2, (1, 1, 1))
    mask, found = examine(StepMask(0.0), (x,), (shape,))
    assert isinstance(found, Certificate) and isinstance(mask, Reach)
    assert (mask.lo.item(), mask.hi.item(), mask.exp.item()) == (0, 1, 0)
    other = grid(9, 9, 0, (1, 1, 3))
    chosen, _ = examine(Where(), (mask, x, other), ((None, 4, 1), shape, shape))
    assert isinstance(chosen, Reach)
    assert (chosen.lo.min(), chosen.hi.max(), chosen.exp.max()) == (-5, 36, -2)
    zeros, _ = examine(Where(), (mask, grid(2, 3, 0, (1, 1, 1))), ((None, 4, 1), shape))
    assert isinstance(zeros, Reach)
    assert (zeros.lo.item(), zeros.hi.item()) == (0, 3)


def test_rows_of_a_table() -> None:
    table = np.array([[1, 0.25], [-3, 8], [0, 0.5]], F)
    reach, found = examine(Embedding(table), (Free(),), ((None, 5),))
    assert isinstance(found, Certificate) and isinstance(reach, Reach)
    assert inside(apply(Embedding(table), np.array([[0, 1, 2, 1, 0]], F)), reach)
    assert (reach.lo.ravel().tolist(), reach.exp.ravel().tolist()) == ([-3, 1], [0, -2])


def test_steps_and_samples() -> None:
    reach, _ = examine(UnfoldTime(4), (grid(0, 1, 0, (1, 2)),), ((None, 2),))
    assert isinstance(reach, Reach) and reach.lo.shape == (1, 1, 1)


NORMALIZED = BatchNormalization(numbers(0), numbers(1), None, None, 1e-3)


@pytest.mark.parametrize(
    "op",
    [Softmax(1), Elementwise(Function.SIGMOID), NORMALIZED, Affine(numbers(0.1), numbers(0.3))],
    ids=lambda op: type(op).__name__,
)
def test_what_programs_round_in_different_ways_is_not_certified(op: Op) -> None:
    assert isinstance(examine(op, (grid(-4, 4, 0, (1, 1)),), ((None, 1),))[1], Doubt)


@pytest.mark.parametrize(
    "op", [Scale(0.1), Affine(numbers(0.1), None), PRelu(numbers(0.3))], ids=str
)
@pytest.mark.parametrize("make", [lambda: None, Free, lambda: grid(-4, 4, 0, (1, 1))])
def test_one_rounding_is_alike_everywhere(op: Op, make: Callable[[], Reach | None]) -> None:
    reach, found = examine(op, (make(),), ((None, 1),))
    assert reach is None
    assert isinstance(found, Certificate) and found.argument is Argument.ROUNDED_ONCE


def test_movement_leaves_a_free_input_free() -> None:
    for op in (Reshape((2, 3)), Transpose((0, 2, 1)), Slice((0,), (1,), (1,))):
        assert examine(op, (Free(),), ((None, 6, 1),))[0] == Free()
    assert examine(Concat(1), (Free(), grid(0, 1, 0, (1, 2))), ((None, 2),) * 2)[0] is None


def test_numbers_that_no_integer_of_ours_holds_are_refused() -> None:
    op = Affine(numbers(2.0**60, 2.0**-60), numbers(2.0**-60, 2.0**60))
    assert isinstance(examine(op, (grid(0, 2**40, -90, (1, 2)),), ((None, 2),))[1], Doubt)
