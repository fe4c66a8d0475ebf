"""Sums on lattices: brute force over inputs, orders of summation and kinds of scales."""

from collections.abc import Sequence

import numpy as np
import pytest

from qconvert.exactness import Divided, Reach, lattice_of
from qconvert.exactness.lattice import Lattice
from qconvert.exactness.rules import examine
from qconvert.exactness.scales import codes_and_scales
from qconvert.ir import F32, Node
from qconvert.ir.ops import Concat, Conv, Dense, Pool
from qconvert.ir.shapes import Shape
from tests.exactness.samples import grid

F = np.float32


def lattice(
    op: Dense | Conv | Pool, x: Reach | Divided, channels: int, shape: Shape = (None, 1)
) -> Lattice:
    found = lattice_of("y", channels, {"x": x}, {"y": Node("y", op, ("x",), shape)})
    assert found is not None
    return found


def programs(op: Dense, x: F32, random: np.random.Generator) -> list[F32]:
    """The layer with its products summed in several orders, and from left to right in float64."""
    results = [x @ op.kernel]
    for _ in range(3):
        order = random.permutation(x.shape[-1])
        total = np.zeros((len(x), op.kernel.shape[1]), F)
        for i in order:
            total = total + x[:, i : i + 1] * op.kernel[i]
        results.append(total)
    return [y if op.bias is None else y + op.bias for y in results]


def codes_of(op: Dense) -> tuple[F32, Sequence[float]]:
    whole, scales = codes_and_scales(op)
    return whole.kernel, [float(s) for s in scales]


@pytest.mark.parametrize("divisor", [1, 255, 127])
@pytest.mark.parametrize("alpha", [1.0, 0.1, 0.37])
@pytest.mark.parametrize("bias", [None, 0.3])
def test_all_programs_are_within_the_radius_of_the_lattice(
    divisor: int, alpha: float, bias: float | None
) -> None:
    random = np.random.default_rng(divisor)
    codes = random.integers(-7, 8, (40, 3)).astype(F)
    codes[0] = 1
    kernel = codes * F(alpha) if alpha != 1 else codes * F(0.125)
    op = Dense(kernel, None if bias is None else np.full(3, bias, F))
    numbers = random.integers(0, 256, (300, 40))
    numbers[0], numbers[1] = 255, np.where(codes[:, 0] > 0, 255, 0)
    x = (numbers.astype(F) / F(divisor)).astype(F)
    inside = grid(0, 255, 0, (1, 1))
    found = lattice(op, inside if divisor == 1 else Divided(inside, divisor), 3)
    whole, scales = codes_of(op)
    assert np.all((scales[0] != 1) == (alpha != 1))
    step = 1.0 if alpha != 1 else 0.125
    sums = numbers @ (whole if alpha != 1 else codes).astype(np.int64)
    assert np.allclose(found.scale, np.array(scales) * step, rtol=1e-6)
    assert np.all((found.lo <= sums) & (sums <= found.hi))
    centre, radius = found.at(sums)
    exact = divisor == 1 and alpha == 1
    assert (radius is None) == exact
    for y in programs(op, x, random):
        distance = abs(y.astype(np.float64) - centre)
        assert np.all(distance <= (0 if radius is None else radius))


def test_what_is_no_scale_times_small_integers_has_none() -> None:
    random = np.random.default_rng(0)
    kernel = random.standard_normal((64, 2)).astype(F)
    whole, scales = codes_and_scales(Dense(kernel, None))
    assert np.array_equal(whole.kernel, kernel) and np.all(scales == 1)


def test_codes_of_a_scale_are_found_although_the_products_are_rounded() -> None:
    random = np.random.default_rng(1)
    for alpha in random.uniform(0.01, 3, 50):
        codes = random.integers(-127, 128, (100, 1)).astype(F)
        codes[:2, 0] = 1, 127
        whole, scales = codes_and_scales(Dense(codes * F(alpha), None))
        assert np.array_equal(whole.kernel, codes)
        assert abs(scales[0] / F(alpha) - 1) < 2**-22


def test_a_value_of_other_channels_is_on_no_lattice_of_these() -> None:
    x = Reach(*(np.zeros((1, 8), np.int64) for _ in range(3)))
    assert lattice_of("x", 128, {"x": x}, {}) is None


def test_codes_that_no_integer_holds_are_on_no_lattice() -> None:
    far = Reach(*(np.array([[a, b]], np.int64) for a, b in ((0, 0), (2**40, 1), (30, -30))))
    assert lattice_of("x", 1, {"x": far}, {}) is None
    wide = grid(0, 2**61, -61, (1, 1, 1, 1))
    mean = Node("y", Pool("mean", (9, 9), (1, 1), ((0, 0), (0, 0))), ("x",), (None, 1, 1, 2))
    assert lattice_of("y", 2, {"x": wide}, {"y": mean}) is None
    apart = Reach(*(np.array([[[a], [b]]], np.int64) for a, b in ((0, 0), (2**40, 1), (30, -30))))
    dense = Node("y", Dense(np.ones((1, 3), F), None), ("x",), (None, 2, 3))
    assert lattice_of("y", 3, {"x": apart}, {"y": dense}) is None


def test_of_padded_windows_no_mean_is_on_a_lattice() -> None:
    """At the borders there are fewer numbers, so that the divisor is another."""
    x = grid(0, 15, -4, (1, 1, 1, 1))
    same = Pool("mean", (3, 3), (1, 1), ((1, 1), (1, 1)))
    node = Node("y", same, ("x",), (None, 4, 4, 2))
    assert lattice_of("y", 2, {"x": x}, {"y": node}) is None


def test_a_mean_is_an_exact_sum_divided_once() -> None:
    x = grid(0, 15, -4, (1, 1, 1, 1))
    found = lattice(Pool("mean", (3, 3), (1, 1), ((0, 0), (0, 0))), x, 2, (None, 2, 2, 2))
    codes = np.arange(136)[:, np.newaxis].repeat(2, axis=1)
    y, radius = found.at(codes)
    assert radius is None
    assert np.array_equal(y, (codes * F(2**-4)).astype(F) / F(9))
    assert found.counts.tolist() == [136, 136]


def test_what_is_divided_by_several_numbers_is_on_no_lattice() -> None:
    """The second part reaches further than the first one's codes say."""
    parts = [Divided(grid(0, n, 0, (1, 1)), divisor) for n, divisor in ((255, 255), (4095, 3))]
    found, _ = examine(Concat(1), tuple(parts), ((None, 2), (None, 2)))
    assert found is None
