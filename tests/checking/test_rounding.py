"""The radius holds in every order of summation, is 0 where arithmetic is exact, and is small."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from qconvert.checking.compare import compare
from qconvert.checking.radius import Radius
from qconvert.checking.rounding import INHERITED, evaluate_bounded, misfits, rounding_in
from qconvert.checking.witness import Witness
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Shape, infer_shape, validate
from qconvert.ir.ops import (
    Affine,
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
from qconvert.runners.traces import Trace

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


def radius_of(ops: Sequence[Op], x: F32) -> tuple[F32, Radius]:
    """The reference's result, and the radius that adds up over all *ops*."""
    graph = chain(ops, (None, *x.shape[1:]))
    return evaluate_bounded(list(graph.nodes), graph.outputs[0].value, {"x": x})


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
    (Affine(np.linspace(-0.3, 0.7, 16, dtype=np.float32), np.full(1, 0.1, np.float32)),),
    (Affine(None, np.full(1, 0.1, np.float32)), Affine(np.full(1, 0.7, np.float32))),
]


@pytest.mark.parametrize(
    "ops", FOLLOWERS, ids=lambda ops: "-".join(type(op).__name__ for op in ops)
)
def test_programs_that_add_in_other_orders_stay_within_the_radius(ops: tuple[Op, ...]) -> None:
    dense = Dense(floats(SIZE, 16), floats(16))
    x = floats(64, SIZE)
    y, radius = radius_of([dense, *ops], x)
    assert radius.any()
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
    assert (np.abs(y.astype(np.float64) - other) <= radius).all()


def test_softmax_in_float64_stays_within_the_radius() -> None:
    x = floats(200, 10) * 8
    y, radius = radius_of([Softmax(1)], x)
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    assert (np.abs(y - e / e.sum(axis=1, keepdims=True)) <= radius).all()
    assert (radius < 2.0**-15).all()


def test_a_softmax_may_flush_twice_the_smallest_normal_number_and_no_more() -> None:
    """TensorFlow makes 0 of 1.995 * 2**-126, and of nothing that is as large as 2**-125."""
    x = np.array([[0, -86.645], [0, -86.6]], np.float32)
    y, radius = radius_of([Softmax(1)], x)
    assert (y[:, 1] > 2.0**-126).all()
    np.testing.assert_array_equal(y[:, 1] <= radius[:, 1], [True, False])


def grid(exp: int, reach: int, *shape: int) -> F32:
    return np.ldexp(RNG.integers(-reach, reach + 1, shape).astype(np.float32), exp)


def test_sums_of_few_enough_steps_have_no_radius() -> None:
    bias = grid(-9, 100, 4)
    assert not radius_of([Dense(grid(-3, 7, SIZE, 4), bias)], grid(-8, 255, 20, SIZE))[1].any()


def test_one_step_more_than_float32_holds_is_a_radius() -> None:
    """2**24 + 1 in steps; two less is exact."""
    kernel = np.array([[2.0**24], [1.0]], np.float32)
    x = np.ones((1, 2), np.float32)
    assert radius_of([Dense(kernel, None)], x)[1].any()
    assert not radius_of([Dense(kernel - np.array([[2], [0]], np.float32), None)], x)[1].any()


def test_a_bias_off_the_grid_of_the_products_is_counted() -> None:
    kernel = grid(0, 7, SIZE, 1)
    dense = Dense(kernel, np.array([2.0**-23], np.float32))
    assert radius_of([dense], grid(0, 7, 4, SIZE))[1].any()


def test_a_quantizer_removes_the_radius_but_where_a_tie_is_near() -> None:
    x = np.array([[0.3, 0.1], [0.25, 0.25]], np.float32)
    # 0.1 + 0.15 and the like are not exact; only the second row lands at the tie of 0.5.
    dense = Dense(np.array([[1.0], [1.0]], np.float32), np.array([1e-9], np.float32))
    y, radius = radius_of([dense, Quantize(QuantizedBits(4, 3, alpha=1.0))], x)
    np.testing.assert_array_equal(y, [[0], [0]])
    np.testing.assert_array_equal(radius, [[0], [1]])


PAIR = (Witness.TENSORFLOW, Witness.ORT)


def deep(depth: int) -> Graph:
    """Layers of 24 floats each, all of them known to the witnesses."""
    ops = [op for _ in range(depth) for op in (Dense(floats(24, 24), floats(24)), Relu())]
    graph = chain(ops, (None, 24))
    return replace(graph, layers=tuple(Layer(n.name, "C", n.name) for n in graph.nodes))


def trace(graph: Graph, values: Mapping[str, F32]) -> Trace:
    layers = {layer.name: values[layer.value] for layer in graph.layers}
    return Trace(layers, {"y": values[graph.outputs[0].value]})


def other_program(graph: Graph, x: F32) -> dict[str, F32]:
    """The graph by a program that adds in another order."""
    values = {"x": x}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        if isinstance(node.op, Dense):
            values[node.name] = one_by_one(node.op, *inputs)
        else:
            values[node.name] = apply(node.op, *inputs)
    return values


def test_every_layer_of_another_program_fits_what_it_computes_from() -> None:
    graph, x = deep(12), floats(40, 24)
    reference = trace(graph, evaluate(graph, {"x": x}))
    found = trace(graph, other_program(graph, x))
    assert (found.outputs["y"] != reference.outputs["y"]).any()
    fits = misfits(graph, {"x": x}, found, reference)
    assert all(mask is None for mask in (*fits.layers.values(), *fits.outputs.values()))


@pytest.mark.parametrize("fault", [-1.0, 0.0, 1.001])
def test_a_fault_behind_many_rounding_layers_is_found(fault: float) -> None:
    """A bound that added up over twelve layers would excuse anything."""
    graph, x = deep(12), floats(40, 24)
    reference = trace(graph, evaluate(graph, {"x": x}))
    values = other_program(graph, x)
    last = graph.nodes[-2].name
    values[last] = values[last] * np.float32(fault)
    values["v23"] = np.maximum(values[last], 0)
    found = misfits(graph, {"x": x}, trace(graph, values), reference)
    assert [name for name, mask in found.layers.items() if mask is not None] == [last]


def test_a_tie_rounded_the_other_way_is_found_though_other_elements_are_uncertain() -> None:
    """A quantizer is exact on what it gets, whatever came before."""
    graph = chain(
        [Dense(floats(24, 3), None), Quantize(QuantizedBits(4, 3, alpha=1.0))], (None, 24)
    )
    graph = replace(graph, layers=tuple(Layer(n.name, "C", n.name) for n in graph.nodes))
    x = floats(9, 24)
    values = evaluate(graph, {"x": x})
    reference = trace(graph, values)
    moved = {**values, "v0": values["v0"].copy(), "v1": values["v1"].copy()}
    moved["v0"][4] = [0.5, 1.5, 2.5]
    moved["v1"][4] = [1, 2, 3]
    mask = misfits(graph, {"x": x}, trace(graph, moved), reference).layers["v1"]
    assert mask is not None
    np.testing.assert_array_equal(np.argwhere(mask), [[4, 0], [4, 2]])


def test_unseen_layers_are_bounded_together_but_not_without_end() -> None:
    graph, x = deep(12), floats(40, 24)
    reference = trace(graph, evaluate(graph, {"x": x}))
    y = other_program(graph, x)["v23"]
    unseen = misfits(graph, {"x": x}, Trace({}, {"y": y}), reference)
    assert unseen.outputs["y"] is None
    wrong = misfits(graph, {"x": x}, Trace({}, {"y": y * np.float32(1.01)}), reference)
    assert wrong.outputs["y"] is not None


def test_another_shape_is_a_misfit_everywhere() -> None:
    graph, x = deep(2), floats(4, 24)
    values = evaluate(graph, {"x": x})
    wrong = {**values, "v1": values["v1"][:, :23]}
    found = misfits(graph, {"x": x}, trace(graph, wrong), trace(graph, values))
    assert found.layers["v0"] is None
    for name in ("v1", "v2"):
        mask = found.layers[name]
        assert mask is not None and mask.all()


def test_what_no_witness_explains_is_beyond_rounding() -> None:
    x = np.array([1, 2, 3], np.float32)
    arrays = {PAIR[0]: x, PAIR[1]: x + np.array([0, 1, 1], np.float32)}
    assert compare(PAIR, arrays).beyond == 2
    assert compare(PAIR, arrays, 0, {PAIR[0]: None, PAIR[1]: None}).beyond == 0
    only_last = np.array([True, False, True])
    assert compare(PAIR, arrays, 0, {PAIR[0]: None, PAIR[1]: only_last}).beyond == 1


def test_a_power_of_two_may_be_either_of_two_only_where_tensorflow_s_position_decides() -> None:
    """The square root of 1/2 is a tie, which the last elements of a tensor leave downwards."""
    op = Quantize(QuantizedPo2(4, quadratic_approximation=True))
    x = np.full((1, 35), 0.5, np.float32)
    x[0, ::2] = 0.75
    y, radius = radius_of([op], x)
    assert set(y[0, 1::2]) == {1.0, 0.25}
    np.testing.assert_array_equal(radius, np.where(y == 0.25, 0.75, 0))


def test_the_operations_that_round_are_named() -> None:
    graph = chain([Dense(floats(4, 4), None), Relu(), Softmax(1)], (None, 4))
    layers = tuple(Layer(node.name, "C", node.name) for node in graph.nodes)
    words = [rounding_in(replace(graph, layers=layers), layer) for layer in layers]
    assert words == ["sums of more than 24 bits", INHERITED, "exponentials and their kin"]
