"""Random layers that take series."""

from typing import Final

from qkeras import (
    QGRU,
    QLSTM,
    QBidirectional,
    QConv1D,
    QDense,
    QSeparableConv1D,
    QSimpleRNN,
    quantized_bits,
)
from tf_keras import layers

from scripts.randomized.arguments import (
    Layer,
    Make,
    moves,
    padding,
    quantized,
    separable,
    size,
    window,
)
from scripts.randomized.quantizers import (
    Random,
    bias_quantizer,
    chance,
    one_of,
    weight_quantizer,
)


def _conv1d(random: Random) -> Layer:
    options = moves(random, 1) | quantized(random)
    if chance(random, 0.2):
        options["padding"] = "causal"
    return QConv1D(size(random), **options)


def _recurrent(random: Random) -> Layer:
    kind = one_of(random, QSimpleRNN, QLSTM, QGRU)
    return kind(
        size(random),
        kernel_quantizer=weight_quantizer(random),
        recurrent_quantizer=quantized_bits(4, 0, 1, alpha=1),
        bias_quantizer=bias_quantizer(random),
        state_quantizer=one_of(random, None, quantized_bits(6, 1, alpha=1)),
        return_sequences=chance(random),
        go_backwards=chance(random, 0.2),
    )


def _stock_recurrent(random: Random) -> Layer:
    kind = one_of(random, layers.SimpleRNN, layers.LSTM, layers.GRU)
    return kind(size(random), return_sequences=chance(random), use_bias=chance(random, 0.8))


def _bidirectional(random: Random) -> Layer:
    inner = QLSTM(
        size(random),
        kernel_quantizer=quantized_bits(4, 0, 1, alpha=1),
        recurrent_quantizer=quantized_bits(4, 0, 1, alpha=1),
        bias_quantizer=bias_quantizer(random),
        state_quantizer=quantized_bits(6, 1, alpha=1),
        return_sequences=chance(random),
    )
    return QBidirectional(inner, merge_mode=one_of(random, "concat", "sum", "ave", "mul"))


def _stock_bidirectional(random: Random) -> Layer:
    modes = "concat", "sum", "ave", "mul"
    return layers.Bidirectional(_stock_recurrent(random), merge_mode=one_of(random, *modes))


def _dense_in_time(random: Random) -> Layer:
    return layers.TimeDistributed(QDense(size(random), **quantized(random)))


SERIES: Final[tuple[Make, ...]] = (
    _conv1d,
    _conv1d,
    lambda random: QSeparableConv1D(size(random), *window(random, 1), **separable(random)),
    _recurrent,
    _bidirectional,
    _stock_recurrent,
    _stock_bidirectional,
    _dense_in_time,
    lambda random: layers.Conv1D(size(random), **moves(random, 1)),
    # With a bias, TensorFlow's graph mode fuses what oneDNN then refuses to compute.
    lambda random: layers.SeparableConv1D(size(random), *window(random, 1), use_bias=False),
    lambda random: layers.Conv1DTranspose(size(random), *window(random, 1), strides=2),
    lambda random: layers.MaxPooling1D(2, padding=padding(random)),
    lambda random: layers.AveragePooling1D(2, padding=padding(random)),
    lambda random: layers.ZeroPadding1D((1, 0)),
    lambda random: layers.Cropping1D((0, 1)),
    lambda random: layers.UpSampling1D(2),
    lambda random: layers.SpatialDropout1D(0.5),
    lambda random: layers.Permute((2, 1)),
    lambda random: layers.Flatten(),
    lambda random: layers.GlobalAveragePooling1D(),
    lambda random: layers.GlobalMaxPooling1D(),
)
