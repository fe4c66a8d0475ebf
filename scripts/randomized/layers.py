"""Random layers with random options, by the rank of what they take."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from qkeras import (
    QGRU,
    QLSTM,
    QActivation,
    QAveragePooling2D,
    QBatchNormalization,
    QBidirectional,
    QConv1D,
    QConv2D,
    QConv2DBatchnorm,
    QConv2DTranspose,
    QDense,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QGlobalAveragePooling2D,
    QSeparableConv1D,
    QSeparableConv2D,
    QSimpleRNN,
    quantized_bits,
)
from tf_keras import layers

from scripts.randomized.quantizers import (
    Random,
    activation,
    bias_quantizer,
    chance,
    one_of,
    weight_quantizer,
)

#: Keras's layers have no types.
Layer: TypeAlias = Any
Make: TypeAlias = Callable[[Random], Layer]


def _size(random: Random) -> int:
    return int(random.integers(1, 6))


def _window(random: Random, rank: int) -> tuple[int, ...]:
    return tuple(int(n) for n in random.integers(1, 4, rank))


def _padding(random: Random) -> str:
    return one_of(random, "same", "valid")


def _reloadable(quantizer: object) -> object:
    """QKeras cannot load what it saves of a plain function in this place."""
    return None if isinstance(quantizer, str) else quantizer


def _quantized(random: Random) -> dict[str, object]:
    """The options of a layer with one kernel."""
    return {
        "kernel_quantizer": weight_quantizer(random),
        "bias_quantizer": bias_quantizer(random),
        "use_bias": chance(random, 0.8),
        "activation": _reloadable(activation(random)) if chance(random, 0.3) else None,
    }


def _depthwise(random: Random) -> dict[str, object]:
    return {
        "depthwise_quantizer": weight_quantizer(random),
        "bias_quantizer": bias_quantizer(random),
        "use_bias": chance(random, 0.8),
        "depth_multiplier": one_of(random, 1, 1, 2),
    }


def _moves(random: Random, rank: int) -> dict[str, object]:
    """Window, padding, and either strides or a dilation."""
    dilated = chance(random, 0.2)
    return {
        "kernel_size": _window(random, rank),
        "padding": _padding(random),
        "strides": 1 if dilated or chance(random, 0.6) else 2,
        "dilation_rate": 2 if dilated else 1,
    }


def _conv1d(random: Random) -> Layer:
    options = _moves(random, 1) | _quantized(random)
    if chance(random, 0.2):
        options["padding"] = "causal"
    return QConv1D(_size(random), **options)


def _normalization(random: Random) -> Layer:
    return QBatchNormalization(
        gamma_quantizer=weight_quantizer(random),
        beta_quantizer=bias_quantizer(random),
        mean_quantizer=bias_quantizer(random),
        variance_quantizer=None,
        scale=chance(random, 0.8),
        center=chance(random, 0.8),
        epsilon=one_of(random, 1e-3, 2.0**-8),
    )


def _stock_dense(random: Random) -> Layer:
    function = one_of(random, "linear", "relu", "tanh", "sigmoid", "softplus", "elu", "softmax")
    return layers.Dense(_size(random), activation=function)


def _recurrent(random: Random) -> Layer:
    kind = one_of(random, QSimpleRNN, QLSTM, QGRU)
    return kind(
        _size(random),
        kernel_quantizer=weight_quantizer(random),
        recurrent_quantizer=quantized_bits(4, 0, 1, alpha=1),
        bias_quantizer=bias_quantizer(random),
        state_quantizer=one_of(random, None, quantized_bits(6, 1, alpha=1)),
        return_sequences=chance(random),
        go_backwards=chance(random, 0.2),
        zero_output_for_mask=chance(random, 0.2),
    )


def _bidirectional(random: Random) -> Layer:
    inner = QLSTM(
        _size(random),
        kernel_quantizer=quantized_bits(4, 0, 1, alpha=1),
        recurrent_quantizer=quantized_bits(4, 0, 1, alpha=1),
        bias_quantizer=bias_quantizer(random),
        state_quantizer=quantized_bits(6, 1, alpha=1),
        return_sequences=chance(random),
    )
    return QBidirectional(inner, merge_mode=one_of(random, "concat", "sum", "ave", "mul"))


def _dense_in_time(random: Random) -> Layer:
    return layers.TimeDistributed(QDense(_size(random), **_quantized(random)))


_ANY: Final[tuple[Make, ...]] = (
    lambda random: QActivation(activation(random)),
    lambda random: QActivation(activation(random)),
    lambda random: QDense(_size(random), **_quantized(random)),
    _normalization,
    lambda random: layers.BatchNormalization(scale=chance(random), center=chance(random)),
    lambda random: layers.ReLU(one_of(random, None, 6.0), one_of(random, 0.0, 0.25)),
    lambda random: layers.LeakyReLU(0.25),
    lambda random: layers.Activation(one_of(random, "relu", "tanh", "sigmoid", "hard_sigmoid")),
    lambda random: layers.Dropout(0.5),
    lambda random: layers.PReLU(),
    lambda random: layers.ThresholdedReLU(0.5),
    lambda random: layers.Rescaling(one_of(random, 0.5, 0.3), one_of(random, 0.0, -1.0)),
    lambda random: layers.LayerNormalization(scale=chance(random)),
    _stock_dense,
)
_SERIES: Final[tuple[Make, ...]] = (
    _conv1d,
    _conv1d,
    lambda random: QSeparableConv1D(
        _size(random),
        *_window(random, 1),
        padding=_padding(random),
        depthwise_quantizer=weight_quantizer(random),
        pointwise_quantizer=weight_quantizer(random),
        bias_quantizer=bias_quantizer(random),
    ),
    _recurrent,
    _recurrent,
    _bidirectional,
    lambda random: layers.Masking(one_of(random, 0.0, 0.25)),
    lambda random: layers.Masking(one_of(random, 0.0, 0.25)),
    _dense_in_time,
    lambda random: layers.Conv1DTranspose(_size(random), *_window(random, 1), strides=2),
    lambda random: layers.MaxPooling1D(2, padding=_padding(random)),
    lambda random: layers.AveragePooling1D(2, padding=_padding(random)),
    lambda random: layers.ZeroPadding1D((1, 0)),
    lambda random: layers.UpSampling1D(2),
    lambda random: layers.Permute((2, 1)),
    lambda random: layers.Flatten(),
    lambda random: layers.GlobalAveragePooling1D(),
    lambda random: layers.GlobalMaxPooling1D(),
)
_IMAGES: Final[tuple[Make, ...]] = (
    lambda random: QConv2D(_size(random), **_moves(random, 2), **_quantized(random)),
    lambda random: QConv2D(_size(random), **_moves(random, 2), **_quantized(random)),
    lambda random: QConv2DBatchnorm(
        _size(random), **_moves(random, 2), **_quantized(random), epsilon=2.0**-8
    ),
    lambda random: QDepthwiseConv2D(
        _window(random, 2), padding=_padding(random), **_depthwise(random)
    ),
    lambda random: QDepthwiseConv2DBatchnorm(
        _window(random, 2), padding=_padding(random), **_depthwise(random)
    ),
    lambda random: QSeparableConv2D(
        _size(random),
        _window(random, 2),
        padding=_padding(random),
        depthwise_quantizer=weight_quantizer(random),
        pointwise_quantizer=weight_quantizer(random),
        bias_quantizer=bias_quantizer(random),
    ),
    lambda random: QAveragePooling2D(
        2, padding=_padding(random), average_quantizer=quantized_bits(8, 0, alpha=1)
    ),
    lambda random: QGlobalAveragePooling2D(average_quantizer=quantized_bits(10, 0, alpha=1)),
    lambda random: layers.MaxPooling2D(_window(random, 2), strides=2, padding=_padding(random)),
    lambda random: layers.AveragePooling2D(_window(random, 2), padding=_padding(random)),
    lambda random: layers.Conv2DTranspose(_size(random), _window(random, 2), strides=2),
    lambda random: QConv2DTranspose(
        _size(random),
        _window(random, 2),
        strides=one_of(random, 1, 2),
        padding=_padding(random),
        kernel_quantizer=weight_quantizer(random),
        bias_quantizer=bias_quantizer(random),
    ),
    lambda random: layers.Resizing(
        _size(random) + 1, _size(random) + 1, one_of(random, "nearest", "bilinear")
    ),
    lambda random: layers.UpSampling2D(2),
    lambda random: layers.ZeroPadding2D(((1, 0), (0, 2))),
    lambda random: layers.Cropping2D(((1, 0), (0, 0))),
    lambda random: layers.Permute(one_of(random, (3, 1, 2), (2, 1, 3))),
    lambda random: layers.Flatten(),
    lambda random: layers.GlobalMaxPooling2D(),
)
_LAYERS: Final[Mapping[int, tuple[Make, ...]]] = {
    2: (*_ANY, lambda random: layers.RepeatVector(_size(random))),
    3: (*_ANY, *_SERIES),
    4: (*_ANY, *_IMAGES, *_IMAGES),
}


def random_layer(random: Random, rank: int) -> Layer:
    """A layer that takes a tensor of this rank, if its shape allows."""
    return one_of(random, *_LAYERS[rank])(random)


def random_merge(random: Random) -> Layer:
    """A layer that joins two tensors of one shape."""
    kinds = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
    return getattr(layers, one_of(random, *kinds))()
