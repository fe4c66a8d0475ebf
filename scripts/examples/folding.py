"""Networks with batch normalization, folded or not, of QKeras's tests and of AutoQKeras."""

from typing import Final

import qkeras
from qkeras.bn_folding_utils import populate_bias_quantizer_from_accumulator
from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.examples.example import Example, Keras, act, chain, conv, dense, softmax

_BITS: Final = "quantized_bits(4, 0, 1)"


def normalized() -> Keras:
    """A convolution and the normalization behind it."""
    first = qkeras.QConv2D(2, 2, strides=4, use_bias=False, kernel_quantizer=_BITS)
    return _classified((8, 8, 1), first, stock.BatchNormalization(name="bn"))


def folded_by_moving_averages() -> Keras:
    """The same as one layer."""
    return _classified((8, 8, 1), _folded("ema_stats_folding"))


def folded_by_batches() -> Keras:
    """The same as one layer, which in training folds by the statistics of a batch."""
    return _classified((8, 8, 1), _folded("batch_stats_folding"))


def folded_without_quantizer() -> Keras:
    """Float kernels, as most of the test has them."""
    return _classified((8, 8, 1), _folded("batch_stats_folding", None))


def _folded(mode: str, kernel: str | None = _BITS) -> Keras:
    return qkeras.QConv2DBatchnorm(
        2,
        2,
        strides=4,
        use_bias=False,
        kernel_quantizer=kernel,
        folding_mode=mode,
        ema_freeze_delay=10,
        name="folded",
    )


def folded_depthwise() -> Keras:
    """A depthwise convolution folded."""
    folded = qkeras.QDepthwiseConv2DBatchnorm(
        2, strides=2, use_bias=False, depthwise_quantizer=_BITS, ema_freeze_delay=10
    )
    return _classified((4, 4, 3), folded)


def _classified(shape: tuple[int, ...], *layers: Keras) -> Keras:
    last = stock.Dense(2, use_bias=False, name="dense")
    return chain(shape, *layers, stock.Flatten(), last, softmax())


def folded_behind_branches() -> Keras:
    """Two outputs, and a maximum of two convolutions before the folded one."""
    return _behind_branches(None)


def folded_with_bias_of_accumulator() -> Keras:
    """The same, its bias as wide as what is accumulated."""
    model = _behind_branches(_BITS)
    populate_bias_quantizer_from_accumulator(model, ["quantized_bits(8, 0, 1)"])
    return model


def _behind_branches(quantizer: str | None) -> Keras:
    source = Input((2, 2, 1))
    one = {"use_bias": False, "kernel_quantizer": quantizer}
    x = stock.Maximum()([qkeras.QConv2D(1, 1, **one)(source) for _ in range(2)])
    x = act("quantized_relu(4, 1)")(x) if quantizer else x
    folded = _folded("batch_stats_folding", quantizer)(x)
    last = qkeras.QDense(2, use_bias=False, kernel_quantizer=quantizer and "quantized_bits(6,2,1)")
    return Model(source, [folded, last(stock.Flatten()(folded))])


def unfolded() -> Keras:
    """What ``unfold_model`` makes of a folded network."""
    return folded_by_moving_averages()


def iris() -> Keras:
    """A small dense network as AutoQKeras quantizes one."""
    ternary = {"kernel_quantizer": "stochastic_ternary", "bias_quantizer": _BITS}
    eight = {"kernel_quantizer": "quantized_bits(8,0,1,alpha=1.0)", "bias_quantizer": _BITS}
    layers: list[Keras] = []
    for number, (units, options) in enumerate(((20, ternary), (40, eight), (20, ternary))):
        layers += [
            dense(units, **options, name=f"dense_{number}"),
            stock.BatchNormalization(name=f"bn_{number}"),
            act("quantized_relu(4,1)"),
        ]
    return chain((4,), *layers, dense(3, **eight, name="dense"), act("binary"), softmax())


def convolution_blocks() -> Keras:
    """AutoQKeras's blocks of depthwise and pointwise convolutions, normalized and quantized."""
    layers: list[Keras] = []
    for number, filters in enumerate((16, 32, 48)):
        depthwise = qkeras.QDepthwiseConv2D(
            3, padding="same", strides=2, use_bias=False, depthwise_quantizer=_BITS
        )
        pointwise = conv(filters, 1, padding="same", use_bias=False)
        layers += [depthwise, stock.BatchNormalization(name=f"depthwise_bn_{number}")]
        layers += [act("quantized_relu(4,2)"), pointwise]
        layers += [stock.BatchNormalization(name=f"bn_{number}"), act("quantized_relu(4,2)")]
    return chain((64, 64, 1), *layers, stock.Dropout(0.1), stock.Flatten(), dense(10), softmax())


def folded_convolution_blocks() -> Keras:
    """The same, folded."""
    layers: list[Keras] = []
    for filters in (16, 32, 48):
        depthwise = qkeras.QDepthwiseConv2DBatchnorm(
            3, padding="same", strides=2, depthwise_quantizer=_BITS, bias_quantizer=_BITS
        )
        pointwise = qkeras.QConv2DBatchnorm(
            filters, 1, padding="same", kernel_quantizer=_BITS, bias_quantizer=_BITS
        )
        layers += [depthwise, act("quantized_relu(4,2)"), pointwise, act("quantized_relu(4,2)")]
    return chain((64, 64, 1), *layers, stock.Flatten(), dense(10), softmax())


def fused_by_inverse() -> Keras:
    """A normalization with a quantized inverse, which later QKeras has."""
    inverse = qkeras.QBatchNormalization(
        gamma_quantizer=None, variance_quantizer=None, inverse_quantizer=_BITS
    )
    return chain((23, 23, 1), conv(2, 2, use_bias=False), inverse)


def fused() -> Keras:
    """Two convolutions with normalizations of quantized mean and beta, added."""
    source = Input((23, 23, 1))
    branches = []
    for number in (1, 2):
        x = conv(2, 2, use_bias=number > 1)(source)
        normalization = qkeras.QBatchNormalization(
            mean_quantizer=_BITS,
            gamma_quantizer=None,
            variance_quantizer=None,
            beta_quantizer=_BITS,
            name=f"bn_{number}",
        )
        branches.append(normalization(x))
    return Model(source, stock.Add(name="sum")(branches))


_TEST: Final = "tests/bn_folding_test"
_BLOCKS: Final = "autoqkeras/networks/conv_block"
_END: Final = ("dense", "softmax")
EXAMPLES: Final = (
    Example(_TEST, normalized, ("bn", *_END)),
    Example(_TEST, folded_by_moving_averages, _END),
    Example(_TEST, folded_by_batches, _END),
    Example(_TEST, folded_without_quantizer, ("folded", *_END)),
    Example(_TEST, folded_depthwise, _END),
    Example(_TEST, folded_behind_branches, ("folded", "flatten", "q_dense")),
    Example(_TEST, folded_with_bias_of_accumulator, ("folded",)),
    Example(_TEST, unfolded, _END, trained=qkeras.unfold_model),
    Example("tests/autoqkeras_test", iris, ("bn_0", "bn_1", "bn_2", "softmax")),
    Example(_BLOCKS, convolution_blocks, ("softmax",)),
    Example(_BLOCKS, folded_convolution_blocks, ("softmax",)),
    Example("tests/utils_test", fused_by_inverse, impossible="inverse_quantizer"),
    Example("tests/utils_test", fused, ("bn_1", "bn_2")),
)
