import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.exactness import Certificate, Doubt, Reach
from qconvert.exactness import linear as module
from qconvert.exactness.certificate import BIAS_LAST
from qconvert.exactness.rules import examine
from qconvert.ir import F32, Op, Shape
from qconvert.ir.ops import Conv, ConvTranspose, Dense
from qconvert.reference import apply
from tests.exactness.samples import draw, grid, inside, random_reach

F = np.float32
#: Of 7 channels, each with a step of its own.
_SOME = np.ldexp(np.arange(-20, 22).reshape(6, 7), np.arange(-3, 4)).astype(F)


def column(*weights: float, bias: float | None = None) -> Dense:
    kernel = np.array(weights, F).reshape(-1, 1)
    return Dense(kernel, None if bias is None else np.array([bias], F))


def certificate(op: Op, x: Reach, shape: Shape) -> Certificate | Doubt:
    return examine(op, (x,), (shape,))[1]


def magnitude(op: Op, x: Reach, shape: Shape) -> int | None:
    found = certificate(op, x, shape)
    assert isinstance(found, Certificate), found
    return found.magnitude


def test_the_bound_is_that_of_partial_sums_and_not_of_the_result() -> None:
    """The result is small, but 32767 * 2047 on the way there needs 26 bits."""
    x = grid(32767, 32767, 0, (1, 2))
    assert isinstance(certificate(column(2047, -2047), x, (None, 2)), Doubt)


def test_a_partial_sum_may_be_larger_than_any_result() -> None:
    n = 2**23 + 1
    assert isinstance(certificate(column(2, -1), grid(n, n, 0, (1, 2)), (None, 2)), Doubt)


def test_bounds_do_not_wrap_around() -> None:
    """(2**24 - 1) * 2**40 is -2**40 in 64 bits."""
    x = grid(0, 2**40, 0, (1, 1))
    assert isinstance(certificate(column(2**24 - 1), x, (None, 1)), Doubt)


def test_float32_holds_2_to_the_24_and_not_one_more() -> None:
    x = grid(0, 1, 0, (1, 2))
    assert magnitude(column(2**24 - 1, 1), x, (None, 2)) == 2**24
    assert isinstance(certificate(column(2**24, 1), x, (None, 2)), Doubt)
    sums = [F(F(2**24) + F(1)) + F(-1), F(2**24) + F(F(1) + F(-1))]
    assert sums[0] != sums[1]


def test_the_bias_counts() -> None:
    x = grid(0, 1, 0, (1, 1))
    assert magnitude(column(2**24 - 1, bias=1), x, (None, 1)) == 2**24
    # The products alone are exact: then the bias is rounded once, if it comes last.
    found = certificate(column(2**24 - 1, bias=2), x, (None, 1))
    assert isinstance(found, Certificate) and found.assumptions == (BIAS_LAST,)


def test_a_bias_with_a_finer_step_makes_the_step_finer() -> None:
    x = grid(0, 15, 0, (1, 1))
    found = certificate(column(1, bias=2**-10), x, (None, 1))
    assert isinstance(found, Certificate)
    assert (found.magnitude, found.exp) == (15 * 1024 + 1, -10)


def test_signs_of_both_sides_decide_what_adds_up() -> None:
    """Of positive inputs only weights of one sign add up; of inputs of any sign all do."""
    op = column(3, -5)
    assert magnitude(op, grid(0, 7, 0, (1, 2)), (None, 2)) == 35
    assert magnitude(op, grid(-7, 7, 0, (1, 2)), (None, 2)) == 56


def test_common_powers_of_two_of_the_weights_do_not_count_and_odd_divisors_do() -> None:
    x = grid(0, 1, 0, (1, 2))
    assert magnitude(column(2**25, 2**24), x, (None, 2)) == 3
    # 3 * (2**23 + 1) is divisible by 3 and still no float32.
    assert magnitude(column(3, 6), x, (None, 2)) == 9
    assert int(F(3 * (2**23 + 1))) != 3 * (2**23 + 1)


def test_every_output_has_a_step_of_its_own() -> None:
    kernel = np.array([[2.0**20, 2.0**-20]], F)
    reach, found = examine(Dense(kernel, None), (grid(-8, 7, 0, (1, 1)),), ((None, 1),))
    assert isinstance(found, Certificate) and isinstance(reach, Reach)
    assert reach.exp.ravel().tolist() == [20, -20]


def test_padding_adds_zeros() -> None:
    op = Conv(np.ones((3, 1, 1), F), None, (1,), (1,), ((1, 1),))
    reach, _ = examine(op, (grid(5, 6, 0, (1, 1, 1)),), ((None, 4, 1),))
    assert isinstance(reach, Reach)
    assert (int(reach.lo.min()), int(reach.hi.max())) == (0, 18)


def test_denormal_steps_are_not_certified() -> None:
    assert isinstance(certificate(column(2.0**-100), grid(0, 1, -30, (1, 1)), (None, 1)), Doubt)


@pytest.mark.parametrize("weight", [np.inf, -np.inf, np.nan])
def test_infinities_and_nan_are_no_multiples_of_a_step(weight: float) -> None:
    """Weights with a huge scale overflow; as integers they would look like small numbers."""
    assert isinstance(certificate(column(weight), grid(0, 1, 0, (1, 1)), (None, 1)), Doubt)


def random_linear(random: np.random.Generator) -> tuple[Op, Shape]:
    """A small layer, and the shape of its input with a batch of 1."""
    groups = int(random.integers(1, 3))
    inputs, outputs = groups * int(random.integers(1, 4)), groups * int(random.integers(1, 3))

    def codes(*shape: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
        return random.integers(-7, 8, shape)

    exps = random.integers(-2, 3, outputs)
    bias = np.ldexp(codes(outputs), random.integers(-4, 3)).astype(F)
    kind = random.integers(3)
    if kind == 0:
        kernel = np.ldexp(codes(inputs, outputs), exps).astype(F)
        return Dense(kernel, bias), (1, *((3,) * int(random.integers(0, 2))), inputs)
    ends = ((int(random.integers(2)), int(random.integers(2))),)
    if kind == 1:
        kernel = np.ldexp(codes(2, inputs // groups, outputs), exps).astype(F)
        return Conv(kernel, bias, (int(random.integers(1, 3)),), (1,), ends, groups), (1, 4, inputs)
    kernel = np.ldexp(codes(2, outputs, inputs), exps[:, np.newaxis]).astype(F)
    return ConvTranspose(kernel, bias, (int(random.integers(1, 3)),), (1,), ends), (1, 3, inputs)


@pytest.mark.parametrize("seed", range(400))
def test_results_lie_in_the_reach(seed: int) -> None:
    random = np.random.default_rng(seed)
    op, shape = random_linear(random)
    x = random_reach(random, (1, *(n or 1 for n in shape[1:])))
    reach, found = examine(op, (x,), (shape,))
    assert isinstance(found, Certificate) and isinstance(reach, Reach)
    for _ in range(20):
        assert inside(apply(op, draw(random, x, tuple(n or 1 for n in shape))), reach)


def in_random_order(random: np.random.Generator, kernel: F32, x: F32) -> F32:
    """Products are added to random partial sums until one is left, in float32."""
    parts = list(x[:, np.newaxis] * kernel)
    while len(parts) > 1:
        a = parts.pop(int(random.integers(len(parts))))
        b = parts.pop(int(random.integers(len(parts))))
        parts.append(a + b)
    result: F32 = parts[0]
    return result


@pytest.mark.parametrize("seed", range(200))
def test_what_is_certified_is_the_same_in_every_order(seed: int) -> None:
    """Weights and inputs so wide that about half of the layers are certified."""
    random = np.random.default_rng(seed)
    width, terms = int(random.integers(5, 12)), int(random.integers(2, 24))
    codes = random.integers(-(2**width), 2**width, (terms, 3))
    op = Dense(np.ldexp(codes, -9).astype(F), None)
    x = grid(-(2**11), 2**11 - 1, -5, (1, terms))
    found = certificate(op, x, (None, terms))
    if isinstance(found, Doubt):
        return
    for _ in range(10):
        row = draw(random, x, (1, terms))[0]
        exact = row.astype(np.float64) @ op.kernel.astype(np.float64)
        assert_array_equal(in_random_order(random, op.kernel, row), exact)


def test_the_bound_of_those_layers_is_sharp() -> None:
    x = grid(-(2**11), 2**11 - 1, -5, (1, 8))
    assert magnitude(column(*[1.0] * 7, 1023.0), x, (None, 8)) == 2**11 * 1030
    assert isinstance(certificate(column(*[1023.0] * 8), x, (None, 8)), Certificate)
    assert isinstance(certificate(column(*[1025.0] * 8), x, (None, 8)), Doubt)


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        (Dense(_SOME, None), (1, 6)),
        (Conv(_SOME.reshape(2, 3, 7), None, (1,), (1,), ((0, 1),)), (1, 5, 3)),
    ],
)
def test_sums_do_not_depend_on_how_many_are_computed_at_once(
    op: Dense | Conv, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = grid(-3, 9, -2, shape)
    whole = module.sums(op, x)
    monkeypatch.setattr(module, "_AT_ONCE", 12)
    parts = module.sums(op, x)
    for name in ("lo", "hi", "positive", "negative", "exp"):
        assert_array_equal(getattr(parts, name), getattr(whole, name))
