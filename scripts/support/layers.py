"""Every layer that can be converted, with the options that change numbers: one table."""

from typing import Any, Final

from scripts.support.families import (
    BITS,
    DEPTHWISE,
    IMAGE,
    KERNEL,
    SEPARABLE,
    SERIES,
    VECTOR,
    VOLUME,
    Family,
    Options,
    several,
)
from scripts.support.recurrent import LOOPING, MASKED

#: What convolutions have in common.
WINDOWS: Final[tuple[Options, ...]] = (
    {"padding": "valid"},
    {"padding": "same"},
    {"padding": "same", "strides": 2},
    {"padding": "valid", "strides": 2},
    {"padding": "same", "dilation_rate": 2},
)
ENDINGS: Final[tuple[Options, ...]] = (
    {"use_bias": False},
    {"activation": "quantized_relu(4, 2)"},
    {"activation": "relu"},
)
POOLING: Final[tuple[Options, ...]] = (
    {"pool_size": 2},
    {"pool_size": 3, "strides": 2, "padding": "same"},
    {"pool_size": 3, "strides": 1, "padding": "valid"},
)
FOLDED: Final[tuple[Options, ...]] = (
    {},
    {"scale": False},
    {"use_bias": False},
    {"padding": "same", "strides": 2},
    {"folding_mode": "batch_stats_folding"},
    {"activation": "quantized_relu(4, 2)"},
)

_QKERAS: Final[tuple[Family, ...]] = (
    Family(
        "QDense",
        VECTOR,
        (
            {},
            *ENDINGS,
            {"kernel_quantizer": "quantized_bits(4, 0)"},
            {"kernel_quantizer": "quantized_bits(4, 0, alpha='auto')"},
            {"kernel_quantizer": None, "bias_quantizer": None},
        ),
        KERNEL | {"units": 3},
    ),
    Family("QDense", SERIES, ({},), KERNEL | {"units": 3}),
    Family(
        "QConv1D",
        SERIES,
        (*WINDOWS, *ENDINGS, {"padding": "causal", "dilation_rate": 2}),
        KERNEL | {"filters": 4, "kernel_size": 3},
    ),
    Family(
        "QConv2D",
        IMAGE,
        (*WINDOWS, *ENDINGS, {"groups": 2}, {"kernel_size": (2, 3), "dilation_rate": (2, 1)}),
        KERNEL | {"filters": 4, "kernel_size": 3},
    ),
    Family(
        "QDepthwiseConv2D",
        IMAGE,
        (*WINDOWS, *ENDINGS, {"depth_multiplier": 2}),
        DEPTHWISE | {"kernel_size": 3},
    ),
    Family(
        "QSeparableConv1D",
        SERIES,
        (*WINDOWS, *ENDINGS, {"depth_multiplier": 2}),
        SEPARABLE | {"filters": 4, "kernel_size": 3},
    ),
    Family(
        "QSeparableConv2D",
        IMAGE,
        (*WINDOWS, *ENDINGS, {"depth_multiplier": 2}),
        SEPARABLE | {"filters": 4, "kernel_size": 3},
    ),
    Family("QConv2DBatchnorm", IMAGE, FOLDED, KERNEL | {"filters": 4, "kernel_size": 3}),
    Family(
        "QDepthwiseConv2DBatchnorm",
        IMAGE,
        (*FOLDED, {"depth_multiplier": 2}),
        DEPTHWISE | {"kernel_size": 3},
    ),
    Family(
        "QBatchNormalization",
        IMAGE,
        ({}, {"scale": False}, {"center": False}, {"variance_quantizer": None}, {"axis": 1}),
    ),
    Family(
        "QAveragePooling2D",
        IMAGE,
        (*POOLING, {"average_quantizer": None}),
        {"pool_size": 2, "average_quantizer": BITS},
    ),
    Family(
        "QGlobalAveragePooling2D",
        IMAGE,
        ({}, {"keepdims": True}, {"activation": "quantized_relu(4)"}),
        {"average_quantizer": "quantized_bits(8, 0, alpha=1)"},
    ),
)
_TRANSPOSED: Final[tuple[Family, ...]] = (
    Family(
        "QConv2DTranspose",
        IMAGE,
        (*WINDOWS[:4], *ENDINGS, {"kernel_quantizer": "quantized_bits(4, 0)"}),
        KERNEL | {"filters": 3, "kernel_size": 3},
    ),
)
_STOCK: Final[tuple[Family, ...]] = (
    Family("Dense", VECTOR, ({}, {"use_bias": False}, {"activation": "tanh"}), {"units": 3}),
    Family("Conv1D", SERIES, WINDOWS, {"filters": 4, "kernel_size": 3}),
    Family(
        "Conv2D",
        IMAGE,
        (*WINDOWS, {"groups": 2}),
        {"filters": 4, "kernel_size": 3},
    ),
    Family("DepthwiseConv2D", IMAGE, (*WINDOWS, {"depth_multiplier": 2}), {"kernel_size": 3}),
    *several("SeparableConv1D", SERIES, {"filters": 4, "kernel_size": 3}),
    *several("SeparableConv2D", IMAGE, {"filters": 4, "kernel_size": 3}),
    Family(
        "Conv2DTranspose",
        IMAGE,
        (*WINDOWS, {"strides": 2, "padding": "same", "output_padding": 1}),
        {"filters": 3, "kernel_size": 3},
    ),
    *several("Conv3D Conv3DTranspose", VOLUME, {"filters": 3, "kernel_size": 2}),
    *several("Conv1DTranspose", SERIES, {"filters": 3, "kernel_size": 3, "strides": 2}),
    *several("MaxPooling3D AveragePooling3D", VOLUME, {"pool_size": 2, "padding": "same"}),
    *several("GlobalMaxPooling3D GlobalAveragePooling3D", VOLUME),
    *several("ZeroPadding3D", VOLUME, {"padding": (1, 0, 2)}),
    *several("Cropping3D", VOLUME, {"cropping": (1, 0, 2)}),
    *several("UpSampling3D", VOLUME, {"size": (2, 1, 2)}),
    *several("SpatialDropout3D", VOLUME, {"rate": 0.5}),
    *several("LayerNormalization", IMAGE, {}, {"axis": (1, 2)}, {"scale": False}),
    *several("UnitNormalization", IMAGE),
    *several("PReLU", IMAGE, {}, {"shared_axes": (1, 2)}),
    *several("ThresholdedReLU", VECTOR, {"theta": 0.5}),
    *several("RepeatVector", VECTOR, {"n": 3}),
    *several("Rescaling", VECTOR, {"scale": 0.5, "offset": -1.0}),
    *several("Normalization", VECTOR, {"mean": 0.5, "variance": 0.25}),
    *several(
        "Resizing",
        IMAGE,
        {"height": 5, "width": 9, "interpolation": "nearest"},
        {"height": 5, "width": 9, "interpolation": "bilinear"},
        {"height": 5, "width": 3, "crop_to_aspect_ratio": True},
    ),
    *several("CenterCrop", IMAGE, {"height": 4, "width": 3}),
    *several("Dot", SERIES * 2, {"axes": 1}, {"axes": 2, "normalize": True}),
    *several("Attention AdditiveAttention", SERIES * 2, {}, {"use_scale": False}),
    Family("BatchNormalization", IMAGE, ({}, {"scale": False}, {"center": False}, {"axis": 1})),
    Family("BatchNormalization", VECTOR),
    *several("MaxPooling1D AveragePooling1D", SERIES, *POOLING),
    *several("MaxPooling2D AveragePooling2D", IMAGE, *POOLING),
    *several("GlobalMaxPooling1D GlobalAveragePooling1D", SERIES, {}, {"keepdims": True}),
    *several("GlobalMaxPooling2D GlobalAveragePooling2D", IMAGE, {}, {"keepdims": True}),
    Family(
        "Activation",
        VECTOR,
        tuple(
            {"activation": name}
            for name in (
                "elu",
                "exponential",
                "gelu",
                "hard_sigmoid",
                "linear",
                "mish",
                "relu",
                "selu",
                "sigmoid",
                "softmax",
                "softplus",
                "softsign",
                "swish",
                "tanh",
            )
        ),
    ),
    Family("ReLU", VECTOR, ({}, {"max_value": 6}, {"negative_slope": 0.25, "threshold": 0.5})),
    *several("LeakyReLU ELU", VECTOR, {}, {"alpha": 0.25}),
    *several("Softmax", SERIES, {}, {"axis": 1}, {"axis": [1, 2]}),
    *several("Flatten", IMAGE, {}, {"data_format": "channels_first"}),
    Family("Reshape", IMAGE, ({"target_shape": (6, -1)},)),
    *several("Permute", IMAGE, {"dims": (3, 1, 2)}, {"dims": (2, 1, 3)}),
    *several("ZeroPadding1D", SERIES, {"padding": (1, 2)}),
    *several("ZeroPadding2D", IMAGE, {"padding": ((1, 0), (0, 2))}),
    *several("Cropping1D", SERIES, {"cropping": (1, 2)}),
    *several("Cropping2D", IMAGE, {"cropping": ((1, 0), (0, 2))}),
    *several("UpSampling1D", SERIES, {"size": 2}),
    *several("UpSampling2D", IMAGE, {"size": (2, 3)}, {"size": 2, "interpolation": "bilinear"}),
    *several("Add Average Maximum Minimum Multiply Subtract", VECTOR * 2),
    *several("Concatenate", SERIES * 2, {}, {"axis": 1}),
    *several("AlphaDropout Dropout GaussianDropout", VECTOR, {"rate": 0.5}),
    *several("GaussianNoise", VECTOR, {"stddev": 0.5}),
    *several("SpatialDropout1D", SERIES, {"rate": 0.5}),
    *several("SpatialDropout2D", IMAGE, {"rate": 0.5}),
    *several("ActivityRegularization Identity", VECTOR),
)
_WINDOW: Final[dict[str, Any]] = {"filters": 4, "kernel_size": 3}
_CHANNELS_FIRST: Final[tuple[Family, ...]] = tuple(
    Family(name, shapes, ({"data_format": "channels_first"},), shared, alone=False)
    for shapes, names, shared in (
        (SERIES, "Conv1D SeparableConv1D", _WINDOW),
        (IMAGE, "Conv2D Conv2DTranspose SeparableConv2D", _WINDOW),
        (IMAGE, "DepthwiseConv2D", {"kernel_size": 3}),
        (IMAGE, "QConv2D", KERNEL | _WINDOW),
        (IMAGE, "QDepthwiseConv2D", DEPTHWISE | {"kernel_size": 3}),
        (IMAGE, "QSeparableConv2D", SEPARABLE | _WINDOW),
        (IMAGE, "QAveragePooling2D", {"pool_size": 2, "average_quantizer": BITS}),
        (SERIES, "MaxPooling1D AveragePooling1D", {"pool_size": 2}),
        (IMAGE, "MaxPooling2D AveragePooling2D", {"pool_size": 2}),
    )
    for name in names.split()
)
PLAIN: Final = _QKERAS + _TRANSPOSED + LOOPING + MASKED + _STOCK + _CHANNELS_FIRST
