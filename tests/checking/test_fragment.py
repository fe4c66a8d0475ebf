"""The radius of an opaque layer holds what correct programs do, and little more."""

import math

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from qconvert.checking.fragment import evaluate_fragment
from qconvert.ir import F32
from qconvert.ir.ops import Opaque

WEIGHT = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32)


def opaque(*nodes: onnx.NodeProto) -> Opaque:
    tensors = [numpy_helper.from_array(WEIGHT, "w"), numpy_helper.from_array(np.array([1]), "axes")]
    graph = helper.make_graph(
        nodes,
        "fragment",
        [helper.make_tensor_value_info("x", 1, None)],
        [helper.make_tensor_value_info("y", 1, None)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    return Opaque("L", "t", model.SerializeToString(), ((None, 64),), (None, None))


NORMALIZATION = (
    helper.make_node("Mul", ["x", "x"], ["square"]),
    helper.make_node("ReduceSum", ["square", "axes"], ["sum"], keepdims=1),
    helper.make_node("Sqrt", ["sum"], ["root"]),
    helper.make_node("Reciprocal", ["root"], ["inverse"]),
    helper.make_node("Mul", ["x", "inverse"], ["y"]),
)


def samples(count: int = 50) -> F32:
    return np.random.default_rng(0).normal(size=(count, 64)).astype(np.float32)


def in_order(x: F32) -> F32:
    """The normalization with its sum from left to right."""
    total = np.zeros((len(x), 1), np.float32)
    for column in x.T:
        total[:, 0] += column * column
    result: F32 = x * (np.float32(1) / np.sqrt(total)).astype(np.float32)
    return result


def test_other_orders_of_summation_lie_within_the_radius() -> None:
    x = samples()
    y, radius = evaluate_fragment(opaque(*NORMALIZATION), [x], [None])
    distance = abs(in_order(x).astype(np.float64) - y)
    assert distance.any()
    assert (distance <= radius).all()
    # 66 roundings, and those of the functions, at most.
    assert (radius <= 400 * 2.0**-24 * abs(y) + 2.0**-126).all()


def test_a_radius_of_the_input_comes_through() -> None:
    x = samples()
    moved = x + np.float32(2.0**-10)
    y, radius = evaluate_fragment(opaque(*NORMALIZATION), [x], [np.full(x.shape, 2.0**-10)])
    assert (abs(in_order(moved).astype(np.float64) - y) <= radius).all()
    _, exact = evaluate_fragment(opaque(*NORMALIZATION), [x], [None])
    assert (radius > exact).all()


def test_a_matrix_product_lies_within_the_radius() -> None:
    x = samples()
    y, radius = evaluate_fragment(
        opaque(helper.make_node("MatMul", ["x", "w"], ["y"])), [x], [None]
    )
    total = np.zeros((len(x), 3), np.float32)
    for k in range(64):
        total += x[:, k : k + 1] * WEIGHT[k]
    assert (abs(total.astype(np.float64) - y) <= radius).all()
    # 65 roundings of sums of magnitudes, twice.
    assert (radius <= 132 * 2.0**-24 * (abs(x) @ abs(WEIGHT)) + 2.0**-24 * abs(y)).all()


def test_a_softmax_lies_within_the_radius() -> None:
    x = samples()
    node = helper.make_node("Softmax", ["x"], ["y"], axis=-1)
    y, radius = evaluate_fragment(opaque(node), [x], [None])
    power = np.exp(x)
    distance = abs((power / power.cumsum(1)[:, -1:]).astype(np.float64) - y)
    assert distance.any()
    assert (distance <= radius).all()
    assert (radius <= 440 * 2.0**-24 * y + 2.0**-124).all()


@pytest.mark.parametrize(
    ("nodes", "r"),
    [
        ((helper.make_node("Asin", ["x"], ["y"]),), None),
        ((helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Asin", ["a"], ["y"])), None),
        ((helper.make_node("Floor", ["x"], ["y"]),), 2.0**-3),
        (
            (
                helper.make_node("Greater", ["x", "x"], ["b"]),
                helper.make_node("Where", ["b", "x", "x"], ["y"]),
            ),
            2.0**-30,
        ),
    ],
)
def test_what_has_no_rule_and_what_could_turn_explains_nothing(
    nodes: tuple[onnx.NodeProto, ...], r: float | None
) -> None:
    x = samples(2)
    radii = None if r is None else np.full(x.shape, r)
    _, radius = evaluate_fragment(opaque(*nodes), [x], [radii])
    assert (radius == math.inf).all()
