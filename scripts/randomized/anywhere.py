"""Random layers that take tensors of any rank."""

from typing import Final

import tensorflow as tf
from qkeras import QActivation, QAdaptiveActivation, QBatchNormalization, QDense
from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude
from tf_keras import layers

from scripts.randomized.arguments import Layer, Make, quantized, size
from scripts.randomized.quantizers import (
    Random,
    activation,
    bias_quantizer,
    chance,
    one_of,
    text,
    weight_quantizer,
)


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
    return layers.Dense(size(random), activation=function)


def _adaptive(random: Random) -> Layer:
    kind = one_of(random, "quantized_bits", "quantized_relu")
    return QAdaptiveActivation(
        kind,
        one_of(random, 4, 6, 8),
        current_step=100,
        symmetric=chance(random),
        per_channel=chance(random, 0.3),
        po2_rounding=chance(random),
        relu_neg_slope=one_of(random, 0.0, 0.25) if kind == "quantized_relu" else 0.0,
    )


def _dropout(random: Random) -> Layer:
    kinds = layers.Dropout, layers.AlphaDropout, layers.GaussianDropout, layers.GaussianNoise
    return one_of(random, *kinds)(0.5)


def _function(random: Random) -> Layer:
    """What Keras makes a ``TFOpLambda`` of."""
    return one_of(
        random,
        lambda x: tf.maximum(x, 0.5),
        lambda x: 2.0 * x + 0.25,
        lambda x: tf.abs(x),
        lambda x: tf.nn.relu6(x),
        lambda x: tf.clip_by_value(x, -1.0, 2.0),
        lambda x: tf.concat([x, x], axis=-1),
        lambda x: tf.reduce_sum(x, axis=-1, keepdims=True),
    )


def _slice(random: Random) -> Layer:
    """What Keras makes a ``SlicingOpLambda`` of."""
    return one_of(random, lambda x: x[:, 1:], lambda x: x[..., ::2], lambda x: x[:, :-1])


ANY: Final[tuple[Make, ...]] = (
    lambda random: QActivation(activation(random)),
    lambda random: QActivation(activation(random)),
    lambda random: QActivation(text(random)),
    lambda random: QActivation(text(random)),
    lambda random: QDense(size(random), **quantized(random)),
    lambda random: prune_low_magnitude(QDense(size(random), **quantized(random))),
    _normalization,
    _adaptive,
    lambda random: layers.BatchNormalization(scale=chance(random), center=chance(random)),
    lambda random: layers.ReLU(one_of(random, None, 6.0), one_of(random, 0.0, 0.25)),
    lambda random: layers.LeakyReLU(0.25),
    lambda random: layers.ELU(one_of(random, 1.0, 0.25)),
    lambda random: layers.Softmax(one_of(random, -1, 1)),
    lambda random: layers.Activation(one_of(random, "relu", "tanh", "sigmoid", "hard_sigmoid")),
    _dropout,
    lambda random: layers.ActivityRegularization(0.1),
    lambda random: layers.PReLU(),
    lambda random: layers.ThresholdedReLU(0.5),
    lambda random: layers.Rescaling(one_of(random, 0.5, 0.3), one_of(random, 0.0, -1.0)),
    lambda random: layers.Normalization(mean=0.5, variance=one_of(random, 0.25, 0.3)),
    lambda random: layers.LayerNormalization(scale=chance(random)),
    lambda random: layers.UnitNormalization(),
    lambda random: layers.Reshape(one_of(random, (-1,), (-1, 1), (2, -1), (-1, 2, 1))),
    lambda random: layers.Identity(),
    _function,
    _slice,
    _stock_dense,
)
