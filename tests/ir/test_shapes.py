"""`infer_shape` against what the reference computes, and against known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qconvert.ir import Graph, Input, Node, Op, Output, Shape, infer_shape
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
    Padding,
    Pool,
    Quantize,
    Recurrence,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.ir.quantizers import QuantizedBits
from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    StepMask,
    UnfoldTime,
    UnitNormalize,
    Where,
    WithConstant,
)
from qconvert.reference import apply

Case = tuple[Op, tuple[tuple[int, ...], ...]]


def zeros(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.zeros(shape, np.float32)


def many(low: int, high: int, count: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(low, high)] * count)


def paddings(count: int, low: int = 0) -> st.SearchStrategy[Padding]:
    return st.tuples(*[st.tuples(st.integers(low, 2), st.integers(low, 2))] * count)


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    rank = draw(st.integers(1, 3))
    window, strides = draw(many(1, 3, rank)), draw(many(1, 3, rank))
    dilations, padding = draw(many(1, 2, rank)), draw(paddings(rank))
    groups, inputs, outputs = draw(many(1, 3, 3))
    x = (draw(st.integers(1, 2)), *draw(many(5, 9, rank)), groups * inputs)
    kernel = zeros(*window, inputs, groups * outputs)
    bias = draw(st.sampled_from([None, zeros(groups * outputs)]))
    return Conv(kernel, bias, strides, dilations, padding, groups), (x,)


@st.composite
def transposed_convolutions(draw: st.DrawFn) -> Case:
    rank = draw(st.integers(1, 2))
    window, strides, dilations = (draw(many(1, 3, rank)) for _ in range(3))
    kernel = zeros(*window, *draw(many(1, 3, 2)))
    cropping = draw(paddings(rank, low=-2))
    x = (1, *draw(many(5, 7, rank)), kernel.shape[-1])
    return ConvTranspose(kernel, None, strides, dilations, cropping), (x,)


@st.composite
def pools(draw: st.DrawFn) -> Case:
    rank = draw(st.integers(1, 2))
    window, strides = draw(many(2, 3, rank)), draw(many(1, 4, rank))
    padding = draw(st.tuples(*[st.tuples(st.integers(0, 1), st.integers(0, 1))] * rank))
    return Pool("mean", window, strides, padding), ((1, *draw(many(3, 8, rank)), 2),)


@st.composite
def reductions(draw: st.DrawFn) -> Case:
    shape = draw(many(1, 4, 4))
    axes = tuple(sorted(draw(st.sets(st.integers(1, 3), min_size=1))))
    return Reduce("mean", axes, draw(st.booleans())), (shape,)


@st.composite
def merges(draw: st.DrawFn) -> Case:
    shape = draw(many(1, 4, 3))
    masks = draw(st.lists(st.tuples(*[st.booleans()] * 3), min_size=2, max_size=4))
    shapes = tuple(
        tuple(n if keep else 1 for n, keep in zip(shape, mask, strict=True)) for mask in masks
    )
    dropped = tuple(draw(st.sampled_from([s, s[1:] if s[0] == 1 else s])) for s in shapes)
    return Merge("average"), dropped


@st.composite
def concatenations(draw: st.DrawFn) -> Case:
    shape, axis = draw(many(1, 4, 3)), draw(st.integers(1, 2))
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    return Concat(axis), tuple((*shape[:axis], n, *shape[axis + 1 :]) for n in lengths)


@st.composite
def reshapes(draw: st.DrawFn) -> Case:
    shape = draw(many(1, 4, 3))
    target = list(draw(st.permutations([*shape[1:], 1])))
    if draw(st.booleans()):
        target[draw(st.integers(0, 2))] = -1
    return Reshape(tuple(target)), (shape,)


@st.composite
def slices(draw: st.DrawFn) -> Case:
    end = st.none() | st.integers(-6, 6)
    begins, ends = draw(st.tuples(end, end)), draw(st.tuples(end, end))
    steps = draw(st.tuples(*[st.sampled_from([1, 2, 3, -1, -2])] * 2))
    shape = (2, *draw(many(1, 5, 2)))
    if not draw(st.booleans()):
        return Slice(begins, ends, steps), (shape,)
    index = draw(st.integers(-shape[1], shape[1] - 1))
    op = Slice((index, begins[1]), (index + 1 or None, ends[1]), (1, steps[1]), squeeze=(1,))
    return op, (shape,)


@st.composite
def others(draw: st.DrawFn) -> Case:
    shape = draw(many(1, 4, 4))
    channels = zeros(shape[-1])
    ops: list[Op] = [
        Dense(zeros(shape[-1], 3), None),
        Transpose((0, *draw(st.permutations([1, 2, 3])))),
        Pad(draw(paddings(3))),
        UpSample(draw(many(1, 3, 2))),
        BatchNormalization(channels, channels, None, channels, 0.1, draw(st.booleans())),
        Quantize(QuantizedBits(alpha=1.0)),
        Scale(2.0),
        Affine(channels, None),
        Affine(None, channels[:1]),
        Relu(),
        Softmax(draw(st.integers(1, 3))),
        Elementwise(Function.TANH),
    ]
    return draw(st.sampled_from(ops)), (shape,)


CASES = st.one_of(
    convolutions(),
    transposed_convolutions(),
    pools(),
    reductions(),
    merges(),
    concatenations(),
    reshapes(),
    slices(),
    others(),
)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(CASES)
def test_inferred_shape_is_that_of_the_result(case: Case) -> None:
    op, shapes = case
    assert infer_shape(op, *shapes) == apply(op, *(zeros(*shape) for shape in shapes)).shape


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.one_of(convolutions(), transposed_convolutions(), pools(), slices(), others()))
def test_an_unknown_batch_changes_no_other_axis(case: Case) -> None:
    op, (x,) = case
    assert infer_shape(op, (None, *x[1:])) == (None, *infer_shape(op, x)[1:])


def step(state: Shape, result: Op) -> Graph:
    """A body of two features, whose state becomes ``result(features)``."""
    made = infer_shape(result, (None, 2))
    return Graph(
        "step",
        (Input("x", (None, 2)), Input("h", state)),
        (Node("y", result, ("x",), made),),
        (Output("h", "y"),),
        (),
    )


LOOP = Recurrence(step((None, 5), Dense(zeros(2, 5), None)))
#: Two sequences and two states.
LOOPS = Recurrence(
    Graph(
        "step",
        (
            Input("x", (None, 2)),
            Input("m", (None, 1)),
            Input("a", (None, 2)),
            Input("b", (None, 3)),
        ),
        (Node("y", Where(), ("m", "x", "a"), (None, 2)),),
        (Output("a", "y"), Output("b", "b")),
        (),
    ),
    sequences=2,
)


@pytest.mark.parametrize(
    ("op", "shapes", "expected"),
    [
        (LOOP, ((None, None, 2),), (None, None, 5)),
        (LOOP, ((None, 3, 2), (None, 5)), (None, 3, 5)),
        (LOOPS, ((None, 3, 2), (None, 3, 1)), (None, 3, 5)),
        (LOOPS, ((None, None, 2), (None, None, 1), (None, 2)), (None, None, 5)),
        (LOOPS, ((None, 3, 2), (None, 3, 1), (None, 2), (None, 3)), (None, 3, 5)),
        (StepMask(0.0), ((None, None, 4),), (None, None, 1)),
        (Where(), ((None, None, 1), (None, None, 4)), (None, None, 4)),
        (Where(), ((None, 3), (None, 3), (None, 3)), (None, 3)),
        (Merge("add"), ((None, 3), (None, 1)), (None, 3)),
        (Merge("add"), ((None, None, 1), (None, 5, 2)), (None, 5, 2)),
        (Concat(1), ((None, 2), (None, None)), (None, None)),
        (Reshape((-1, 4)), ((None, None, 8),), (None, None, 4)),
        (Reshape((-1, 4)), ((None, 3, 8),), (None, 6, 4)),
        (Slice((1, None), (None, None), (1, 1)), ((None, None, 4),), (None, None, 4)),
        (UpSample((2, 2)), ((None, None, 3, 1),), (None, None, 6, 1)),
        (Pool("max", (2, 2), (2, 2), ((0, 0), (0, 1))), ((None, None, 3, 1),), (None, None, 2, 1)),
        (Reduce("max", (1, 2), False), ((None, None, None, 7),), (None, 7)),
        (Dense(zeros(3, 2), None), ((None, None, 3),), (None, None, 2)),
    ],
)
def test_unknown_axes_stay_unknown(op: Op, shapes: tuple[Shape, ...], expected: Shape) -> None:
    assert infer_shape(op, *shapes) == expected


CONV = Conv(zeros(3, 2, 4), None, (1,), (2,), ((0, 0),))


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (Dense(zeros(3, 2), None), ((None, 4),), "last axis 4 is not 3"),
        (CONV, ((None, 9, 3),), "3 channels, the kernel takes 2"),
        (CONV, ((None, 4, 2),), "window 5 exceeds the padded axis of 4"),
        (ConvTranspose(zeros(3, 2, 4), None, (1,), (1,), ((0, 0),)), ((None, 9, 2),), "takes 4"),
        (Affine(zeros(2), None), ((None, 3),), "last axis 3 does not take"),
        (Merge("add"), ((None, 3), (None, 2)), "do not merge"),
        (Concat(2), ((None, 3, 1), (None, 2, 1)), "does not join"),
        (Concat(1), ((None, 3), (None, 3, 1)), "does not join"),
        (Reshape((5,)), ((None, 2, 3),), "6 elements do not make"),
        (Reshape((-1, 4)), ((None, 2, 3),), "6 elements do not make"),
        (LOOP, ((None, 2),), "a sequence has 3 axes"),
        (LOOP, ((None, 3, 4),), "a step of shape"),
        (LOOP, ((None, 3, 2), (None, 4)), "first states of shapes"),
        (LOOP, ((None, 3, 2), (None, 5), (None, 5)), "first states of shapes"),
        (LOOPS, ((None, 3, 2),), "1 inputs for 2 sequences"),
        (LOOPS, ((None, 3, 2), (None, 4, 1)), "have different steps"),
        (LOOPS, ((None, 3, 2), (None, 3, 2)), "a step of shape"),
        (LOOPS, ((None, 3, 2), (None, 3, 1), (None, 3)), "first states of shapes"),
        (Where(), ((None, 1), (None, 2), (None, 3)), "no choice between"),
        (Where(), ((None, 2), (None, 4)), "does not choose in"),
        (Where(), ((None, 1), (None, 4, 2)), "does not choose in"),
        (Recurrence(step((None, 4), Relu())), ((None, 3, 2),), "become"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    op: Op, shapes: tuple[Shape, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        infer_shape(op, *shapes)


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (WithConstant("add", zeros(3)), [(None, 4)], "does not broadcast"),
        (WithConstant("add", zeros(4)), [(None, 2, 4)], "does not broadcast"),
        (PRelu(zeros(1, 3)), [(None, 2, 4)], "does not broadcast"),
        (MatMul(), [(None, 2, 3), (None, 4, 3)], "do not multiply"),
        (MatMul(), [(None, 3), (3, 4)], "do not multiply"),
        (Divide(), [(None, 3), (None, 4)], "do not broadcast"),
        (Resize((4, 5), (2, 2), "nearest"), [(None, 4, 6, 1)], "are resized"),
    ],
)
def test_stock_ops_refuse_inputs_that_do_not_fit(op: Op, shapes: list[Shape], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        infer_shape(op, *shapes)


@pytest.mark.parametrize(
    ("op", "shapes"),
    [
        (WithConstant("add", zeros(1, 3)), [(2, 4, 3)]),
        (Divide(), [(2, 1, 3), (2, 4, 1)]),
        (MatMul(), [(2, 4, 3), (2, 3, 5)]),
        (Resize((4, 5), (7, 2), "bilinear"), [(2, 4, 5, 3)]),
        (Embedding(zeros(6, 3)), [(2, 4)]),
        (FoldTime(), [(2, 3, 4)]),
        (UnfoldTime(3), [(6, 4)]),
        (UnitNormalize((1,), 1e-12), [(2, 3)]),
        (Power(2.0), [(2, 3)]),
        (LayerNormalization((2,), zeros(1, 3), None, 1e-3, True), [(2, 4, 3)]),
    ],
)
def test_shapes_of_stock_ops_are_the_references(op: Op, shapes: list[tuple[int, ...]]) -> None:
    inferred = infer_shape(op, *((None, *shape[1:]) for shape in shapes))
    result = apply(op, *(zeros(*shape) for shape in shapes))
    assert inferred[1:] == result.shape[1:]
