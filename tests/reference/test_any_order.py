"""The fast order of sums against the literal one."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.exactness import Certificate, Reach
from qconvert.exactness.rules import examine
from qconvert.ir import F32, Graph, Input, Node, Output
from qconvert.ir.ops import Conv
from qconvert.ir.shapes import infer_shape
from qconvert.reference import apply, evaluate, is_faster
from tests.exactness.samples import draw, random_reach

F = np.float32


def graph_of(op: Conv, shape: tuple[int, ...]) -> Graph:
    whole = (None, *shape)
    node = Node("y", op, ("x",), infer_shape(op, whole))
    return Graph("g", (Input("x", whole),), (node,), (Output("y", "y"),), ())


def in_another_order(op: Conv, x: F32) -> F32:
    return evaluate(graph_of(op, x.shape[1:]), {"x": x}, unordered={"y"})["y"]


def random_conv(random: np.random.Generator) -> tuple[Conv, tuple[int, ...]]:
    """A convolution of one, two or three axes, and the shape of a sample of its input."""
    rank = int(random.integers(1, 4))

    def each(lo: int, hi: int) -> tuple[int, ...]:
        return tuple(random.integers(lo, hi, rank).tolist())

    inputs, outputs = (int(n) for n in random.integers(1, 6, 2))
    strides, dilations = (
        (each(1, 4), each(1, 2)) if random.random() < 0.5 else (each(1, 2), each(1, 4))
    )
    kernel = np.ldexp(random.integers(-7, 8, (*each(1, 4), inputs, outputs)), -3).astype(F)
    bias = (
        None if random.random() < 0.3 else np.ldexp(random.integers(-9, 9, outputs), -4).astype(F)
    )
    padding = tuple((int(a), int(b)) for a, b in random.integers(0, 3, (rank, 2)))
    return Conv(kernel, bias, strides, dilations, padding), (*each(7, 10), inputs)


@pytest.mark.parametrize("seed", range(200))
def test_certified_convolutions_return_the_same_bits(seed: int) -> None:
    random = np.random.default_rng(seed)
    op, shape = random_conv(random)
    x = random_reach(random, (1, *shape))
    certificate = examine(op, (x,), ((None, *shape),))[1]
    assert isinstance(certificate, Certificate)
    for batch in (1, 5):
        sample = draw(random, x, (batch, *shape))
        expected, found = apply(op, sample), in_another_order(op, sample)
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert_array_equal(found, expected)


def test_without_a_certificate_another_order_returns_other_numbers() -> None:
    """The choice matters: one without a reason shows."""
    random = np.random.default_rng(0)
    kernel = random.integers(-(2**12), 2**12, (3, 3, 8, 4)).astype(F)
    op = Conv(kernel, None, (1, 1), (1, 1), ((1, 1), (1, 1)))
    x = random.integers(-(2**12), 2**12, (2, 9, 9, 8)).astype(F)
    reach = Reach(*(np.full((1, 1, 1, 1), n, np.int64) for n in (-(2**12), 2**12, 0)))
    assert not isinstance(examine(op, (reach,), ((None, 9, 9, 8),))[1], Certificate)
    assert np.any(in_another_order(op, x) != apply(op, x))


def test_what_has_no_faster_order_is_computed_as_ever() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(2, 5, 5, 4)).astype(F)
    for shape, groups in (((1, 1, 4, 3), 1), ((3, 3, 1, 4), 4), ((3, 3, 2, 4), 2)):
        kernel = random.normal(size=shape).astype(F)
        op = Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)), groups)
        assert not is_faster(op)
        assert_array_equal(in_another_order(op, x), apply(op, x))
