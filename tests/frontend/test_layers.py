from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import BadFileError, UnsupportedError
from qconvert.frontend import build_graph
from qconvert.ir import Graph
from qconvert.ir.ops import (
    BatchNormalization,
    Conv,
    ConvTranspose,
    Merge,
    Op,
    Pool,
    Reduce,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
)
from qconvert.ir.quantizers import QuantizedBits


def build(sketch: Any, layer: Any, *shape: int | None, weights: Any = ()) -> Graph:
    config = sketch.functional([sketch.source("x", *shape), layer], ["x"], [layer["name"]])
    return build_graph(sketch.file(config, {layer["name"]: weights} if len(weights) else {}))


def ops(graph: Graph) -> list[Op]:
    return [node.op for node in graph.nodes]


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "dilation", "expected"),
    [
        (8, 3, 1, 1, (1, 1)),
        (8, 2, 1, 1, (0, 1)),
        (8, 3, 2, 1, (0, 1)),
        (7, 3, 2, 1, (1, 1)),
        (8, 1, 3, 1, (0, 0)),
        (8, 5, 3, 1, (1, 2)),
        (8, 3, 1, 2, (2, 2)),
        (None, 4, 1, 1, (1, 2)),
    ],
)
def test_same_padding_is_tensorflows(
    sketch: Any,
    length: int | None,
    kernel: int,
    stride: int,
    dilation: int,
    expected: tuple[int, int],
) -> None:
    layer = sketch.conv2d(
        "c",
        "x",
        padding="same",
        kernel_size=[kernel, 1],
        strides=[stride, stride],
        dilation_rate=[dilation, dilation],
    )
    (op,) = ops(build(sketch, layer, length, 8, 3, weights=[sketch.ramp(kernel, 1, 3, 2)]))
    assert isinstance(op, Conv)
    assert op.padding == (expected, (0, 0))


def test_same_padding_with_strides_needs_a_fixed_size(sketch: Any) -> None:
    layer = sketch.conv2d("c", "x", padding="same", strides=[2, 2])
    with pytest.raises(UnsupportedError, match="fixed size"):
        build(sketch, layer, None, 8, 3, weights=[sketch.ramp(3, 3, 3, 2)])


def test_causal_padding_is_all_before(sketch: Any) -> None:
    layer = sketch.conv2d(
        "c",
        "x",
        class_name="QConv1D",
        padding="causal",
        kernel_size=[3],
        strides=[1],
        dilation_rate=[2],
    )
    (op,) = ops(build(sketch, layer, 8, 3, weights=[sketch.ramp(3, 3, 2)]))
    assert isinstance(op, Conv)
    assert op.padding == ((4, 0),)


def test_channels_first_is_the_op_between_transpositions(sketch: Any) -> None:
    layer = sketch.conv2d(
        "c", "x", class_name="QConv2D", data_format="channels_first", activation="softmax"
    )
    graph = build(sketch, layer, 3, 8, 9, weights=[sketch.ramp(3, 3, 3, 2)])
    first, _, last, softmax = ops(graph)
    assert first == Transpose((0, 2, 3, 1))
    assert last == Transpose((0, 3, 1, 2))
    assert softmax == Softmax(3)
    assert [node.name for node in graph.nodes] == ["c:transpose", "c:conv", "c:transpose_2", "c"]
    assert graph.nodes[-1].shape == (None, 2, 6, 7)


def test_grouped_kernels_have_the_inputs_of_one_group(sketch: Any) -> None:
    layer = sketch.conv2d("c", "x", groups=2)
    (op,) = ops(build(sketch, layer, 8, 8, 4, weights=[sketch.ramp(3, 3, 2, 2)]))
    assert isinstance(op, Conv)
    assert op.groups == 2


def test_depthwise_outputs_are_ordered_by_input(sketch: Any) -> None:
    layer = sketch.conv2d("c", "x", class_name="QDepthwiseConv2D", depth_multiplier=2)
    layer["config"].pop("filters")
    kernel = sketch.ramp(3, 3, 4, 2)
    (op,) = ops(build(sketch, layer, 8, 8, 4, weights=[kernel]))
    assert isinstance(op, Conv)
    assert op.groups == 4
    assert_array_equal(op.kernel[:, :, 0, 5], kernel[:, :, 2, 1])


def test_kernels_without_alpha_get_automatic_scales_and_biases_do_not(sketch: Any) -> None:
    layer = sketch.dense(
        "d", "x", kernel_quantizer="quantized_bits(4)", bias_quantizer="quantized_bits(4)"
    )
    layer["class_name"] = "QDense"
    graph = build(sketch, layer, 4, weights=[sketch.ramp(4, 2), sketch.ramp(2)])
    weights = graph.layers[0].weights
    assert weights["kernel"].quantizer == QuantizedBits(bits=4, symmetric=True, alpha="auto_po2")
    assert weights["bias"].quantizer == QuantizedBits(bits=4)
    assert_array_equal(weights["bias"].raw, sketch.ramp(2))
    assert_array_equal(weights["bias"].effective, np.array([-1, -0.875], np.float32))


@pytest.mark.parametrize(
    ("size", "stride", "padding", "extra", "cropping"),
    [
        (3, 2, "same", None, (0, 1)),
        (3, 2, "valid", None, (0, 0)),
        (1, 3, "valid", None, (0, -2)),
        (1, 3, "same", None, (0, -2)),
        (4, 2, "same", None, (1, 1)),
        (3, 3, "same", [1, 1], (0, 1)),
        (3, 2, "valid", [1, 1], (0, -1)),
    ],
)
def test_transposed_convolutions_have_keras_lengths(
    sketch: Any, size: int, stride: int, padding: str, extra: Any, cropping: tuple[int, int]
) -> None:
    layer = sketch.conv2d(
        "c",
        "x",
        class_name="Conv2DTranspose",
        kernel_size=[size, size],
        strides=[stride, stride],
        padding=padding,
        output_padding=extra,
    )
    (op,) = ops(build(sketch, layer, 5, 5, 3, weights=[sketch.ramp(size, size, 2, 3)]))
    assert isinstance(op, ConvTranspose)
    assert op.cropping == (cropping, cropping)


def test_output_padding_that_tensorflow_refuses_is_unsupported(sketch: Any) -> None:
    layer = sketch.conv2d(
        "c",
        "x",
        class_name="Conv2DTranspose",
        kernel_size=[2, 2],
        strides=[2, 2],
        padding="same",
        output_padding=[0, 0],
    )
    with pytest.raises(UnsupportedError, match="output_padding"):
        build(sketch, layer, 5, 5, 3, weights=[sketch.ramp(2, 2, 2, 3)])


def normalization(sketch: Any, **options: Any) -> Any:
    config = {"axis": [3], "momentum": 0.9, "epsilon": 1e-3, "center": True, "scale": True}
    return sketch.entry("BatchNormalization", "bn", "x", **{**config, **options})


@pytest.mark.parametrize(
    ("shape", "axis", "fused"),
    [
        ((4, 5, 3), [3], True),
        ((4, 5, 3), -1, True),
        ((3, 4, 5), [1], True),
        ((4, 3, 5), [2], False),
        ((4, 3), [2], False),
        ((3,), [1], False),
    ],
)
def test_keras_fuses_normalization_of_four_axes(
    sketch: Any, shape: tuple[int, ...], axis: Any, fused: bool
) -> None:
    layer = normalization(sketch, axis=axis)
    graph = build(sketch, layer, *shape, weights=[np.ones(3, np.float32)] * 4)
    (op,) = [op for op in ops(graph) if isinstance(op, BatchNormalization)]
    assert op.fused is fused
    assert graph.nodes[-1].shape == (None, *shape)


def test_statistics_in_another_order_than_keras_loads_them_are_refused(sketch: Any) -> None:
    arrays = {
        name: np.full(3, i, np.float32)
        for i, name in enumerate(["moving_variance", "beta", "moving_mean", "gamma"])
    }
    with pytest.raises(BadFileError, match="of which Keras takes the order"):
        build(sketch, normalization(sketch), 4, 5, 3, weights=arrays)


def test_absent_scale_and_center_leave_no_arrays(sketch: Any) -> None:
    layer = normalization(sketch, scale=False, center=False)
    (op,) = ops(build(sketch, layer, 4, 5, 3, weights=[np.ones(3, np.float32)] * 2))
    assert isinstance(op, BatchNormalization)
    assert op.gamma is None and op.beta is None


def folded(sketch: Any, **options: Any) -> Any:
    return sketch.conv2d(
        "c",
        "x",
        class_name="QConv2DBatchnorm",
        use_bias=True,
        axis=[3],
        epsilon=1e-3,
        momentum=0.9,
        center=True,
        scale=True,
        ema_freeze_delay=None,
        folding_mode="ema_stats_folding",
        **options,
    )


@pytest.mark.parametrize("counter", [2, 4])
def test_the_counter_of_a_folded_layer_may_be_anywhere(sketch: Any, counter: int) -> None:
    one = np.ones(2, np.float32)
    arrays = [sketch.ramp(3, 3, 3, 2), 0 * one, one, 2 * one, 0 * one, one - np.float32(1e-3)]
    arrays.insert(counter, np.array(7, np.int64))
    graph = build(sketch, folded(sketch), 8, 8, 3, weights=arrays)
    weights = graph.layers[0].weights
    assert_array_equal(weights["kernel"].effective, arrays[0])
    assert_array_equal(weights["bias"].effective, 2 * one)
    assert list(weights) == ["kernel", "bias"]


def test_a_folded_layer_without_center_cannot_run(sketch: Any) -> None:
    layer = folded(sketch)
    layer["config"]["center"] = False
    with pytest.raises(UnsupportedError, match="center=False"):
        build(sketch, layer, 8, 8, 3, weights=[np.ones(2, np.float32)] * 6)


def pruned(sketch: Any) -> Any:
    inner = sketch.dense("d", use_bias=True)
    inner.pop("inbound_nodes")
    return sketch.entry(
        "PruneLowMagnitude",
        "prune_d",
        "x",
        layer=inner,
        pruning_schedule={"class_name": "ConstantSparsity", "config": {}},
        block_size=[1, 1],
        block_pooling_type="AVG",
    )


def test_the_pruning_mask_is_applied_to_the_stored_kernel(sketch: Any) -> None:
    kernel, mask = sketch.ramp(4, 2), np.array([[0, 1]] * 4, np.float32)
    arrays = {
        "kernel": kernel,
        "bias": sketch.ramp(2),
        "mask": mask,
        "threshold": np.float32(0.1).reshape(()),
        "pruning_step": np.array(-1, np.int64),
    }
    graph = build(sketch, pruned(sketch), 4, weights=arrays)
    (layer,) = graph.layers
    assert (layer.name, layer.class_name) == ("prune_d", "PruneLowMagnitude")
    assert_array_equal(layer.weights["kernel"].raw, kernel)
    assert_array_equal(layer.weights["kernel"].effective, kernel * mask)


def test_a_pruned_layer_without_its_mask_is_refused(sketch: Any) -> None:
    with pytest.raises(BadFileError, match="expected the weights mask, threshold, pruning_step"):
        build(sketch, pruned(sketch), 4, weights=[sketch.ramp(4, 2), sketch.ramp(2)])


def test_quantized_average_pooling_scales_the_mean_twice(sketch: Any) -> None:
    layer = sketch.entry(
        "QAveragePooling2D",
        "p",
        "x",
        pool_size=[2, 2],
        strides=[2, 2],
        padding="valid",
        data_format="channels_last",
        average_quantizer="quantized_bits(3,0,1,alpha=1.0)",
        activation=None,
    )
    assert ops(build(sketch, layer, 4, 4, 3)) == [
        Pool("mean", (2, 2), (2, 2), ((0, 0), (0, 0))),
        Scale(4.0),
        Scale(0.25),
    ]


def test_global_pooling_reduces_the_spatial_axes(sketch: Any) -> None:
    layer = sketch.entry(
        "GlobalMaxPooling2D", "p", "x", data_format="channels_first", keepdims=True
    )
    graph = build(sketch, layer, 3, 4, 5)
    assert ops(graph) == [Reduce("max", (2, 3), True)]
    assert graph.nodes[0].shape == (None, 3, 1, 1)


def test_flatten_of_channels_first_puts_the_channels_last(sketch: Any) -> None:
    layer = sketch.entry("Flatten", "f", "x", data_format="channels_first")
    assert ops(build(sketch, layer, 3, 4, 5)) == [Transpose((0, 2, 3, 1)), Reshape((60,))]


def test_cropping_is_a_slice(sketch: Any) -> None:
    layer = sketch.entry("Cropping1D", "crop", "x", cropping=[1, 0])
    assert ops(build(sketch, layer, 5, 2)) == [Slice((1, None), (None, None), (1, 1))]


def test_merging_fewer_axes_adds_axes_behind_the_batch(sketch: Any) -> None:
    layers = [
        sketch.source("x", 5, 4),
        sketch.source("y", 4),
        sketch.entry("Multiply", "m", ("y", "x")),
    ]
    graph = build_graph(sketch.file(sketch.functional(layers, ["x", "y"], ["m"])))
    assert ops(graph) == [Reshape((1, 4)), Merge("multiply")]
    assert graph.nodes[-1].inputs == ("m:reshape", "x")


def sliced(sketch: Any, *spec: Any) -> Any:
    node = [["x", 0, 0, {"slice_spec": list(spec)}]]
    return sketch.entry("SlicingOpLambda", "s", node, function="__operators__.getitem")


ALL = {"start": None, "stop": None, "step": None}


@pytest.mark.parametrize(
    ("spec", "expected", "shape"),
    [
        ([ALL, {"start": 1, "stop": 3, "step": None}], Slice((1, None), (3, None), (1, 1)), (2, 4)),
        ([ALL, -1], Slice((-1, None), (None, None), (1, 1), (1,)), (4,)),
        ([{"class_name": "__ellipsis__"}, 2], Slice((None, 2), (None, 3), (1, 1), (2,)), (5,)),
    ],
)
def test_slices_are_pythons(
    sketch: Any, spec: Any, expected: Slice, shape: tuple[int, ...]
) -> None:
    graph = build(sketch, sliced(sketch, *spec), 5, 4)
    assert ops(graph) == [expected]
    assert graph.nodes[0].shape == (None, *shape)


@pytest.mark.parametrize("spec", [[{"start": 0, "stop": 1, "step": None}], [None, 0], [0]])
def test_slices_of_the_batch_are_unsupported(sketch: Any, spec: Any) -> None:
    with pytest.raises(UnsupportedError, match="slice"):
        build(sketch, sliced(sketch, *spec), 5, 4)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ([ALL, None], (1, 5, 4)),
        ([ALL, 2, None, {"start": 1, "stop": 3, "step": None}, None], (1, 2, 1)),
        ([{"class_name": "__ellipsis__"}, None, -1], (5, 1)),
    ],
)
def test_new_axes_are_of_length_1(sketch: Any, spec: Any, expected: tuple[int, ...]) -> None:
    graph = build(sketch, sliced(sketch, *spec), 5, 4)
    assert graph.nodes[-1].shape == (None, *expected)


def test_a_new_batch_is_unsupported(sketch: Any) -> None:
    with pytest.raises(UnsupportedError, match="batch"):
        build(sketch, sliced(sketch, None, ALL), 5, 4)


def function(sketch: Any, symbol: str, **arguments: Any) -> Any:
    return sketch.entry("TFOpLambda", "f", [["x", 0, 0, arguments]], function=symbol)


def test_tensorflow_reductions_are_read(sketch: Any) -> None:
    layer = function(sketch, "math.reduce_max", axis=-1, keepdims=False, name=None)
    assert ops(build(sketch, layer, 5, 4)) == [Reduce("max", (2,), False)]


def test_tensorflow_functions_of_two_tensors_are_merges(sketch: Any) -> None:
    layer = function(sketch, "__operators__.add", y=["x", 0, 0], name=None)
    graph = build(sketch, layer, 5, 4)
    assert ops(graph) == [Merge("add")]
    assert graph.nodes[0].inputs == ("x", "x")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("math.reduce_max", {"axis": None}),
        ("math.reduce_max", {"axis": 1, "surprise": 2}),
        ("math.add", {"y": "text"}),
        ("math.add", {"y": [1.0, 2.0]}),
        ("math.pow", {"y": [3]}),
        ("cast", {"dtype": "int32"}),
        ("math.erf", {}),
    ],
)
def test_other_tensorflow_functions_are_unsupported(sketch: Any, name: str, arguments: Any) -> None:
    with pytest.raises(UnsupportedError):
        build(sketch, function(sketch, name, **arguments), 5, 4)
