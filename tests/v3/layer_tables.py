"""Layers of Keras 3 and qkeras-v3 by class and options: plain data, read by two interpreters.

The layers of a group are called on the same inputs, one by one, and are the outputs of one model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

#: A class and its options; a row among these is a layer inside.
Row: TypeAlias = tuple[str, dict[str, Any]]
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Layers on inputs of *shapes*; all programs compute those of an *exact* group alike."""

    shapes: tuple[Shape, ...]
    rows: Mapping[str, Row]
    exact: bool = True
    dtype: str = "float32"


VOLUME, IMAGE, ROWS, VECTOR = (4, 5, 3, 2), (6, 7, 3), (6, 4), (7,)
BITS = "quantized_bits(4,0,1,alpha=1)"
KERNEL = {"kernel_quantizer": BITS, "bias_quantizer": BITS}
CELL = {**KERNEL, "recurrent_quantizer": BITS, "state_quantizer": BITS}
SIMPLE = {**CELL, "units": 3, "activation": "quantized_tanh(4)"}
GATED = {**SIMPLE, "recurrent_activation": "quantized_sigmoid(3)"}
SEQUENCES = {"return_sequences": True}

IMAGES: Final = Group(
    (IMAGE,),
    {
        "conv2d": ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "strides": 2}),
        "conv2d_same": (
            "Conv2D",
            {"filters": 4, "kernel_size": 3, "padding": "same", "dilation_rate": 2},
        ),
        "conv2d_groups": ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 3}),
        "depthwise": ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}),
        "depthwise_same": (
            "DepthwiseConv2D",
            {"kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False},
        ),
        "depthwise_first": (
            "DepthwiseConv2D",
            {"kernel_size": 3, "strides": 2, "data_format": "channels_first"},
        ),
        "separable_first": (
            "SeparableConv2D",
            {"filters": 4, "kernel_size": 2, "data_format": "channels_first"},
        ),
        "average_first": ("AveragePooling2D", {"pool_size": 2, "data_format": "channels_first"}),
        "separable": ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}),
        "conv2d_transposed": ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2}),
        "conv2d_transposed_same": (
            "Conv2DTranspose",
            {
                "filters": 4,
                "kernel_size": 3,
                "strides": 2,
                "padding": "same",
                "output_padding": 1,
            },
        ),
        "conv2d_transposed_first": (
            "Conv2DTranspose",
            {"filters": 4, "kernel_size": 3, "data_format": "channels_first"},
        ),
        "max": ("MaxPooling2D", {"pool_size": (2, 3), "strides": 2, "padding": "same"}),
        "max_first": ("MaxPooling2D", {"pool_size": 2, "data_format": "channels_first"}),
        "average": ("AveragePooling2D", {"pool_size": 2}),
        "average_same": ("AveragePooling2D", {"pool_size": 2, "strides": 1, "padding": "same"}),
        "global_max": ("GlobalMaxPooling2D", {"keepdims": True}),
        "global_average": ("GlobalAveragePooling2D", {"data_format": "channels_first"}),
        "upsampling": ("UpSampling2D", {"size": (2, 3)}),
        "upsampling_bilinear": ("UpSampling2D", {"size": (2, 4), "interpolation": "bilinear"}),
        "padding": ("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}),
        "cropping": ("Cropping2D", {"cropping": ((1, 0), (2, 1))}),
        "dropout": ("SpatialDropout2D", {"rate": 0.5}),
        "prelu": ("PReLU", {"shared_axes": [1, 2]}),
        "flatten_first": ("Flatten", {"data_format": "channels_first"}),
        "permute": ("Permute", {"dims": (3, 1, 2)}),
        "reshape": ("Reshape", {"target_shape": (-1, 9)}),
        "rescaling": ("Rescaling", {"scale": 0.5, "offset": 1.0}),
        "resizing": ("Resizing", {"height": 9, "width": 4}),
        "resizing_nearest": (
            "Resizing",
            {"height": 4, "width": 11, "interpolation": "nearest", "fill_value": 2.0},
        ),
        "resizing_first": (
            "Resizing",
            {"height": 4, "width": 5, "data_format": "channels_first"},
        ),
        "normalization": ("Normalization", {"mean": [1.0, 2, 3], "variance": [1.0, 4, 16]}),
        "normalization_learned": ("Normalization", {}),
        "normalization_inverted": ("Normalization", {"invert": True, "axis": 1}),
    },
)
SERIES: Final = Group(
    (ROWS,),
    {
        "conv1d": ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal"}),
        "conv1d_transposed": ("Conv1DTranspose", {"filters": 3, "kernel_size": 5, "strides": 2}),
        "separable1d": ("SeparableConv1D", {"filters": 4, "kernel_size": 3}),
        "dense": ("Dense", {"units": 5, "activation": "relu6"}),
        "max1d": ("MaxPooling1D", {"pool_size": 2}),
        "average1d": ("AveragePooling1D", {"pool_size": 2, "strides": 2}),
        "global_max1d": ("GlobalMaxPooling1D", {}),
        "global_average1d": ("GlobalAveragePooling1D", {"data_format": "channels_first"}),
        "upsampling1d": ("UpSampling1D", {"size": 3}),
        "padding1d": ("ZeroPadding1D", {"padding": (1, 2)}),
        "cropping1d": ("Cropping1D", {"cropping": (1, 2)}),
        "dropout1d": ("SpatialDropout1D", {"rate": 0.5}),
        "times": ("TimeDistributed", {"layer": ("QDense", {"units": 3, **KERNEL})}),
    },
)
CELLS: Final = Group(
    (ROWS,),
    {
        "simple": ("QSimpleRNN", SIMPLE),
        "simple_all": ("QSimpleRNN", {**SIMPLE, **SEQUENCES, "go_backwards": True}),
        "simple_bare": ("QSimpleRNN", {**SIMPLE, "use_bias": False, "state_quantizer": None}),
        "lstm": ("QLSTM", {**GATED, **SEQUENCES, "go_backwards": True}),
        "lstm_2": ("QLSTM", {**GATED, **SEQUENCES, "implementation": 2}),
        "lstm_states": ("QLSTM", {**GATED, "return_state": True}),
        "lstm_bare": ("QLSTM", {**GATED, "use_bias": False, "bias_quantizer": None}),
        "lstm_hard": ("QLSTM", {**GATED, "recurrent_activation": "hard_sigmoid"}),
        "lstm_dropout": ("QLSTM", {**GATED, "dropout": 0.5, "recurrent_dropout": 0.5, "seed": 3}),
        "gru": ("QGRU", {**GATED, **SEQUENCES}),
        "gru_after": ("QGRU", {**GATED, **SEQUENCES, "reset_after": True}),
        "gru_after_2": ("QGRU", {**GATED, "reset_after": True, "implementation": 2}),
        "gru_raw": ("QGRU", {**GATED, "recurrent_quantizer": None, "return_state": True}),
        "both": ("QBidirectional", {"layer": ("QLSTM", {**GATED, **SEQUENCES})}),
        "both_sum": ("QBidirectional", {"layer": ("QGRU", GATED), "merge_mode": "sum"}),
        "both_hard": (
            "QBidirectional",
            {"layer": ("QLSTM", {**GATED, "recurrent_activation": "hard_sigmoid"})},
        ),
        "both_two": (
            "QBidirectional",
            {
                "layer": ("QGRU", GATED),
                "backward_layer": ("QSimpleRNN", {**SIMPLE, "go_backwards": True}),
                "merge_mode": "mul",
            },
        ),
    },
)
VECTORS: Final = Group(
    (VECTOR,),
    {
        "linear": (
            "QDense",
            {
                "units": 3,
                "kernel_quantizer": "quantized_linear(4,0,alpha='auto_po2')",
                "bias_quantizer": "quantized_linear(4)",
            },
        ),
        "linear_activation": ("QActivation", {"activation": "quantized_linear(4,1)"}),
        "ulaw": ("QActivation", {"activation": "quantized_ulaw(6,1)"}),
        "sigmoid": ("QActivation", {"activation": "quantized_sigmoid(5)"}),
        "relu_po2": ("QActivation", {"activation": "quantized_relu_po2(4)"}),
        "stochastic": ("QActivation", {"activation": "stochastic_binary(alpha=1)"}),
        "relu": ("ReLU", {"max_value": 3.0, "negative_slope": 0.25, "threshold": 0.5}),
        "leaky": ("LeakyReLU", {"negative_slope": 0.25}),
        "identity": ("Identity", {}),
        "dropout0": ("Dropout", {"rate": 0.5, "seed": 2}),
        "alpha": ("AlphaDropout", {"rate": 0.5}),
        "noise": ("GaussianNoise", {"stddev": 0.5}),
        "gauss": ("GaussianDropout", {"rate": 0.5}),
        "regularized": ("ActivityRegularization", {"l1": 0.5}),
        "repeat": ("RepeatVector", {"n": 3}),
        "hard": ("Activation", {"activation": "hard_sigmoid"}),
        "leaky_name": ("Activation", {"activation": "leaky_relu"}),
        "folded": ("QDenseBatchnorm", {"units": 3, **KERNEL}),
        "batch": ("BatchNormalization", {"scale": False, "epsilon": 0.0}),
    },
)
VOLUMES: Final = Group(
    (VOLUME,),
    {
        "conv3d": ("Conv3D", {"filters": 3, "kernel_size": 2, "padding": "same"}),
        "conv3d_groups": ("Conv3D", {"filters": 4, "kernel_size": 2, "groups": 2}),
        "conv3d_dilated": ("Conv3DTranspose", {"filters": 3, "kernel_size": 2, "dilation_rate": 2}),
        "conv3d_first": (
            "Conv3D",
            {"filters": 3, "kernel_size": 2, "data_format": "channels_first"},
        ),
        "conv3d_transposed": ("Conv3DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2}),
        "max3d": ("MaxPooling3D", {"pool_size": 2}),
        "average3d": ("AveragePooling3D", {"pool_size": 2}),
        "global_max3d": ("GlobalMaxPooling3D", {}),
        "global_average3d": ("GlobalAveragePooling3D", {}),
        "upsampling3d": ("UpSampling3D", {"size": 2}),
        "padding3d": ("ZeroPadding3D", {"padding": 1}),
        "cropping3d": ("Cropping3D", {"cropping": 1}),
        "dropout3d": ("SpatialDropout3D", {"rate": 0.5, "data_format": "channels_first"}),
    },
)
TABLE = {"embedding": ("Embedding", {"input_dim": 9, "output_dim": 3})}
MERGED: Final = Group(
    (ROWS, ROWS),
    {
        "add": ("Add", {}),
        "subtract": ("Subtract", {}),
        "multiply": ("Multiply", {}),
        "mean": ("Average", {}),
        "maximum": ("Maximum", {}),
        "minimum": ("Minimum", {}),
        "concatenate": ("Concatenate", {"axis": 1}),
        "dot": ("Dot", {"axes": 2}),
    },
)
#: Of functions that libraries round in their own ways.
ROUNDED: Final = Group(
    (ROWS,),
    {
        "layer_norm": ("LayerNormalization", {"axis": -1, "epsilon": 1e-5}),
        "unit": ("UnitNormalization", {}),
        "elu": ("ELU", {"alpha": 0.5}),
        "softmax": ("Softmax", {}),
        "gelu": ("Activation", {"activation": "gelu"}),
        "lstm_tanh": ("LSTM", {"units": 3, **SEQUENCES}),
        "lstm_dropouts": ("LSTM", {"units": 3, "recurrent_dropout": 0.5, "dropout": 0.5}),
        "gru_tanh": ("GRU", {"units": 3, **SEQUENCES, "return_state": True}),
        "gru_before": ("GRU", {"units": 3, "reset_after": False}),
        "simple_tanh": ("SimpleRNN", {"units": 3}),
        "both_tanh": ("Bidirectional", {"layer": ("GRU", {"units": 3})}),
    },
    exact=False,
)
#: Of the option that tells these apart, Keras 3 cannot read what it writes to an ``.h5`` file.
ARCHIVED: Final = Group(
    (ROWS,),
    {"layer_norm_axes": ("LayerNormalization", {"axis": [2, 1], "scale": False})},
    exact=False,
)
ATTENTIONS: Final = Group(
    ((4, 3), (5, 3)),
    {
        "attention": ("Attention", {"use_scale": True, "dropout": 0.5, "seed": 1}),
        "attention_sums": ("Attention", {"score_mode": "concat"}),
        "additive": ("AdditiveAttention", {"use_scale": True}),
        "dot_unit": ("Dot", {"axes": 2, "normalize": True}),
    },
    exact=False,
)

GROUPS: Final[Mapping[str, Group]] = {
    "images": IMAGES,
    "series": SERIES,
    "cells": CELLS,
    "vectors": VECTORS,
    "volumes": VOLUMES,
    "numbers": Group(((5,),), TABLE),
    "tokens": Group(((5,),), TABLE, dtype="int32"),
    "merged": MERGED,
    "rounded": ROUNDED,
    "archived": ARCHIVED,
    "attentions": ATTENTIONS,
}
