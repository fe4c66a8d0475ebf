"""The radii of stock layers' ops hold for float64 and shuffled programs, and see real faults."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.checking.radius import Radius
from qconvert.checking.rounding import evaluate_bounded
from qconvert.checking.rounding_stock import stock_radius
from qconvert.ir import F32, Node, Op, infer_shape
from qconvert.ir.ops import Dense
from qconvert.ir.stock import (
    Divide,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    StepMask,
    UnitNormalize,
    Where,
    WithConstant,
)
from qconvert.reference import apply

SIZE = 24


def floats(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def bounded(ops: list[Op], *xs: F32) -> tuple[F32, Radius]:
    """A chain, whose first op takes all inputs."""
    known = {f"x{i}": x for i, x in enumerate(xs)}
    nodes: list[Node] = []
    names, shapes = tuple(known), [x.shape for x in xs]
    for i, op in enumerate(ops):
        shape = infer_shape(op, *shapes)
        nodes.append(Node(f"v{i}", op, names, shape))
        names, shapes = (f"v{i}",), [shape]
    return evaluate_bounded(nodes, names[0], known)


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("fused", [True, False])
def test_variance_may_be_a_difference_of_means(offset: float, fused: bool) -> None:
    """As ONNX Runtime computes it in float32, which errs where the mean is large."""
    x = floats(50, SIZE) + np.float32(offset)
    op = LayerNormalization((1,), floats(SIZE, seed=1), floats(SIZE, seed=2), 1e-3, fused)
    y, radius = bounded([op], x)
    mean = x.mean(axis=1, keepdims=True)
    variance = np.square(x).mean(axis=1, keepdims=True) - mean * mean
    found = (x - mean) / np.sqrt(variance + np.float32(1e-3)) * op.gamma + op.beta
    assert (abs(found - y) <= radius).all()


def test_another_epsilon_is_seen() -> None:
    x = floats(50, SIZE)
    y, radius = bounded([LayerNormalization((1,), None, None, 1e-3, True)], x)
    other = apply(LayerNormalization((1,), None, None, 1.1e-3, True), x)
    assert (abs(other - y) > radius).any()


def test_products_of_whole_numbers_are_exact() -> None:
    x = np.random.default_rng(0).integers(-99, 100, (2, 5, SIZE)).astype(np.float32)
    y, radius = bounded([MatMul()], x, x.transpose(0, 2, 1))
    assert not radius.any()
    assert_array_equal(y, x @ x.transpose(0, 2, 1))


def test_products_hold_in_every_order() -> None:
    x, z = floats(2, 5, SIZE), floats(2, SIZE, 4, seed=1)
    y, radius = bounded([MatMul()], x, z)
    order = np.random.default_rng(2).permutation(SIZE)
    assert (abs(x[..., order] @ z[:, order] - y) <= radius).all()
    assert (abs(x @ (z * np.float32(1.0001)) - y) > radius).any()


def test_unit_vectors_within_roundings() -> None:
    x = floats(50, SIZE)
    y, radius = bounded([UnitNormalize((1,), 1e-12)], x)
    exact = x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    assert (abs(exact - y) <= radius).all()
    assert radius.max() < 2.0**-16


@pytest.mark.parametrize(
    "op",
    [
        WithConstant("add", floats(SIZE)),
        WithConstant("subtract", floats(SIZE), first=True),
        WithConstant("multiply", floats(SIZE)),
        WithConstant("divide", floats(SIZE)),
        WithConstant("divide", floats(SIZE), first=True),
        WithConstant("maximum", floats(SIZE)),
        WithConstant("minimum", floats(SIZE)),
        PRelu(3 * floats(SIZE)),
        Power(2.0),
        Power(3.0),
        UnitNormalize((1,), 1e-12),
        LayerNormalization((1,), floats(SIZE), None, 1e-3, True),
    ],
    ids=str,
)
def test_what_is_inherited_is_carried_on(op: Op) -> None:
    """The sums before are added in another order: the results stay within the radius."""
    x, kernel = floats(60, SIZE), floats(SIZE, SIZE, seed=1)
    y, radius = bounded([Dense(kernel, None), op], x)
    order = np.random.default_rng(2).permutation(SIZE)
    shuffled = apply(op, x[:, order] @ kernel[order])
    assert not np.array_equal(shuffled, y)
    assert (abs(shuffled.astype(np.float64) - y) <= radius).all()


def test_alone_they_are_alike_everywhere() -> None:
    x = floats(2, 4, 6, 3)
    for op in (
        WithConstant("divide", floats(1, 1, 3)),
        PRelu(floats(4, 6, 3)),
        Resize((4, 6), (5, 9), "bilinear"),
    ):
        assert not bounded([op], x)[1].any()


def test_a_divisor_that_may_be_0_bounds_nothing() -> None:
    kernel = floats(SIZE, 1, seed=1)
    x = floats(1, SIZE)
    x[0, 0] = -(x[0, 1:] @ kernel[1:, 0]) / kernel[0, 0]
    one = np.ones((1, 1, 1), np.float32)
    _, radius = bounded(
        [MatMul(), WithConstant("divide", one[0], first=True)], x[None], kernel[None]
    )
    assert np.isinf(radius).all()


def test_division_of_exact_tensors_is_one_rounding() -> None:
    assert not bounded([Divide()], floats(3, 4), floats(3, 4, seed=1))[1].any()


def between_two(op: StepMask | Where, *pairs: tuple[F32, Radius]) -> tuple[F32, Radius | None]:
    """*op* on values with radii around them."""
    xs = [x for x, _ in pairs]
    y = apply(op, *xs)
    return y, stock_radius(op, xs, y, [r for _, r in pairs])


def test_a_mask_is_sure_where_the_number_is_out_of_reach_or_hit_exactly() -> None:
    x = np.array([[0, 0], [0, 0], [0.5, 0], [0.5, 0], [2, 0]], np.float32)
    r = np.array([[0, 0], [1, 0], [0.5, 0], [0.25, 1], [0.5, 9]])
    y, radius = between_two(StepMask(0.0), (x, r))
    assert_array_equal(y[:, 0], [0, 0, 1, 1, 1])
    assert_array_equal(np.asarray(radius)[:, 0], [0, 1, 1, 0, 0])


def test_a_choice_that_is_not_sure_may_be_either() -> None:
    mask = np.array([[1], [0], [1], [0]], np.float32)
    unsure = np.array([[0], [0], [1], [1.0]])
    a, b = np.full((4, 1), 3, np.float32), np.full((4, 1), 5, np.float32)
    around = (np.full((4, 1), 0.25), np.full((4, 1), 0.5))
    y, radius = between_two(Where(), (mask, unsure), (a, around[0]), (b, around[1]))
    assert_array_equal(y[:, 0], [3, 5, 3, 5])
    assert_array_equal(np.asarray(radius)[:, 0], [0.25, 0.5, 2.5, 2.25])
    y, radius = between_two(Where(), (mask, unsure), (a, around[0]))
    assert_array_equal(np.asarray(radius)[:, 0], [0.25, 0, 3, 3.25])
    assert stock_radius(Where(), [mask, a], y, [None, None]) is None
