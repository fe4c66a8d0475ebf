"""How far float32 can end from the exact number: no order of operations ends farther."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from qconvert.explaining import Agreement, Arithmetic, Element, Sum, arithmetic, explain
from qconvert.explaining.arithmetic import Next
from qconvert.ir import F32
from qconvert.ir.ops import Affine, Dense, Pool
from tests.explaining.conftest import Prepare

ONE = np.float32(1)


def dense_of(prepare: Prepare, x: F32, kernel: F32, bias: F32 | None = None) -> Sum:
    run = prepare(x[None], Dense(kernel[:, None], bias))
    (step,) = explain(run, "y", (0,)).steps
    assert isinstance(step.reason, Sum)
    return step.reason


def in_a_row(addends: F32) -> np.float32:
    return np.float32(np.cumsum(addends, dtype=np.float32)[-1])


def sums_of(addends: F32, random: np.random.Generator) -> Iterator[np.float32]:
    """As kernels add: in a row, in some other order, by lanes, by halves, with magnitudes first."""
    yield in_a_row(addends)
    yield in_a_row(addends[::-1])
    yield in_a_row(addends[np.argsort(-np.abs(addends))])
    for _ in range(20):
        yield in_a_row(random.permutation(addends))
    for lanes in (4, 8):
        padded = np.append(addends, np.zeros(-addends.size % lanes, np.float32))
        yield in_a_row(np.cumsum(padded.reshape(-1, lanes), 0, np.float32)[-1])
    yield np.sum(addends)


def require_within(why: Sum | Arithmetic, exact: Fraction, result: np.float32) -> None:
    assert why.agreement is Agreement.DIFFERENT and why.bound is not None
    assert abs(Fraction(float(result)) - exact) <= why.bound


@pytest.mark.parametrize("count", [2, 5, 64, 600])
def test_no_order_of_additions_ends_farther(
    prepare: Prepare, random: np.random.Generator, count: int
) -> None:
    seen = 0
    for _ in range(40):
        x, kernel = random.normal(size=(2, count)).astype(np.float32)
        bias = random.normal(size=1).astype(np.float32)
        why = dense_of(prepare, x, kernel, bias)
        if why.agreement is Agreement.DIFFERENT:
            seen += 1
            for result in sums_of(np.append(x * kernel, bias), random):
                require_within(why, why.exact, result)
    assert seen > 3


def test_the_bound_is_reached_by_a_half(prepare: Prepare) -> None:
    """Half a unit leaves 1 as it is, each time: of half as many roundings the bound would fail."""
    x = np.append(ONE, np.full(999, 2.0**-24, np.float32))
    why = dense_of(prepare, x, np.ones_like(x))
    assert in_a_row(x) == 1 and why.bound is not None
    assert why.bound / 2 < why.exact - 1 <= why.bound


def test_products_that_are_flushed_to_zero_count(prepare: Prepare) -> None:
    x = np.full(8, 1.5e-30, np.float32)
    why = dense_of(prepare, x, np.full(8, 1.3e-9, np.float32))
    require_within(why, why.exact, np.float32(0))


@pytest.mark.parametrize("count", [3, 7, 49])
def test_a_mean_may_be_multiplied_by_a_reciprocal(
    prepare: Prepare, random: np.random.Generator, count: int
) -> None:
    seen = 0
    for _ in range(40):
        x = random.normal(size=(1, count, 1)).astype(np.float32)
        run = prepare(x, Pool("mean", (count,), (1,), ((0, 0),)))
        (step,) = explain(run, "y", (0, 0)).steps
        why = step.reason
        assert isinstance(why, Sum)
        if why.agreement is Agreement.DIFFERENT:
            seen += 1
            for result in sums_of(x.ravel(), random):
                require_within(why, why.exact, result / np.float32(count))
                require_within(why, why.exact, result * (ONE / np.float32(count)))
    assert seen > 3


def test_where_float32_overflows_there_is_no_bound(prepare: Prepare) -> None:
    x = np.full(2, 3e38, np.float32)
    with np.errstate(over="ignore"):
        why = dense_of(prepare, x, np.ones(2, np.float32))
    assert (why.agreement, why.bound) == (Agreement.DIFFERENT, None)


def test_single_operations_end_no_farther_in_their_order(random: np.random.Generator) -> None:
    seen = 0
    for _ in range(400):
        start, *numbers = random.normal(size=6).astype(np.float32)
        signs = random.choice(list("+-*/"), 5)
        result = start
        for sign, number in zip(signs, numbers, strict=True):
            match sign:
                case "+":
                    result = result + number
                case "-":
                    result = result - number
                case "*":
                    result = result * number
                case _:
                    result = result / number
        following = [Next(s, "n", float(n)) for s, n in zip(signs, numbers, strict=True)]
        why = arithmetic.computed(Element("x", (0,), float(start)), following, float(result))
        assert why is not None
        if why.agreement is Agreement.DIFFERENT:
            seen += 1
            require_within(why, why.operations[-1].after, result)
    assert seen > 100


def test_what_is_lost_before_a_large_factor_counts_as_much() -> None:
    """A number that is flushed to zero, times 2**100."""
    following = [Next("*", "small", 2.0**-100), Next("*", "large", 2.0**100)]
    why = arithmetic.computed(Element("x", (0,), 2.0**-40), following, 0.0)
    assert why is not None
    require_within(why, Fraction(1, 2**40), np.float32(0))


def test_what_is_exact_has_no_bound(prepare: Prepare) -> None:
    assert dense_of(prepare, np.ones(4, np.float32), np.ones(4, np.float32)).bound is None
    run = prepare(np.ones((1, 1), np.float32), Affine(np.full(1, 2, np.float32), None))
    (step,) = explain(run, "y", (0,)).steps
    assert isinstance(step.reason, Arithmetic) and step.reason.bound is None
