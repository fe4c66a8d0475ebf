"""Every layer that can be converted, with the options that change numbers: one table.

A `Family` is a Keras class, the shapes that it takes (without the batch axis) and the arguments
that all its cases share; each case adds the options that it is about.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Options: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = tuple[int, ...]
#: Keras's layers and tensors have no types.
Keras: TypeAlias = Any
Call: TypeAlias = Callable[[Keras, list[Keras]], Keras]


@dataclass(frozen=True, slots=True)
class Family:
    """The cases of one class."""

    class_name: str
    shapes: tuple[Shape, ...]
    cases: tuple[Options, ...] = ({},)
    shared: Options = field(default_factory=dict)
    #: How a layer is called on its tensors; all of them, if nothing else is said.
    call: Call | None = None
    #: Whether inputs are whole numbers, of rows in a table.
    rows: bool = False
    #: Whether the first case is there once more, on one channel of numbers that nobody quantized.
    alone: bool = True
    #: Whether it is behind a layer that masks steps of zeros.
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Inner:
    """A layer as an argument of a layer."""

    class_name: str
    options: Options

    def __repr__(self) -> str:
        return f"{self.class_name}(...)"


VECTOR: Final[tuple[Shape, ...]] = ((7,),)
SERIES: Final[tuple[Shape, ...]] = ((9, 3),)
IMAGE: Final[tuple[Shape, ...]] = ((7, 6, 4),)
VOLUME: Final[tuple[Shape, ...]] = ((5, 4, 6, 2),)
BITS: Final = "quantized_bits(4, 0, alpha=1)"
WIDE: Final = "quantized_bits(8, 3, alpha=1)"
KERNEL: Final[dict[str, Any]] = {"kernel_quantizer": BITS, "bias_quantizer": WIDE}
DEPTHWISE: Final[dict[str, Any]] = {"depthwise_quantizer": BITS, "bias_quantizer": WIDE}
SEPARABLE: Final[dict[str, Any]] = DEPTHWISE | {"pointwise_quantizer": BITS}
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


RECURRENT: Final[dict[str, Any]] = KERNEL | {
    "units": 2,
    "recurrent_quantizer": BITS,
    "state_quantizer": WIDE,
}
#: What recurrent layers have in common.
LOOPS: Final[tuple[Options, ...]] = (
    {},
    {"return_sequences": True},
    {"go_backwards": True},
    {"use_bias": False},
    {"state_quantizer": None},
)


def _same(names: str, shapes: tuple[Shape, ...], *cases: Options) -> tuple[Family, ...]:
    """Several classes with the same cases."""
    return tuple(Family(name, shapes, cases or ({},)) for name in names.split())


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
#: What recurrent layers return for steps that are left out.
GAPS: Final[tuple[Options, ...]] = (
    {"return_sequences": True},
    {"return_sequences": True, "go_backwards": True},
    {"zero_output_for_mask": True},
)
_MASKED: Final[tuple[Family, ...]] = (
    Family("Masking", SERIES, ({}, {"mask_value": -1.0})),
    Family("QSimpleRNN", SERIES, GAPS, RECURRENT, masked=True),
    Family("QLSTM", SERIES, GAPS, RECURRENT, masked=True),
    Family("QGRU", SERIES, GAPS, RECURRENT, masked=True),
    Family(
        "QBidirectional",
        SERIES,
        ({}, {"merge_mode": "sum"}),
        {"layer": Inner("QLSTM", RECURRENT | {"return_sequences": True})},
        masked=True,
    ),
    Family("LSTM", SERIES, GAPS, {"units": 2}, masked=True),
    Family("GRU", SERIES, GAPS[:1], {"units": 2}, masked=True),
    Family("GlobalAveragePooling1D", SERIES, masked=True),
    Family(
        "TimeDistributed", SERIES, ({"layer": Inner("QDense", KERNEL | {"units": 3})},), masked=True
    ),
)

_RECURRENT: Final[tuple[Family, ...]] = (
    Family("QSimpleRNN", SERIES, LOOPS, RECURRENT),
    Family("QLSTM", SERIES, (*LOOPS[:3], {"implementation": 2}), RECURRENT),
    Family("QGRU", SERIES, (*LOOPS, {"reset_after": True}), RECURRENT),
    Family(
        "QBidirectional",
        SERIES,
        tuple({"merge_mode": mode} for mode in ("concat", "sum", "mul", "ave")),
        {"layer": Inner("QLSTM", RECURRENT)},
    ),
    *_same("SimpleRNN LSTM", SERIES, {"units": 2}, {"units": 2, "return_sequences": True}),
    Family("GRU", SERIES, ({}, {"reset_after": False}), {"units": 2}),
    Family("Bidirectional", SERIES, ({"layer": Inner("GRU", {"units": 2})},)),
    Family(
        "TimeDistributed",
        SERIES,
        ({"layer": Inner("QDense", KERNEL | {"units": 2})},),
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
    *_same("SeparableConv1D", SERIES, {"filters": 4, "kernel_size": 3}),
    *_same("SeparableConv2D", IMAGE, {"filters": 4, "kernel_size": 3}),
    Family(
        "Conv2DTranspose",
        IMAGE,
        (*WINDOWS, {"strides": 2, "padding": "same", "output_padding": 1}),
        {"filters": 3, "kernel_size": 3},
    ),
    *_same("Conv3D Conv3DTranspose", VOLUME, {"filters": 3, "kernel_size": 2}),
    *_same("Conv1DTranspose", SERIES, {"filters": 3, "kernel_size": 3, "strides": 2}),
    *_same("MaxPooling3D AveragePooling3D", VOLUME, {"pool_size": 2, "padding": "same"}),
    *_same("GlobalMaxPooling3D GlobalAveragePooling3D", VOLUME),
    *_same("ZeroPadding3D", VOLUME, {"padding": (1, 0, 2)}),
    *_same("Cropping3D", VOLUME, {"cropping": (1, 0, 2)}),
    *_same("UpSampling3D", VOLUME, {"size": (2, 1, 2)}),
    *_same("SpatialDropout3D", VOLUME, {"rate": 0.5}),
    *_same("LayerNormalization", IMAGE, {}, {"axis": (1, 2)}, {"scale": False}),
    *_same("UnitNormalization", IMAGE),
    *_same("PReLU", IMAGE, {}, {"shared_axes": (1, 2)}),
    *_same("ThresholdedReLU", VECTOR, {"theta": 0.5}),
    *_same("RepeatVector", VECTOR, {"n": 3}),
    *_same("Rescaling", VECTOR, {"scale": 0.5, "offset": -1.0}),
    *_same("Normalization", VECTOR, {"mean": 0.5, "variance": 0.25}),
    *_same(
        "Resizing",
        IMAGE,
        {"height": 5, "width": 9, "interpolation": "nearest"},
        {"height": 5, "width": 9, "interpolation": "bilinear"},
        {"height": 5, "width": 3, "crop_to_aspect_ratio": True},
    ),
    *_same("CenterCrop", IMAGE, {"height": 4, "width": 3}),
    *_same("Dot", SERIES * 2, {"axes": 1}, {"axes": 2, "normalize": True}),
    *_same("Attention AdditiveAttention", SERIES * 2, {}, {"use_scale": False}),
    Family("BatchNormalization", IMAGE, ({}, {"scale": False}, {"center": False}, {"axis": 1})),
    Family("BatchNormalization", VECTOR),
    *_same("MaxPooling1D AveragePooling1D", SERIES, *POOLING),
    *_same("MaxPooling2D AveragePooling2D", IMAGE, *POOLING),
    *_same("GlobalMaxPooling1D GlobalAveragePooling1D", SERIES, {}, {"keepdims": True}),
    *_same("GlobalMaxPooling2D GlobalAveragePooling2D", IMAGE, {}, {"keepdims": True}),
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
    *_same("LeakyReLU ELU", VECTOR, {}, {"alpha": 0.25}),
    *_same("Softmax", SERIES, {}, {"axis": 1}, {"axis": [1, 2]}),
    *_same("Flatten", IMAGE, {}, {"data_format": "channels_first"}),
    Family("Reshape", IMAGE, ({"target_shape": (6, -1)},)),
    *_same("Permute", IMAGE, {"dims": (3, 1, 2)}, {"dims": (2, 1, 3)}),
    *_same("ZeroPadding1D", SERIES, {"padding": (1, 2)}),
    *_same("ZeroPadding2D", IMAGE, {"padding": ((1, 0), (0, 2))}),
    *_same("Cropping1D", SERIES, {"cropping": (1, 2)}),
    *_same("Cropping2D", IMAGE, {"cropping": ((1, 0), (0, 2))}),
    *_same("UpSampling1D", SERIES, {"size": 2}),
    *_same("UpSampling2D", IMAGE, {"size": (2, 3)}, {"size": 2, "interpolation": "bilinear"}),
    *_same("Add Average Maximum Minimum Multiply Subtract", VECTOR * 2),
    *_same("Concatenate", SERIES * 2, {}, {"axis": 1}),
    *_same("AlphaDropout Dropout GaussianDropout", VECTOR, {"rate": 0.5}),
    *_same("GaussianNoise", VECTOR, {"stddev": 0.5}),
    *_same("SpatialDropout1D", SERIES, {"rate": 0.5}),
    *_same("SpatialDropout2D", IMAGE, {"rate": 0.5}),
    *_same("ActivityRegularization Identity", VECTOR),
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
PLAIN: Final = _QKERAS + _TRANSPOSED + _RECURRENT + _MASKED + _STOCK + _CHANNELS_FIRST
