"""Kernels that round by themselves: every number of theirs is held against all sums."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.layered_file import cones_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.paths import fusions, rises
from qconvert.checking.deployed.rounding_kernel import RoundingKernel
from qconvert.checking.deployed.saturation import highest
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Weight, infer_shape
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Padding,
    Pool,
    Quantize,
    Relu,
    Reshape,
    Scale,
    Transpose,
    UpSample,
)
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu

from .chained import chained
from .deployed_models import Array, change, node
from .judging import judged_in, kernel_in
from .repairing import check

CHANNELS: Final = 3
ACT: Final = Quantize(QuantizedRelu(4, 2))
SIGNED: Final = Quantize(QuantizedBits(4, 1, alpha=1.0))
ROLES: Final = ("gamma", "beta", "moving_mean", "moving_variance")


def drawn(*shape: int, seed: int = 0) -> F32:
    whole = np.random.default_rng(seed).integers(-7, 7, shape, endpoint=True)
    return (whole / 8).astype(np.float32)


def model_of(op: Conv | ConvTranspose, *front: tuple[str, Op]) -> Graph:
    """A quantizer, *front*, a convolution with a kernel, a normalization, and a quantizer."""
    numbers = [drawn(CHANNELS, seed=k) + np.float32(0.3) for k in range(3)]
    variance = np.array([0.7, 1.3, 2.9], np.float32)
    norm = BatchNormalization(numbers[0], variance, numbers[1], numbers[2], 1e-3, fused=True)
    steps: list[tuple[str, Op]] = [("q", ACT), *front, ("conv", op), ("norm", norm), ("act", ACT)]
    arrays = dict(zip(ROLES, (numbers[1], numbers[2], numbers[0], variance), strict=True))
    return chained((None, 5, 4, 2), steps, {"conv": {"kernel": op.kernel}, "norm": arrays})


KERNEL: Final = drawn(3, 3, 2, CHANNELS)
CONV: Final = Conv(KERNEL, None, (1, 1), (1, 2), ((1, 1), (2, 2)))
#: Of which the four places of a row are computed together.
ABREAST: Final = Conv(KERNEL, None, (1, 1), (1, 1), ((1, 1), (1, 1)))
TRANSPOSED: Final = ConvTranspose(drawn(3, 3, CHANNELS, 2), None, (2, 2), (1, 1), ((0, 1), (0, 1)))
OPS: Final = (CONV, ABREAST, TRANSPOSED)


def read_back(graph: Graph, model: onnx.ModelProto) -> dict[tuple[str, str], F32]:
    return stored_weights(Conversion(graph, model))


@pytest.mark.parametrize("op", OPS)
def test_all_weights_are_found(op: Conv | ConvTranspose) -> None:
    graph = model_of(op)
    found = read_back(graph, to_onnx(graph))
    assert set(found) == {("conv", "kernel"), *(("norm", role) for role in ROLES)}
    for layer in graph.layers:
        for role, weight in layer.weights.items():
            np.testing.assert_array_equal(found[layer.name, role], weight.effective)


def test_all_codes_of_a_quantizer_are_right_behind_it() -> None:
    """Also those that a rectifier before it never makes: so the layer behind is right by itself."""
    scale = Affine(np.array([0.3, -0.7], np.float32), None)
    front: list[tuple[str, Op]] = [
        ("before", Conv(drawn(1, 1, 2, 2), None, (1, 1), (1, 1), ((0, 0), (0, 0))))
    ]
    between: list[tuple[str, Op]] = [
        ("scaled", scale),
        ("positive", Relu(max_value=1.5)),
        ("signed", SIGNED),
    ]
    graph = model_of(CONV, *front, *between)
    model = to_onnx(graph)
    assert [each.op_type for each in model.graph.node].count("QLinearConv") == 2
    found = read_back(graph, model)
    assert not any(np.isnan(array).any() for array in found.values())


def more(by: int, channel: int = 1) -> Callable[[Array], Array]:
    def changed(array: Array) -> Array:
        array = array.copy()
        array.reshape(-1)[channel] += by
        return array

    return changed


def scaled(array: Array) -> Array:
    array = array.copy() if array.ndim else np.full(CHANNELS, array)
    array[1] *= np.float32(1.05)
    return array


def kernel_name(model: onnx.ModelProto, place: int) -> str:
    """What is stored, of which the operand may be computed."""
    (product,) = (each for each in model.graph.node if each.op_type == "QLinearConv")
    makers = {each.output[0]: each for each in model.graph.node}
    name = product.input[place]
    while name in makers:
        name = makers[name].input[0]
    return str(name)


@pytest.mark.parametrize(
    ("place", "to"),
    [
        (8, more(1)),
        (8, more(-1)),
        (4, lambda scale: np.resize(scaled(scale), 4 * CHANNELS)),
        (6, lambda scale: scale * 2),
    ],
)
def test_a_kernel_in_front_of_a_pool_is_gone_through(
    place: int, to: Callable[[Array], Array]
) -> None:
    """A bias on the grid of the sums, and nothing else between these and the quantizer."""
    bias, shape = drawn(CHANNELS, seed=1), (None, 5, 4, CHANNELS)
    pool = Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0)))
    nodes = (
        Node("q", ACT, ("x",), (None, 5, 4, 2)),
        Node("conv", replace(ABREAST, bias=bias), ("q",), shape),
        Node("pool", pool, ("conv",), infer_shape(pool, shape)),
        Node("act", ACT, ("pool",), infer_shape(pool, shape)),
    )
    weights = {
        "kernel": Weight(KERNEL, KERNEL, None),
        "bias": Weight(bias, bias, None),
    }
    layers = tuple(Layer(n.name, "L", n.name, weights if n is nodes[1] else {}) for n in nodes)
    graph = Graph("m", (Input("x", (None, 5, 4, 2)),), nodes, (Output("act", "act"),), layers)
    model = to_onnx(graph)
    np.testing.assert_array_equal(read_back(graph, model)["conv", "bias"], bias)
    change(model, kernel_name(model, place), to)
    assert np.isnan(read_back(graph, model)["conv", "bias"][1])


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    ("place", "to"),
    [
        (4, scaled),
        (8, more(40)),
        (8, more(-40)),
        (6, lambda scale: scale * 2),
    ],
)
def test_other_numbers_are_other_normalizations(
    op: Conv | ConvTranspose, place: int, to: Callable[[Array], Array]
) -> None:
    """Scales and biases."""
    graph = model_of(op)
    model = to_onnx(graph)
    change(model, kernel_name(model, place), to)
    found = read_back(graph, model)
    assert np.isnan(found["norm", "gamma"]).any()
    assert not np.isnan(found["conv", "kernel"]).any()


def kernel_with_another(op: Conv | ConvTranspose, place: int) -> F32:
    """What is found of a file of which one stored weight is a step more."""
    graph = model_of(op)
    model = to_onnx(graph)
    change(model, kernel_name(model, 3), more(1, place))
    return read_back(graph, model)["conv", "kernel"]


@pytest.mark.parametrize("op", OPS)
def test_another_weight_is_seen_at_its_channel(op: Conv | ConvTranspose) -> None:
    wrong = kernel_with_another(op, 0) != op.kernel
    axis = tuple(i for i in range(4) if i != (2 if isinstance(op, ConvTranspose) else 3))
    assert wrong.any(axis=axis).tolist() == [True, False, False]


@pytest.mark.parametrize("place", range(18))
def test_one_wrong_weight_is_told_with_its_number(place: int) -> None:
    """Also where it is the largest of its channel, by which others would be measured."""
    found = kernel_with_another(CONV, place)
    ((row, column, source, channel),) = np.argwhere(found != CONV.kernel)
    assert np.ravel_multi_index((channel, source, row, column), (CHANNELS, 2, 3, 3)) == place
    assert np.isfinite(found[row, column, source, channel])


@pytest.mark.parametrize("place", range(24))
def test_a_wrong_weight_of_all_places_is_told(place: int) -> None:
    """Or one that is no 0 between their windows, of which none is the model's."""
    found = kernel_with_another(ABREAST, place)
    channel, source, row, column = np.unravel_index(place, (CHANNELS, 2, 3, 4))
    wrong = np.argwhere(found != KERNEL).tolist()
    if column < 3:
        assert wrong == [[row, column, source, channel]]
        assert np.isfinite(found[row, column, source, channel])
    else:
        assert {indices[3] for indices in wrong} == {channel}


@pytest.mark.parametrize(
    ("stride", "padding"),
    [(1, ((0, 0), (0, 1))), (1, ((1, 1), (1, 2))), (2, ((0, 0), (0, 0)))],
)
def test_a_row_of_which_the_end_is_cut_off_is_read_back_with_its_own_padding(
    stride: int, padding: Padding
) -> None:
    """What ends elsewhere is another convolution, of which nothing is known."""
    op = replace(ABREAST, strides=(1, stride), padding=padding)
    graph = model_of(op, ("stretched", UpSample((1, 3 * stride))))
    model = to_onnx(graph)
    assert any(each.op_type == "Slice" for each in model.graph.node)
    found = read_back(graph, model)
    np.testing.assert_array_equal(found["conv", "kernel"], KERNEL)
    assert not np.isnan(found["norm", "beta"]).any()
    pads = next(each for each in product_of(model).attribute if each.name == "pads")
    pads.ints[3] += 1
    assert not read_back(graph, model)


@pytest.mark.parametrize(("operand", "by"), [(3, 1), (8, 40)])
@pytest.mark.parametrize("kernel", range(4 * CHANNELS))
def test_a_number_of_one_place_alone_is_wrong(operand: int, by: int, kernel: int) -> None:
    """Weights or a bias: that of another place is no witness for it."""
    graph = model_of(ABREAST)
    model = to_onnx(graph)
    product = product_of(model)
    array = OnnxGraph(model.graph).constant(product.input[operand])
    assert array is not None and len(array) == 4 * CHANNELS
    other = array.copy()
    other[(kernel, *[0] * (array.ndim - 1))] += by
    model.graph.initializer.append(numpy_helper.from_array(other, "other"))
    product.input[operand] = "other"
    found = read_back(graph, model)
    assert np.flatnonzero(np.isnan(found["norm", "beta"])).tolist() == [kernel % CHANNELS]
    other_kernel = (found["conv", "kernel"] != KERNEL).any(axis=(0, 1, 2))
    assert np.flatnonzero(other_kernel).tolist() == ([kernel % CHANNELS] if operand == 3 else [])


def test_weights_of_which_most_are_wrong_are_not_told() -> None:
    graph = model_of(CONV)
    model = to_onnx(graph)
    change(model, kernel_name(model, 3), lambda codes: codes[:, :, ::-1].copy())
    assert np.isnan(read_back(graph, model)["conv", "kernel"]).any()


def test_a_bias_of_one_more_is_judged_by_what_it_does() -> None:
    """Some channels have room for it: then every code is the same, and nothing is wrong."""
    graph = model_of(CONV)
    seen = set()
    for channel in range(CHANNELS):
        for by in range(-12, 13):
            model = to_onnx(graph)
            change(model, kernel_name(model, 8), more(by, channel))
            wrong = np.isnan(read_back(graph, model)["norm", "beta"])
            assert not wrong[[i for i in range(CHANNELS) if i != channel]].any()
            seen.add((by == 0, bool(wrong[channel])))
    assert (False, True) in seen and (True, False) in seen and (True, True) not in seen


@pytest.mark.parametrize(("place", "to"), [(1, 1), (2, 14)])
def test_the_ends_of_the_clip_count(place: int, to: int) -> None:
    graph = model_of(CONV)
    model = to_onnx(graph)
    clip = next(
        each
        for each in model.graph.node
        if each.op_type == "Clip" and node(model, "act/Clip").name == each.name
    )
    end = numpy_helper.from_array(np.array(to, np.uint8), "other")
    model.graph.initializer.append(end)
    clip.input[place] = "other"
    assert np.isnan(read_back(graph, model)["norm", "beta"]).any()


@pytest.mark.parametrize(("ends", "right"), [((0, 15), True), ((1, 15), False), ((0, 14), False)])
def test_the_first_sum_and_the_last_one_count(ends: tuple[int, int], right: bool) -> None:
    """A kernel that returns what comes in, but for one of 16 sums."""
    one = Conv(np.ones((1, 1, 1, 1), np.float32), None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    shape = (None, 2, 2, 1)
    steps: list[tuple[str, Op, str]] = [("q", ACT, "x"), ("conv", one, "q"), ("act", ACT, "conv")]
    nodes = tuple(Node(name, op, (source,), shape) for name, op, source in steps)
    graph = Graph("m", (Input("x", shape),), nodes, (Output("act", "act"),), ())
    attributes: dict[str, Any] = {"strides": [1, 1], "dilations": [1, 1], "pads": [0] * 4}
    kernel = RoundingKernel(
        onnx.helper.make_node("QLinearConv", [], ["y"], group=1, **attributes),
        np.ones((1, 1, 1, 1), np.int64),
        np.zeros(1, np.int64),
        np.ones(1, np.float32),
        x_scale=0.25,
        y_scale=0.25,
        zero=0,
        ends=ends,
    )
    found = judged_in(graph, kernel)
    assert found is not None
    assert (bool(found.weights.all()), bool(found.codes.all())) == (True, right)


@pytest.mark.parametrize(
    ("place", "array"), [(1, np.array(0.125, np.float32)), (2, np.array(1, np.uint8))]
)
def test_codes_that_are_taken_for_others_leave_nothing_known(place: int, array: Array) -> None:
    """Another scale or zero point of the input than its codes have."""
    graph = model_of(CONV)
    model = to_onnx(graph)
    (product,) = (each for each in model.graph.node if each.op_type == "QLinearConv")
    model.graph.initializer.append(numpy_helper.from_array(array, "other"))
    product.input[place] = "other"
    assert read_back(graph, model) == {}


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_codes_may_be_shifted_into_bits_that_are_free(bits: int) -> None:
    """As the scale says: by other places the sums are others, and by 5 the codes are lost."""
    graph = model_of(CONV)
    model = to_onnx(graph)
    (product,) = (each for each in model.graph.node if each.op_type == "QLinearConv")
    for name, array in (("places", np.array(bits, np.uint8)), ("step", np.float32(0.25 / 16))):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    shift = onnx.helper.make_node(
        "BitShift", [product.input[0], "places"], ["shifted"], "shift", direction="LEFT"
    )
    model.graph.node.insert(list(model.graph.node).index(product), shift)
    product.input[0], product.input[1] = "shifted", "step"
    found = read_back(graph, model)
    assert bool(found) == (bits == 4)
    if found:
        # The multiplier is one of unshifted sums: weights are right, and codes are not.
        assert np.isnan(found["norm", "beta"]).all()


@pytest.mark.parametrize("place", [1, 6, 7])
def test_a_number_on_an_axis_of_its_own_is_that_number(place: int) -> None:
    graph = model_of(CONV)
    model = to_onnx(graph)
    right = read_back(graph, model)
    change(model, kernel_name(model, place), lambda number: number.reshape(1))
    found = read_back(graph, model)
    assert found.keys() == right.keys()
    assert all(np.array_equal(found[key], right[key]) for key in right)


@pytest.mark.parametrize("place", [1, 3, 4, 5, 6, 7, 8])
def test_as_many_numbers_as_no_kernel_has_leave_nothing_known(place: int) -> None:
    graph = model_of(CONV)
    model = to_onnx(graph)
    change(model, kernel_name(model, place), lambda array: np.resize(array, (2, 9, 3, 2)))
    assert read_back(graph, model) == {}


def product_of(model: onnx.ModelProto) -> onnx.NodeProto:
    (product,) = (each for each in model.graph.node if each.op_type == "QLinearConv")
    found: onnx.NodeProto = product
    return found


def capped(model: onnx.ModelProto) -> None:
    """An operator behind the kernel that no table knows."""
    clip = node(model, "act/Clip")
    cap = numpy_helper.from_array(np.full((1, CHANNELS, 1, 1), 14, np.uint8), "cap")
    least = onnx.helper.make_node("Min", ["uncapped", "cap"], [clip.output[0]], "min")
    clip.output[0] = "uncapped"
    model.graph.initializer.append(cap)
    model.graph.node.insert(list(model.graph.node).index(clip) + 1, least)


def computed_end(model: onnx.ModelProto) -> None:
    """A bound of the Clip that depends on the input."""
    most = onnx.helper.make_node("ReduceMax", ["q/Clip"], ["most"], "most", keepdims=0)
    clip = node(model, "act/Clip")
    clip.input[2] = "most"
    model.graph.node.insert(list(model.graph.node).index(clip), most)


def another_one(model: onnx.ModelProto) -> None:
    """Two convolutions where one is to be: the second one returns what it is given."""
    product = product_of(model)
    kernel = np.eye(CHANNELS, dtype=np.int8).reshape(CHANNELS, CHANNELS, 1, 1)
    model.graph.initializer.append(numpy_helper.from_array(kernel, "eye"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), "nought"))
    clip = node(model, "act/Clip")
    scale, zero = product.input[6], product.input[7]
    places = [product.output[0], scale, zero, "eye", "one", "nought", scale, zero]
    second = onnx.helper.make_node("QLinearConv", places, ["twice"], "twice")
    clip.input[0] = "twice"
    model.graph.node.insert(list(model.graph.node).index(clip), second)


def laid_out_otherwise(name: str, value: object) -> Callable[[onnx.ModelProto], None]:
    def edit(model: onnx.ModelProto) -> None:
        attributes = product_of(model).attribute
        kept = [each for each in attributes if each.name != name]
        del attributes[:]
        attributes.extend([*kept, onnx.helper.make_attribute(name, value)])

    return edit


@pytest.mark.parametrize("op", [CONV, ABREAST])
@pytest.mark.parametrize(
    "edit",
    [
        capped,
        computed_end,
        another_one,
        laid_out_otherwise("dilations", [2, 1]),
        laid_out_otherwise("strides", [1, 2]),
        laid_out_otherwise("pads", [1, 1, 0, 2]),
        laid_out_otherwise("pads", [0, 0, 0, 0]),
        laid_out_otherwise("auto_pad", "SAME_LOWER"),
    ],
)
def test_what_stands_beside_a_kernel_leaves_nothing_known(
    edit: Callable[[onnx.ModelProto], None], op: Conv
) -> None:
    graph = model_of(op)
    model = to_onnx(graph)
    edit(model)
    assert read_back(graph, model) == {}


def test_a_layer_is_inside_of_a_kernel_only_where_the_graph_has_it() -> None:
    graph = model_of(CONV)
    metadata = read_metadata(to_onnx(graph))
    assert metadata is not None
    layers = metadata.layers
    assert fusions(graph, layers) == {"conv": "act", "norm": "act"}
    q, conv, norm, act = layers
    claims = (
        replace(q, tensor=None, codes=None, fused_into="act"),
        replace(conv, fused_into="nowhere"),
        replace(norm, fused_into="conv"),
        act,
    )
    assert fusions(graph, claims) == {}
    assert fusions(graph, (q, replace(conv, tensor="x"), norm, act)) == {"norm": "act"}
    assert cones_of(OnnxGraph(to_onnx(graph).graph), claims)["conv"] == []


POOL: Final = Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0)))


def moved_in_front(graph: Graph, op: Op, *behind: Op) -> Graph:
    """*op* between the convolution and *behind* it the normalization, or others in its place."""
    q, conv, norm, act = graph.nodes
    nodes = [q, conv]
    for number, made in enumerate((op, *(behind or (norm.op,)), act.op)):
        before = nodes[-1]
        name = "act" if made is act.op else f"n{number}"
        nodes.append(Node(name, made, (before.name,), infer_shape(made, before.shape)))
    return replace(graph, nodes=tuple(nodes))


def gains(*factors: float) -> BatchNormalization:
    gamma = np.array(factors, np.float32)
    ones = np.ones(CHANNELS, np.float32)
    return BatchNormalization(ones * np.float32(1 / 8), ones, gamma, ones, 1e-3, fused=True)


def in_the_place_of(op: Op) -> Graph:
    """The model with another op as its normalization."""
    graph = model_of(CONV)
    q, conv, norm, act = graph.nodes
    return replace(graph, nodes=(q, conv, replace(norm, op=op), act))


RISING: Final[tuple[Op, ...]] = (
    gains(0.9, 0, 0.37),
    replace(gains(0.9, 2, 0.37), fused=False),
    Affine(np.array([0.7, 0, 0.33], np.float32)),
    Affine(None, np.array([0.1, 0.2, 0.3], np.float32)),
    Scale(0.5),
)
FALLING: Final[tuple[Op, ...]] = (
    gains(1, -1e-6, 0.5),
    replace(gains(1, -1e-6, 0.5), fused=False),
    gains(1, np.nan, 0.5),
    Affine(np.array([1, -1, 0.5], np.float32)),
    Scale(-0.5),
)


@pytest.mark.parametrize("op", RISING)
def test_the_largest_of_what_rises_is_judged(op: Op) -> None:
    """A pool in front of it is as good as one behind it."""
    graph = in_the_place_of(op)
    kernel = kernel_in(to_onnx(graph))
    moved = moved_in_front(graph, POOL, op)
    found = judged_in(moved, kernel)
    assert found is not None and found.codes.all() and found.weights.all()
    other = replace(kernel, scales=kernel.scales * np.array([2, 1, 1], np.float32))
    found = judged_in(moved, other)
    assert found is not None and found.codes.tolist() == [False, True, True]


@pytest.mark.parametrize("op", FALLING)
def test_the_largest_of_what_falls_is_judged_by_nobody(op: Op) -> None:
    """A pool in front of a normalization of which one channel falls."""
    graph = in_the_place_of(op)
    kernel = kernel_in(to_onnx(model_of(CONV)))
    assert judged_in(graph, kernel) is not None
    moved = moved_in_front(graph, POOL, op)
    assert judged_in(moved, kernel) is None


def test_a_pool_behind_a_kernel_of_what_falls_is_never_proven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though by so little that no sample shows it, and an export would write it, too."""
    op = gains(0.9, -1e-6, 0.37)
    moved = moved_in_front(in_the_place_of(op), POOL, op)
    layers = tuple(Layer(node.name, "Layer", node.name) for node in moved.nodes)
    graph = replace(moved, layers=layers)
    exporter = import_module("qconvert.emit.requantization.chains")
    monkeypatch.setattr(exporter, "_never_falls", lambda _: True)
    model = to_onnx(graph)
    assert "QLinearConv" in {each.op_type for each in model.graph.node}
    report = check(graph, model, graph)
    inside = [layer.finding.verdict for layer in report.layers[1:4]]
    assert inside == [Verdict.UNCHECKED] * 3
    assert report.outputs[0].finding.verdict is Verdict.SAMPLED


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("fused", [True, False])
def test_one_negative_gain_is_enough_in_each_program_of_a_normalization(
    channels: int, fused: bool
) -> None:
    ones = np.ones(channels, np.float32)
    op = BatchNormalization(ones, ones, ones, ones, 1e-3, fused=fused)
    assert rises(Node("n", op, ("x",), (None, channels)))
    falls = replace(op, gamma=ones - 2 * np.eye(channels, dtype=np.float32)[1])
    assert not rises(Node("n", falls, ("x",), (None, channels)))


def test_a_normalization_of_other_channels_is_judged_by_nobody() -> None:
    """Rows in the place of channels, of which there are as many."""
    op = gains(1, 2, 0.5)
    graph = in_the_place_of(op)
    kernel = kernel_in(to_onnx(graph))
    wide = replace(graph.nodes[1], shape=(None, 3, CHANNELS, CHANNELS))
    graph = replace(graph, nodes=(graph.nodes[0], wide, *graph.nodes[2:]))
    for first in (Transpose((0, 1, 3, 2)), Reshape((CHANNELS * CHANNELS, 3))):
        moved = moved_in_front(graph, first, op)
        assert judged_in(moved, kernel) is None
        elementwise = moved_in_front(graph, first, Scale(2.0))
        assert judged_in(elementwise, kernel) is not None


@pytest.mark.parametrize(("filler", "most"), [(None, 15), (9, 15), (200, 200)])
def test_what_is_padded_is_no_more_than_it_was_or_than_the_padding(
    filler: int | None, most: int
) -> None:
    """What an exporter that counts on a Clip has to find again behind a layer of padding."""
    ends = [numpy_helper.from_array(np.array(n, np.uint8), f"end{n}") for n in (0, 15)]
    sizes = numpy_helper.from_array(np.zeros(2, np.int64), "sizes")
    given = [] if filler is None else [numpy_helper.from_array(np.array(filler, np.uint8), "with")]
    nodes = [
        onnx.helper.make_node("Clip", ["x", "end0", "end15"], ["clipped"]),
        onnx.helper.make_node("Pad", ["clipped", "sizes", *(t.name for t in given)], ["padded"]),
        onnx.helper.make_node("Transpose", ["padded"], ["moved"]),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [], [], [*ends, sizes, *given])
    assert highest("moved", OnnxGraph(graph)) == most


def test_what_a_wrong_kernel_rounds_to_is_inherited_from_it() -> None:
    """The file shows nothing of the layers in the kernel but their weights."""
    graph = model_of(CONV)
    model = to_onnx(graph)
    change(model, kernel_name(model, 3), more(5))
    report = check(graph, model, graph)
    found = {layer.name: layer.finding for layer in report.layers}
    assert found["act"].verdict is Verdict.DIFFERS and found["act"].inherited_from == ("conv",)
    assert found["act"].reason.startswith("inherited from conv: ONNX Runtime differs")
    assert report.first_difference is not None and report.first_difference.name == "conv"
    assert report.outputs[0].finding.inherited_from == ("conv",)


def test_what_the_quantizer_of_a_right_kernel_does_wrong_is_its_own() -> None:
    graph = model_of(CONV)
    model = to_onnx(graph)
    clip = node(model, "act/Clip")
    highest = next(x for x in model.graph.initializer if x.name == clip.input[2])
    lower = numpy_helper.from_array(numpy_helper.to_array(highest) - 1, "lower")
    model.graph.initializer.append(lower)
    clip.input[2] = "lower"
    found = {layer.name: layer.finding for layer in check(graph, model, graph).layers}
    assert found["act"].verdict is Verdict.DIFFERS and found["act"].inherited_from == ()
