"""The radius holds in every order of summation, is 0 where arithmetic is exact, and is small."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from qconvert.checking.compare import compare
from qconvert.checking.rounding import INHERITED, Radius, radii_of, rounding_in
from qconvert.checking.witness import Witness
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Shape, infer_shape, validate
from qconvert.ir.ops import (
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Function,
    Merge,
    Pad,
    Pool,
    Quantize,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Softmax,
    Transpose,
)
from qconvert.ir.quantizers import QuantizedBits, QuantizedPo2, QuantizedRelu
from qconvert.numerics import reciprocal_sqrt
from qconvert.reference import apply, evaluate

SIZE = 48
RNG = np.random.default_rng(7)


def floats(*shape: int) -> F32:
    return RNG.standard_normal(shape, dtype=np.float32)


def chain(ops: Sequence[Op], shape: Shape) -> Graph:
    """The ops one after another; what takes two inputs gets the same twice."""
    nodes: list[Node] = []
    source, name = Input("x", shape), "x"
    for i, op in enumerate(ops):
        inputs = (name,) * (2 if isinstance(op, Merge | Concat) else 1)
        shape = infer_shape(op, *(shape,) * len(inputs))
        nodes.append(Node(name := f"v{i}", op, inputs, shape))
    graph = Graph("chain", (source,), tuple(nodes), (Output("y", name),), (Layer("y", "C", name),))
    validate(graph)
    return graph


def radius_of(ops: Sequence[Op], x: F32) -> tuple[F32, Radius | None]:
    graph = chain(ops, (None, *x.shape[1:]))
    radii = radii_of(graph, {"x": x})
    assert radii.layers.keys() == radii.outputs.keys() == {"y"}
    return evaluate(graph, {"x": x})[graph.outputs[0].value], radii.outputs["y"]


def reordered(dense: Dense, x: F32) -> tuple[Dense, F32]:
    """The same sum of products in another order."""
    order = RNG.permutation(x.shape[-1])
    return replace(dense, kernel=dense.kernel[order]), np.ascontiguousarray(x[:, order])


def one_by_one(dense: Dense, x: F32) -> F32:
    """A program that adds from left to right, as no BLAS does."""
    total = np.zeros((len(x), dense.kernel.shape[1]), np.float32)
    for k in range(x.shape[1]):
        total = total + x[:, k : k + 1] * dense.kernel[k]
    return total if dense.bias is None else total + dense.bias


NORMALIZATION = BatchNormalization(
    floats(16), abs(floats(16)) + np.float32(0.1), floats(16), floats(16), 1e-3
)
FOLLOWERS: list[tuple[Op, ...]] = [
    (),
    (Dense(floats(16, 5), floats(5)),),
    (NORMALIZATION,),
    (Softmax(1),),
    (Scale(0.3),),
    (Relu(0.1),),
    (Quantize(QuantizedBits(8, 3, alpha=1.0)),),
    (Quantize(QuantizedRelu(6, 2)), Dense(floats(16, 4), None)),
    (Quantize(QuantizedPo2(5)),),
    (Merge("add"),),
    (Merge("multiply"),),
    (Merge("average"),),
    (Merge("subtract"),),
    (Merge("maximum"),),
    (Concat(1),),
    *((Elementwise(function),) for function in Function),
    (Reshape((4, 4, 1)), Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0)))),
    (Reshape((4, 4, 1)), Pool("mean", (3, 3), (1, 1), ((1, 1), (1, 1)))),
    (Reshape((4, 4)), Reduce("mean", (1,), False), Transpose((0, 1))),
    (Reshape((4, 4)), Reduce("sum", (2,), False), Pad(((1, 2),))),
    (
        Reshape((2, 2, 4)),
        Conv(floats(2, 2, 4, 3), floats(3), (1, 1), (1, 1), ((1, 0), (0, 1))),
    ),
    (
        Reshape((2, 2, 4)),
        ConvTranspose(floats(3, 3, 2, 4), floats(2), (2, 2), (1, 1), ((0, 1), (0, 1))),
    ),
]


@pytest.mark.parametrize(
    "ops", FOLLOWERS, ids=lambda ops: "-".join(type(op).__name__ for op in ops)
)
def test_programs_that_add_in_other_orders_stay_within_the_radius(ops: tuple[Op, ...]) -> None:
    dense = Dense(floats(SIZE, 16), floats(16))
    x = floats(64, SIZE)
    y, radius = radius_of([dense, *ops], x)
    assert radius is not None
    for start in (
        one_by_one(dense, x),
        apply(*reordered(dense, x)),
        one_by_one(*reordered(dense, x)),
    ):
        other = start
        for op in ops:
            other = apply(op, *(other,) * (2 if isinstance(op, Merge | Concat) else 1))
        distance = np.abs(y.astype(np.float64) - other)
        assert (distance <= radius).all()


def test_the_other_program_of_batch_normalization_stays_within_the_radius() -> None:
    op, x = NORMALIZATION, floats(500, 16)
    assert op.gamma is not None and op.beta is not None
    y, radius = radius_of([op], x)
    inverse = reciprocal_sqrt(op.variance + np.float32(op.epsilon)) * op.gamma
    other = (x - op.mean) * inverse + op.beta
    assert (y != other).any()
    assert radius is not None and (np.abs(y.astype(np.float64) - other) <= radius).all()


def test_softmax_in_float64_stays_within_the_radius() -> None:
    x = floats(200, 10) * 8
    y, radius = radius_of([Softmax(1)], x)
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    assert radius is not None and (np.abs(y - e / e.sum(axis=1, keepdims=True)) <= radius).all()
    assert (radius < 2.0**-15).all()


def grid(exp: int, reach: int, *shape: int) -> F32:
    return np.ldexp(RNG.integers(-reach, reach + 1, shape).astype(np.float32), exp)


def test_sums_of_few_enough_steps_have_no_radius() -> None:
    bias = grid(-9, 100, 4)
    assert radius_of([Dense(grid(-3, 7, SIZE, 4), bias)], grid(-8, 255, 20, SIZE))[1] is None


def test_one_step_more_than_float32_holds_is_a_radius() -> None:
    """2**24 + 1 in steps; two less is exact."""
    kernel = np.array([[2.0**24], [1.0]], np.float32)
    x = np.ones((1, 2), np.float32)
    assert radius_of([Dense(kernel, None)], x)[1] is not None
    assert radius_of([Dense(kernel - np.array([[2], [0]], np.float32), None)], x)[1] is None


def test_a_bias_off_the_grid_of_the_products_is_counted() -> None:
    kernel = grid(0, 7, SIZE, 1)
    dense = Dense(kernel, np.array([2.0**-23], np.float32))
    assert radius_of([dense], grid(0, 7, 4, SIZE))[1] is not None


def test_a_quantizer_removes_the_radius_but_where_a_tie_is_near() -> None:
    x = np.array([[0.3, 0.1], [0.25, 0.25]], np.float32)
    # 0.1 + 0.15 and the like are not exact; only the second row lands at the tie of 0.5.
    dense = Dense(np.array([[1.0], [1.0]], np.float32), np.array([1e-9], np.float32))
    y, radius = radius_of([dense, Quantize(QuantizedBits(4, 3, alpha=1.0))], x)
    np.testing.assert_array_equal(y, [[0], [0]])
    assert radius is not None
    np.testing.assert_array_equal(radius, [[0], [1]])


def test_a_wrong_weight_code_is_beyond_the_radius() -> None:
    dense = Dense(floats(SIZE, 16), None)
    x = floats(64, SIZE)
    y, radius = radius_of([dense], x)
    wrong = dense.kernel.copy()
    wrong[3, 5] += np.float32(2.0**-7)
    pair = (Witness.TENSORFLOW, Witness.ORT)
    found = compare(pair, {pair[0]: y, pair[1]: x @ wrong}, 0, radius)
    assert found.beyond > 50 and found.differing >= found.beyond


def test_without_a_radius_every_difference_is_beyond() -> None:
    pair = (Witness.TENSORFLOW, Witness.NUMPY)
    x = np.array([1, 2, 3], np.float32)
    y = np.array([1, 2, np.nextafter(x[2], np.float32(4))], np.float32)
    assert compare(pair, {pair[0]: x, pair[1]: y}).beyond == 1
    assert compare(pair, {pair[0]: x, pair[1]: y}, 0, np.full(3, 1e-6)).beyond == 0
    y[0] = np.nan
    assert compare(pair, {pair[0]: x, pair[1]: y}, 0, np.full(3, np.inf)).beyond == 1


def test_the_operations_that_round_are_named() -> None:
    graph = chain([Dense(floats(4, 4), None), Relu(), Softmax(1)], (None, 4))
    layers = [Layer(node.name, "C", node.name) for node in graph.nodes]
    words = [rounding_in(graph, layer) for layer in layers]
    assert words == ["sums of more than 24 bits", INHERITED, "exponentials and their kin"]
