"""Layers that are called in a way of their own: with several tensors, states, or as functions."""

from typing import Final

import tensorflow as tf

from scripts.support.families import BITS, IMAGE, KERNEL, SERIES, Family, Inner, Keras, Options
from scripts.support.layers import PLAIN
from scripts.support.recurrent import RECURRENT, STEPS

_STATES: Final = ((2,), (2,))
_CLIPS: Final = ((3, 5, 4),)
_ADAPTIVE: Final[dict[str, object]] = {"total_bits": 6, "current_step": 100}


def _by_name(layer: Keras, tensors: list[Keras]) -> Keras:
    """Query, value and perhaps a key."""
    return layer(tensors[0], **dict(zip(("value", "key"), tensors[1:], strict=False)))


def _from_states(layer: Keras, tensors: list[Keras]) -> Keras:
    return layer(tensors[0], initial_state=tensors[1:])


def _sliced(_: Keras, tensors: list[Keras]) -> Keras:
    return tensors[0][:, 1:, ::2]


def _greater(_: Keras, tensors: list[Keras]) -> Keras:
    return tf.maximum(tensors[0], 0.5)


def _reduced(_: Keras, tensors: list[Keras]) -> Keras:
    return tf.reduce_max(tensors[0], axis=1)


def _function(name: str, options: Options, call: object) -> Family:
    """What Keras makes a layer of by itself."""
    return Family(name, SERIES, (options,), call=call, alone=False)  # type: ignore[arg-type]


_CALLED: Final = (
    Family("Embedding", ((6,),), ({},), {"input_dim": 10, "output_dim": 3}, rows=True, alone=False),
    Family(
        "MultiHeadAttention",
        SERIES * 2,
        ({}, {"value_dim": 3}, {"use_bias": False}, {"output_shape": 5}),
        {"num_heads": 2, "key_dim": 2},
        call=_by_name,
    ),
    Family("MultiHeadAttention", SERIES * 3, ({"num_heads": 1, "key_dim": 3},), call=_by_name),
    Family(
        "QAdaptiveActivation",
        IMAGE,
        (
            {"activation": "quantized_bits"},
            {"activation": "quantized_bits", "symmetric": False},
            {"activation": "quantized_bits", "per_channel": True},
            {"activation": "quantized_bits", "po2_rounding": True},
            {"activation": "quantized_relu"},
            {"activation": "quantized_relu", "per_channel": True},
            {"activation": "quantized_relu", "relu_neg_slope": 0.25},
        ),
        _ADAPTIVE,
    ),
    Family("QLSTM", STEPS, ({"return_state": True}, {"unroll": True}), RECURRENT),
    Family("QGRU", STEPS, ({"return_state": True}, {"unroll": True}), RECURRENT, alone=False),
    Family("QLSTM", STEPS + _STATES, ({},), RECURRENT, call=_from_states, alone=False),
    Family("GRU", STEPS + _STATES[:1], ({"units": 2},), call=_from_states, alone=False),
    Family("LSTM", STEPS, ({"units": 2, "return_state": True}, {"units": 2, "unroll": True})),
    Family("TimeDistributed", _CLIPS, ({"layer": Inner("LSTM", {"units": 2})},)),
    Family(
        "PruneLowMagnitude",
        IMAGE,
        (
            {"layer": Inner("QConv2D", KERNEL | {"filters": 3, "kernel_size": 2})},
            {"layer": Inner("QDense", {"units": 3, "kernel_quantizer": BITS})},
        ),
    ),
    Family("QActivation", SERIES, ({"activation": "relu"}, {"activation": "softmax"})),
    _function("SlicingOpLambda", {"x[:, 1:, ::2]": None}, _sliced),
    _function("TFOpLambda", {"tf.maximum(x, 0.5)": None}, _greater),
    _function("TFOpLambda", {"tf.reduce_max(x, axis=1)": None}, _reduced),
)
FAMILIES: Final = PLAIN + _CALLED
