"""The layers, quantizers and small networks of QKeras's other tests."""

from collections.abc import Iterable
from itertools import product
from typing import Final

import qkeras
from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.examples.classifiers import saved_quantized
from scripts.examples.example import Example, Keras, act, chain, conv, dense, signed, softmax

_MAP: Final = (4, 4, 3)


def _side_by_side(shape: tuple[int, ...], layers: Iterable[Keras]) -> Keras:
    source = Input(shape)
    return Model(source, [layer(source) for layer in layers])


def activations() -> Keras:
    """What the example of activation functions prints, and what the test of them compares."""
    texts = (
        "quantized_relu(6,2)",
        *(f"quantized_relu({b},{i},{s})" for b, i, s in product((1, 2), (0, 1), (0, 1))),
        "smooth_sigmoid",
        "hard_sigmoid",
        "binary_sigmoid",
        "smooth_tanh",
        "hard_tanh",
        "binary_tanh",
        *(f"quantized_bits({bits})" for bits in ("1,1,1", "2,1,0", "2,1,1", "3,0,0", "3,0,1")),
        *(f"quantized_tanh({bits})" for bits in ("2,0", "2,1", "2,0,1", "8,0,1")),
        *(f"quantized_sigmoid({bits})" for bits in ("8", "8,1", "2")),
        *(f"quantized_po2({bits})" for bits in ("3,1", "3,2", "2", "8")),
        *(f"quantized_relu_po2({bits})" for bits in ("2,1", "2,2", "4,1", "32,2", "8")),
        "quantized_ulaw(4,0,1)",
        "binary(1)",
        "binary(alpha=1)",
        "ternary(threshold=0.5)",
        "stochastic_ternary(alpha=1,threshold=0.3)",
        "stochastic_binary(alpha=1)",
    )
    return _side_by_side((11,), map(act, texts))


def activations_random_in_training() -> Keras:
    """Those that round at random while they are trained."""
    random = {"use_stochastic_rounding": True}
    kinds = (
        qkeras.quantized_bits(4, 1, **random),
        qkeras.quantized_relu(4, 1, **random),
        qkeras.quantized_tanh(4, **random),
        qkeras.quantized_sigmoid(4, **random),
        qkeras.quantized_po2(4, 1, **random),
        qkeras.quantized_relu_po2(4, 2, **random),
    )
    return _side_by_side((11,), map(act, kinds))


def ternary_at_random() -> Keras:
    """``ternary`` of a fixed scale with the rounding that QKeras asserts away."""
    quantizer = qkeras.ternary(alpha=1.0, threshold=0.5, use_stochastic_rounding=True)
    return chain((11,), act(quantizer))


def binary_at_random() -> Keras:
    """``binary`` with the rounding that fails outside of training."""
    return chain((11,), act(qkeras.binary(alpha=1.0, use_stochastic_rounding=True)))


def bernoulli() -> Keras:
    """Random at inference, too."""
    return chain((11,), act("bernoulli()"))


def scale_of_the_batch() -> Keras:
    """An activation whose scale depends on the other samples."""
    return chain((11,), act("quantized_bits(4,0,1,alpha='auto')"))


def leaky() -> Keras:
    """Slopes below zero."""
    return _side_by_side(
        (11,),
        [
            act(qkeras.quantized_relu(6, 2, 0, 0.25)),
            act(qkeras.quantized_relu(6, 2, 1, 0.125)),
            act(qkeras.quantized_relu_po2(8, negative_slope=2**-4)),
            act(qkeras.quantized_relu_po2(3, negative_slope=2**-4)),
            act(qkeras.quantized_relu_po2(6, negative_slope=2**-3)),
        ],
    )


def halfway() -> Keras:
    """What a schedule of quantization noise leaves when training ends before it."""
    layer = conv(1, 2, kernel_quantizer=signed(6, 2, alpha=1.0))
    return chain((4, 4, 1), layer, act(qkeras.quantized_relu(4)))


def _noise_scheduled(model: Keras) -> Keras:
    convolution, activation = model.layers[1:]
    for quantizer in (*convolution.get_quantizers(), activation.quantizer):
        quantizer.update_qnoise_factor(1 - 0.75**3)
    return model


def pooling() -> Keras:
    """Averages of quantized reciprocals, and quantized themselves."""
    both = {"average_quantizer": signed(4), "activation": signed(4)}
    cases = ((2, 2, "valid"), (3, 3, "valid"), (2, 3, "valid"), (2, 3, "same"))
    layers = [qkeras.QAveragePooling2D(size, s, padding, **both) for size, s, padding in cases]
    everywhere = {"average_quantizer": signed(10), "activation": signed(4)}
    return _side_by_side(_MAP, [*layers, qkeras.QGlobalAveragePooling2D(**everywhere)])


def pooling_of_ones() -> Keras:
    """Averages alone."""
    eight = {"average_quantizer": "quantized_bits(8, 1, 1)"}
    local = qkeras.QAveragePooling2D(3, 3, **eight)
    return _side_by_side((6, 6, 1), [local, qkeras.QGlobalAveragePooling2D(**eight)])


def pooling_in_line() -> Keras:
    """A binary reciprocal, then one of four bits."""
    first = qkeras.QAveragePooling2D(2, average_quantizer=qkeras.binary(), activation=signed(4))
    last = qkeras.QGlobalAveragePooling2D(average_quantizer=signed(4), activation=qkeras.ternary())
    return chain((16, 16, 3), first, last)


def pooling_of_channels_first() -> Keras:
    """A layout that TensorFlow cannot pool on a CPU."""
    layer = qkeras.QAveragePooling2D(2, data_format="channels_first", average_quantizer=signed(4))
    return chain((3, 4, 4), layer)


def adaptive() -> Keras:
    """Ranges that training has found, in all combinations of the test."""
    bits, flags = (1, 2, 4, 8, 16), (False, True)
    kinds = (("quantized_bits", 0.0), ("quantized_relu", 0.0), ("quantized_relu", -0.5))
    choices = product(kinds, bits, flags, flags, flags)
    return _side_by_side((3, 4, 5), [_adaptive(*choice) for choice in choices])


def _adaptive(
    kind: tuple[str, float], bits: int, symmetric: bool, per_channel: bool, po2: bool
) -> Keras:
    return qkeras.QAdaptiveActivation(
        kind[0],
        bits,
        symmetric=symmetric,
        quantization_delay=1,
        per_channel=per_channel,
        po2_rounding=po2,
        relu_neg_slope=kind[1],
    )


def scales() -> Keras:
    """Automatic scales of binary and ternary kernels."""
    kinds = (qkeras.binary, qkeras.ternary)
    quantizers = (kind(alpha=alpha) for kind, alpha in product(kinds, ("auto", "auto_po2")))
    layers = [qkeras.QDense(10, kernel_quantizer=q, use_bias=False) for q in quantizers]
    return _side_by_side((100,), layers)


def two_bits() -> Keras:
    """A dense layer of two bits beside a float one."""
    weights = {"kernel_quantizer": "quantized_bits(2,0,alpha=1.0)"}
    quantized = qkeras.QDense(2, bias_quantizer="quantized_bits(2,0)", **weights)
    return _side_by_side((4,), [qkeras.QDense(2, name="float"), quantized])


def separable() -> Keras:
    """Binary depthwise and four-bit pointwise kernels before ternary ones."""
    six = signed(6, 2, alpha=1.0)
    first = qkeras.QSeparableConv2D(
        32,
        2,
        strides=2,
        depthwise_quantizer=qkeras.binary(alpha=1.0),
        pointwise_quantizer=signed(4, alpha=1.0),
        bias_quantizer=signed(4),
    )
    ternary = qkeras.ternary(alpha=1.0)
    second = conv(64, 3, 2, kernel_quantizer=ternary, activation=qkeras.quantized_relu(6, 3, 1))
    return chain(
        (28, 28, 1),
        first,
        act("quantized_relu(6,2,1)"),
        second,
        conv(64, 2, 2, kernel_quantizer=six),
        act("quantized_relu(6,4,1)"),
        stock.Flatten(),
        dense(10, kernel_quantizer=signed(6, 2, alpha=1.0)),
        softmax(),
    )


def series() -> Keras:
    """One step wide."""
    return chain(
        (4, 4),
        qkeras.QConv1D(2, 1, kernel_quantizer=signed(6, 2, alpha=1.0), bias_quantizer=signed(4)),
    )


def transposed() -> Keras:
    """A transposed convolution with binary kernel and bias."""
    binary = {"kernel_quantizer": qkeras.binary(), "bias_quantizer": qkeras.binary()}
    return chain((4, 4, 1), qkeras.QConv2DTranspose(1, 3, **binary))


def transposed_depthwise() -> Keras:
    """A layer of later QKeras."""
    return chain((4, 4, 1), qkeras.QDepthwiseConv2DTranspose(1, 3))


def transposed_separable() -> Keras:
    """A layer of later QKeras."""
    return chain((4, 4, 1), qkeras.QSeparableConv2DTranspose(1, 3))


def powers() -> Keras:
    """Kernels of powers of two and biases of floats."""
    layers = [
        layer
        for _ in range(2)
        for layer in (
            conv(32, 3, kernel_quantizer=qkeras.quantized_po2(4), bias_quantizer=None),
            act(qkeras.quantized_bits(8)),
        )
    ]
    return chain((28, 28, 1), *layers)


def partly_quantized() -> Keras:
    """One layer of QKeras and one of Keras."""
    first = conv(32, 3, kernel_quantizer=qkeras.binary(), bias_quantizer=None)
    float_one = stock.Conv2D(32, 3, name="float")
    return chain((28, 28, 1), first, stock.Activation("relu"), float_one, softmax())


_QCONV: Final = "tests/qconvolutional_test"
_ACT: Final = "tests/qactivation_test"
_POOL: Final = "tests/qpooling_test"
_END: Final = ("softmax",)
_MIXED: Final = ("q_conv2d", "q_activation")
EXAMPLES: Final = (
    Example("examples/example_act", activations),
    Example(_ACT, activations_random_in_training),
    Example(_ACT, ternary_at_random, impossible="AssertionError"),
    Example("examples/example_act", binary_at_random, impossible="Dimensions must be equal"),
    Example("examples/example_act", bernoulli, refused="bernoulli"),
    Example(_ACT, scale_of_the_batch, refused="alpha"),
    Example("tests/leakyrelu_test", leaky),
    Example("tests/callbacks_test", halfway, _MIXED, trained=_noise_scheduled),
    *(Example(_POOL, build) for build in (pooling, pooling_of_ones, pooling_in_line)),
    Example(_POOL, pooling_of_channels_first, refused="channels_first"),
    Example("tests/qadaptiveactivation_test", adaptive),
    Example("tests/qalpha_test", scales, ("q_dense", "q_dense_2")),
    Example("tests/qlayers_test", two_bits, ("float",)),
    Example(_QCONV, separable, _END, trained=saved_quantized),
    Example(_QCONV, series, trained=saved_quantized),
    Example(_QCONV, transposed),
    Example("later QKeras", transposed_depthwise, impossible="QDepthwiseConv2DTranspose"),
    Example("later QKeras", transposed_separable, impossible="QSeparableConv2DTranspose"),
    Example("tests/utils_test", powers),
    Example("tests/print_qstats_test", partly_quantized, ("float", "softmax")),
)
