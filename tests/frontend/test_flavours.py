"""What differs between the Kerases and QKerases that write models."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import BadFileError, UnsupportedError
from qconvert.frontend import build_graph
from qconvert.frontend.flavour import Flavour, flavour_of
from qconvert.ir import Graph
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Elementwise,
    Function,
    Op,
    Pool,
    Quantize,
    Reduce,
    Relu,
    Scale,
)
from qconvert.ir.quantizers import HardFunction, QuantizedBits, QuantizedRelu
from qconvert.numerics import reciprocal_sqrt

BITS = {"bits": 4, "integer": 0, "symmetric": True, "alpha": "auto_po2", "keep_negative": True}
#: As each flavour writes the same quantizer.
QUANTIZER = {"class_name": "quantized_bits", "config": BITS}
LATER = {"class_name": "quantized_bits", "config": {**BITS, "post_training_scale": None}}
V3 = {**LATER, "module": "qkeras.quantizers", "registered_name": "qkeras>quantized_bits"}
BY_FLAVOUR = {
    Flavour.QKERAS: (QUANTIZER, "2.15.0"),
    Flavour.MASTER: (LATER, "2.15.0"),
    Flavour.QKERAS_KERAS3: (QUANTIZER, "3.9.2"),
    Flavour.V3: (V3, "3.15.1"),
}


def build(
    sketch: Any, layer: Any, *shape: int | None, weights: Any = (), flavour: Flavour
) -> Graph:
    """The graph of one layer behind a QDense whose kernel quantizer tells the flavour."""
    quantizer, version = BY_FLAVOUR[flavour]
    first = sketch.dense("first", "y", kernel_quantizer=quantizer, use_bias=False)
    first["class_name"] = "qkeras>QDense" if flavour is Flavour.V3 else "QDense"
    layers = [sketch.source("x", *shape), layer, sketch.source("y", 2), first]
    config = sketch.functional(layers, ["x", "y"], [layer["name"], "first"])
    stored = {"first": [sketch.ramp(2, 2)]} | ({layer["name"]: weights} if len(weights) else {})
    file = sketch.file(config, stored)
    return build_graph(type(file)(file.path, None, file.sha256, version, file.config, file.weights))


def ops(graph: Graph) -> list[Op]:
    return [node.op for node in graph.nodes if not node.name.startswith("first")]


@pytest.mark.parametrize("flavour", Flavour)
def test_each_flavour_is_told_by_what_it_writes(sketch: Any, flavour: Flavour) -> None:
    quantizer, version = BY_FLAVOUR[flavour]
    layers = [sketch.dense("d", "x", kernel_quantizer=quantizer)]
    assert flavour_of(sketch.functional(layers, [], []), version) is flavour


@pytest.mark.parametrize(
    ("config", "flavour"),
    [
        ({"class_name": "InputLayer", "config": {"batch_shape": [None, 3]}}, Flavour.QKERAS_KERAS3),
        ({"class_name": "qkeras>QDense", "config": {"batch_shape": [None, 3]}}, Flavour.V3),
        ({"class_name": "QScaleShift", "config": {}}, Flavour.MASTER),
        ({"class_name": "QConv2D", "config": {"mask": None}}, Flavour.MASTER),
        ({"class_name": "TFOpLambda", "config": {"mask": None}}, Flavour.QKERAS),
        ({"class_name": "InputLayer", "config": {"batch_input_shape": [None]}}, Flavour.QKERAS),
    ],
)
def test_an_architecture_without_a_version_tells_its_flavour(config: Any, flavour: Flavour) -> None:
    assert flavour_of({"config": {"layers": [config]}}, None) is flavour


@pytest.mark.parametrize("flavour", Flavour)
def test_later_versions_compute_codes_with_the_last_scale(sketch: Any, flavour: Flavour) -> None:
    layer = sketch.entry("Activation", "a", "x", activation="relu")
    graph = build(sketch, layer, 3, flavour=flavour)
    quantizer = graph.layers[-1].weights["kernel"].quantizer
    assert isinstance(quantizer, QuantizedBits)
    assert quantizer.codes_of_last_scale is flavour.later


@pytest.mark.parametrize("flavour", Flavour)
def test_the_hard_sigmoid_of_stock_layers_is_their_kerass(sketch: Any, flavour: Flavour) -> None:
    layer = sketch.entry("Activation", "a", "x", activation="hard_sigmoid")
    expected = Function.HARD_SIGMOID_3 if flavour.keras3 else Function.HARD_SIGMOID
    assert ops(build(sketch, layer, 3, flavour=flavour)) == [Elementwise(expected)]


def test_a_function_in_a_dictionary_is_keras_3s_where_it_has_that_name(sketch: Any) -> None:
    def of(name: str, flavour: Flavour) -> Op:
        function = {"class_name": "function", "config": name, "module": "builtins"}
        layer = sketch.entry("QActivation", "a", "x", activation=function)
        (op,) = ops(build(sketch, layer, 3, flavour=flavour))
        return op

    assert of("hard_sigmoid", Flavour.V3) == Elementwise(Function.HARD_SIGMOID_3)
    assert of("hard_sigmoid", Flavour.QKERAS) == Quantize(HardFunction.HARD_SIGMOID)
    assert of("binary_tanh", Flavour.V3) == Quantize(HardFunction.BINARY_TANH)
    with pytest.raises(UnsupportedError, match="hard_tanh"):
        of("hard_tanh", Flavour.V3)


def test_a_function_by_its_name_is_qkerass_in_its_layers(sketch: Any) -> None:
    layer = sketch.entry("QActivation", "a", "x", activation="hard_sigmoid")
    graph = build(sketch, layer, 3, flavour=Flavour.V3)
    assert ops(graph) == [Quantize(HardFunction.HARD_SIGMOID)]


def test_the_name_of_our_own_function_is_nobodys(sketch: Any) -> None:
    layer = sketch.entry("Activation", "a", "x", activation=Function.HARD_SIGMOID_3.value)
    with pytest.raises(UnsupportedError):
        build(sketch, layer, 3, flavour=Flavour.V3)


NORMALIZATION = {"axis": -1, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True}
UNQUANTIZED = {f"{name}_quantizer": None for name in ("gamma", "beta", "mean", "variance")}


@pytest.mark.parametrize("flavour", Flavour)
def test_keras_3_never_fuses_a_normalization(sketch: Any, flavour: Flavour) -> None:
    renorm = {"renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99}
    layer = sketch.entry("BatchNormalization", "n", "x", **NORMALIZATION, **renorm)
    graph = build(sketch, layer, 4, 5, 3, weights=[abs(sketch.ramp(3))] * 4, flavour=flavour)
    (op,) = ops(graph)
    assert isinstance(op, BatchNormalization)
    assert op.fused is not flavour.keras3


def test_qkeras_v3_divides_where_others_take_a_reciprocal_root(sketch: Any) -> None:
    variance = np.linspace(0.1, 9, 16, dtype=np.float32)
    zero, one = np.zeros(16, np.float32), np.ones(16, np.float32)
    layer = sketch.entry("QBatchNormalization", "n", "x", **NORMALIZATION, **UNQUANTIZED)
    weights = [one, zero, zero, variance]
    (op,) = ops(build(sketch, layer, 16, weights=weights, flavour=Flavour.V3))
    assert isinstance(op, Affine)
    shifted = variance + np.float32(0.001)
    assert op.factor is not None
    assert_array_equal(op.factor, np.float32(1) / np.sqrt(shifted))
    assert np.any(op.factor != reciprocal_sqrt(shifted))
    (plain,) = ops(build(sketch, layer, 16, weights=weights, flavour=Flavour.MASTER))
    assert isinstance(plain, BatchNormalization)


def test_an_inverse_quantizer_takes_the_product_of_gamma_and_root(sketch: Any) -> None:
    inverse = {"class_name": "quantized_bits", "config": {"bits": 4, "integer": 1, "alpha": 1}}
    options = {**NORMALIZATION, **UNQUANTIZED, "epsilon": 0.0, "inverse_quantizer": inverse}
    layer = sketch.entry("QBatchNormalization", "n", "x", **options)
    arrays = [np.array([value], np.float32) for value in (1.3, 0.5, 2.0, 4.0)]
    (op,) = ops(build(sketch, layer, 1, weights=arrays, flavour=Flavour.MASTER))
    assert isinstance(op, Affine)
    assert op.factor is not None and op.offset is not None
    assert op.factor.tolist() == [0.75]
    assert op.offset.tolist() == [0.5 - 2.0 * 0.75]


def test_an_inverse_quantizer_and_another_one_are_refused(sketch: Any) -> None:
    options = {**NORMALIZATION, **UNQUANTIZED, "gamma_quantizer": "quantized_po2(4)"}
    layer = sketch.entry("QBatchNormalization", "n", "x", **options, inverse_quantizer=QUANTIZER)
    with pytest.raises(UnsupportedError, match="inverse_quantizer together"):
        build(sketch, layer, 1, weights=[sketch.ramp(1)] * 4, flavour=Flavour.MASTER)


def folded(sketch: Any, class_name: str, flavour: Flavour) -> Any:
    options = {"use_bias": True, **NORMALIZATION, "folding_mode": "ema_stats_folding"}
    depthwise = class_name == "QDepthwiseConv2DBatchnorm"
    layer = sketch.conv2d("c", "x", class_name=class_name, filters=16, **options)
    layer["config"] |= {"kernel_size": [1, 1]} | ({"depth_multiplier": 1} if depthwise else {})
    if depthwise:
        del layer["config"]["filters"]
    kernel = np.ones((1, 1, 16, 1) if depthwise else (1, 1, 16, 16), np.float32)
    zero, one = np.zeros(16, np.float32), np.ones(16, np.float32)
    variance = np.linspace(0.1, 9, 16, dtype=np.float32)
    weights = [kernel, zero, one, zero, np.array(3), zero, variance]
    (op,) = ops(build(sketch, layer, 4, 4, 16, weights=weights, flavour=flavour))
    assert isinstance(op, Conv)
    return op.kernel[0, 0, 0], variance + np.float32(0.001)


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize("class_name", ["QConv2DBatchnorm", "QDepthwiseConv2DBatchnorm"])
def test_folded_layers_divide_in_qkeras_v3_but_for_depthwise_ones(
    sketch: Any, class_name: str, flavour: Flavour
) -> None:
    kernel, shifted = folded(sketch, class_name, flavour)
    divides = flavour is Flavour.V3 and class_name == "QConv2DBatchnorm"
    expected = np.float32(1) / np.sqrt(shifted) if divides else reciprocal_sqrt(shifted)
    assert_array_equal(kernel, expected)


@pytest.mark.parametrize("flavour", Flavour)
def test_later_averages_multiply_before_they_pool(sketch: Any, flavour: Flavour) -> None:
    quantizer = {"class_name": "quantized_bits", "config": {"bits": 4, "alpha": 1}}
    pool = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid", "activation": None}
    options = {"average_quantizer": quantizer, "data_format": "channels_last"}
    window = Pool("mean", (2, 2), (2, 2), ((0, 0), (0, 0)))
    layer = sketch.entry("QAveragePooling2D", "p", "x", **options, **pool)
    found = ops(build(sketch, layer, 4, 4, 3, flavour=flavour))
    order = [Scale(4.0), window] if flavour.later else [window, Scale(4.0)]
    assert found == [*order, Scale(0.25)]
    layer = sketch.entry("QGlobalAveragePooling2D", "p", "x", **options, activation=None)
    found = ops(build(sketch, layer, 2, 2, 3, flavour=flavour))
    if flavour.later:
        assert found == [Reduce("sum", (1, 2), False), Scale(0.25)]
    else:
        assert found == [Reduce("mean", (1, 2), False), Scale(4.0), Scale(0.25)]


def test_the_slope_of_a_leaky_relu_has_two_names(sketch: Any) -> None:
    for flavour, name in ((Flavour.QKERAS, "alpha"), (Flavour.V3, "negative_slope")):
        layer = sketch.entry("LeakyReLU", "l", "x", **{name: 0.25})
        assert ops(build(sketch, layer, 3, flavour=flavour)) == [Relu(slope=0.25)]


def test_a_mask_multiplies_the_quantized_kernel(sketch: Any) -> None:
    mask = [[[[1.0]], [[0.0]]], [[[0.0]], [[1.0]]]]
    kernel = np.ones((2, 2, 3, 2), np.float32)
    layer = sketch.conv2d("c", "x", class_name="QConv2D", kernel_size=[2, 2], mask=mask)
    (op,) = ops(build(sketch, layer, 4, 4, 3, weights=[kernel], flavour=Flavour.MASTER))
    assert isinstance(op, Conv)
    assert_array_equal(op.kernel[:, :, 0, 0], np.eye(2, dtype=np.float32))
    layer["config"]["mask"] = [[1, 0]]
    with pytest.raises(BadFileError, match="one number for each tap"):
        build(sketch, layer, 4, 4, 3, weights=[kernel], flavour=Flavour.MASTER)


TRANSPOSED = {
    "filters": 4,
    "kernel_size": [1, 2],
    "strides": [1, 2],
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "use_bias": True,
    "depth_multiplier": 1,
    "output_padding": None,
    "activation": "linear",
}


def test_a_depthwise_transposed_convolution_drops_its_bias(sketch: Any) -> None:
    kernel = sketch.ramp(1, 2, 4, 2)
    layer = sketch.entry("QDepthwiseConv2DTranspose", "t", "x", **TRANSPOSED, group_size=2)
    weights = [kernel, sketch.ramp(4)]
    (op,) = ops(build(sketch, layer, 3, 3, 4, weights=weights, flavour=Flavour.MASTER))
    assert isinstance(op, ConvTranspose)
    assert op.bias is None
    assert_array_equal(op.kernel[:, :, 2:, 2:], kernel[:, :, 2:])
    assert not op.kernel[:, :, :2, 2:].any() and not op.kernel[:, :, 2:, :2].any()


def test_a_separable_transposed_convolution_is_two(sketch: Any) -> None:
    depth, point, bias = sketch.ramp(1, 2, 1, 3), sketch.ramp(1, 1, 4, 3), sketch.ramp(4)
    layer = sketch.entry("QSeparableConv2DTranspose", "t", "x", **TRANSPOSED)
    weights = [depth, point, bias]
    first, second = ops(build(sketch, layer, 3, 3, 3, weights=weights, flavour=Flavour.V3))
    assert isinstance(first, ConvTranspose) and isinstance(second, ConvTranspose)
    assert_array_equal(first.kernel[0, 1], np.diag(depth[0, 1, 0]))
    assert first.bias is None and first.strides == (1, 2)
    assert_array_equal(second.kernel, point)
    assert second.strides == (1, 1)


def test_a_scale_and_a_shift_are_one_number_each(sketch: Any) -> None:
    quantizer = "quantized_bits(4,1,alpha=1)"
    layer = sketch.entry(
        "QScaleShift",
        "s",
        "x",
        weight_quantizer=quantizer,
        bias_quantizer=None,
        use_bias=True,
        activation=None,
    )
    weights = [np.array([[0.7]], np.float32), np.array([[0.3]], np.float32)]
    (op,) = ops(build(sketch, layer, 3, weights=weights, flavour=Flavour.MASTER))
    assert isinstance(op, Affine)
    assert op.factor is not None and op.offset is not None
    assert op.factor.tolist() == [0.75]
    assert op.offset.tolist() == [np.float32(0.3)]


ADAPTIVE = {"activation": "quantized_relu", "total_bits": 6, "current_step": 50, "symmetric": True}


def adaptive(sketch: Any, high: list[float], **options: Any) -> list[Op]:
    layer = sketch.entry("QAdaptiveActivation", "a", "x", **{**ADAPTIVE, **options})
    extremes = [np.zeros(len(high), np.float32), np.array(high, np.float32)]
    weights = [np.array(50, np.int64), *extremes]
    return ops(build(sketch, layer, 2, weights=weights, flavour=Flavour.QKERAS))


def test_an_adaptive_activation_takes_its_integer_bits_from_its_extremes(sketch: Any) -> None:
    expected = QuantizedRelu(6, 2, is_quantized_clip=False)
    assert adaptive(sketch, [2.5]) == [Quantize(expected)]
    assert adaptive(sketch, [2.5, 3.1], per_channel=True) == [Quantize(expected)]


def test_channels_with_unlike_integer_bits_are_scaled_by_powers_of_two(sketch: Any) -> None:
    before, quantize, after = adaptive(sketch, [2.5, 0.5], per_channel=True)
    assert isinstance(before, Affine) and isinstance(after, Affine)
    assert before.factor is not None and after.factor is not None
    assert before.factor.tolist() == [0.25, 1] and after.factor.tolist() == [4, 1]
    assert quantize == Quantize(QuantizedRelu(6, 0, is_quantized_clip=False))


def test_the_slope_of_an_adaptive_activation_may_be_below_0(sketch: Any) -> None:
    """QKeras sets it behind the quantizer's back; a positive one has to be a power of two."""
    (quantize,) = adaptive(sketch, [2.5], relu_neg_slope=-0.5)
    expected = QuantizedRelu(6, 2, negative_slope=-0.5, is_quantized_clip=False)
    assert quantize == Quantize(expected)
    with pytest.raises(UnsupportedError, match="positive and no power of two"):
        adaptive(sketch, [2.5], relu_neg_slope=0.3)


@pytest.mark.parametrize("delay", [50, {"class_name": "__tensor__", "config": {"value": 60}}])
def test_an_adaptive_activation_that_still_learns_is_refused(sketch: Any, delay: Any) -> None:
    with pytest.raises(UnsupportedError, match="in every call"):
        adaptive(sketch, [2.5], ema_freeze_delay=delay)
    assert adaptive(sketch, [2.5], ema_freeze_delay=delay, trainable=False)


def test_an_adaptive_activation_of_more_bits_than_qkeras_computes_is_refused(sketch: Any) -> None:
    assert adaptive(sketch, [2.5], total_bits=31)
    assert adaptive(sketch, [2.5], total_bits=32, relu_neg_slope=0.25)
    with pytest.raises(UnsupportedError, match="total_bits=32 are NaN"):
        adaptive(sketch, [2.5], total_bits=32)


def tensor(name: str, call: int = 0) -> dict[str, Any]:
    history = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"class_name": "__keras_tensor__", "config": history}


@pytest.mark.parametrize(("class_name", "call"), [("Sequential", 0), ("Functional", 1)])
def test_keras_3_counts_a_first_call_of_functional_results_only(
    sketch: Any, class_name: str, call: int
) -> None:
    relu = sketch.entry("Activation", "r", activation="relu")
    if class_name == "Sequential":
        model = sketch.sequential(sketch.source("i", 3), relu)
    else:
        relu["inbound_nodes"] = [{"args": [tensor("i")], "kwargs": {}}]
        model = sketch.functional([sketch.source("i", 3), relu], ["i"], ["r"])
    inner = sketch.nested(model, "inner", [])
    inner["inbound_nodes"] = [{"args": [tensor("x")], "kwargs": {"mask": None}}]
    config = sketch.functional([sketch.source("x", 3), inner], ["x"], [["inner", call, 0]])
    graph = build_graph(sketch.file(config))
    assert [layer.name for layer in graph.layers] == ["inner/r"]


def test_qkeras_drops_the_output_padding_of_its_transposed_convolution(sketch: Any) -> None:
    for class_name, cropping in (("QConv2DTranspose", (0, 1)), ("Conv2DTranspose", (1, 1))):
        options = {"strides": [2, 2], "padding": "same", "output_padding": [0, 0]}
        layer = sketch.conv2d("t", "x", class_name=class_name, **options)
        weights = [sketch.ramp(3, 3, 2, 3)]
        (op,) = ops(build(sketch, layer, 4, 4, 3, weights=weights, flavour=Flavour.QKERAS))
        assert isinstance(op, ConvTranspose)
        assert op.cropping == (cropping, cropping)
