"""What each Keras class does with the masks that Keras carries from layer to layer.

A mask tells for each step whether it counts. Keras keeps it beside a layer's result, and a layer
that neither supports masks nor asks for one loses it: ``Layer._set_mask_metadata`` of tf_keras.
Here it is a value of the graph with 1 and 0 in the place of the features, whose axis has length 1.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Parsed
from qconvert.frontend.opaque import STOCK
from qconvert.frontend.problems import Unsupported
from qconvert.frontend.topology import FUNCTION
from qconvert.ir.graph import Graph
from qconvert.ir.ops import Concat, Merge
from qconvert.ir.shapes import Shape


class Rule(Enum):
    """What happens to the masks of a call's inputs."""

    PASSES = "the result has the mask of the input, which the layer does not look at"
    DROPS = "the result has none"
    MERGES = "a step of the result counts if it does in every input that has a mask"
    JOINS = "masks are joined as their inputs are"
    OWN = "the parser reads them, and tells the masks of the results"


_UNEQUAL: Final = "a mask reaches it that has not the steps of its result"
_ATTENTION: Final = "a mask reaches it: attention with masks is not supported"
_SOFTMAX: Final = "a mask reaches it, which Keras adds to the features as if it were one of them"
_SAME: Final = (
    "a mask reaches it, and it returns its input: whether Keras carries the mask on depends on"
    " whether that is the same object"
)

_KERAS3: Final = "a mask reaches it, in a model of Keras 3"

#: Every class of `LAYERS` but functions, in the order of what it does; a text refuses, with reason.
RULES: Final[Mapping[str, Rule | str]] = {
    **dict.fromkeys(
        (
            "Activation",
            "ActivityRegularization",
            "AlphaDropout",
            "BatchNormalization",
            "Dense",
            "Dropout",
            "ELU",
            "FQDense",
            "GaussianDropout",
            "GaussianNoise",
            "LayerNormalization",
            "LeakyReLU",
            "PReLU",
            "QBatchNormalization",
            "QDense",
            "QDenseBatchnorm",
            "ReLU",
            "SpatialDropout1D",
            "SpatialDropout2D",
            "SpatialDropout3D",
            "ThresholdedReLU",
            "UnitNormalization",
        ),
        Rule.PASSES,
    ),
    **dict.fromkeys(
        ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"),
        Rule.MERGES,
    ),
    "Concatenate": Rule.JOINS,
    **dict.fromkeys(
        (
            "Bidirectional",
            "Embedding",
            "GRU",
            "GlobalAveragePooling1D",
            "LSTM",
            "Masking",
            "PruneLowMagnitude",
            "QBidirectional",
            "QGRU",
            "QLSTM",
            "QSimpleRNN",
            "SimpleRNN",
            "TimeDistributed",
        ),
        Rule.OWN,
    ),
    **dict.fromkeys(
        (
            "AveragePooling1D",
            "AveragePooling2D",
            "AveragePooling3D",
            "CenterCrop",
            "Conv1D",
            "Conv1DTranspose",
            "Conv2D",
            "Conv2DTranspose",
            "Conv3D",
            "Conv3DTranspose",
            "Cropping1D",
            "Cropping2D",
            "Cropping3D",
            "DepthwiseConv2D",
            "Dot",
            "FQConv2D",
            "Flatten",
            "Identity",
            "GlobalAveragePooling2D",
            "GlobalAveragePooling3D",
            "GlobalMaxPooling1D",
            "GlobalMaxPooling2D",
            "GlobalMaxPooling3D",
            "MaxPooling1D",
            "MaxPooling2D",
            "MaxPooling3D",
            "Normalization",
            "Permute",
            "QActivation",
            "QAdaptiveActivation",
            "QAveragePooling2D",
            "QConv1D",
            "QConv2D",
            "QConv2DBatchnorm",
            "QConv2DTranspose",
            "QDepthwiseConv2D",
            "QDepthwiseConv2DBatchnorm",
            "QDepthwiseConv2DTranspose",
            "QGlobalAveragePooling2D",
            "QScaleShift",
            "QSeparableConv1D",
            "QSeparableConv2D",
            "QSeparableConv2DTranspose",
            "RepeatVector",
            "Rescaling",
            "Reshape",
            "Resizing",
            "SeparableConv1D",
            "SeparableConv2D",
            "SlicingOpLambda",
            "TFOpLambda",
            "UpSampling1D",
            "UpSampling2D",
            "UpSampling3D",
            "ZeroPadding1D",
            "ZeroPadding2D",
            "ZeroPadding3D",
        ),
        Rule.DROPS,
    ),
    "AdditiveAttention": _ATTENTION,
    "Attention": _ATTENTION,
    "MultiHeadAttention": _ATTENTION,
    "Softmax": _SOFTMAX,
    **dict.fromkeys(STOCK, "a mask reaches it, which its converter does not see"),
}


def rule_of(class_name: str) -> Rule | str:
    """What a class does with masks; the functions of Keras 3 are no layers that tf_keras has."""
    return _KERAS3 if class_name.startswith(FUNCTION) else RULES[class_name]


def mask_of_result(
    class_name: str, parsed: Parsed, shape: Shape, masks: Sequence[Shape | None]
) -> Graph | None:
    """The mask of the only result, which has *shape*, from the masks of some of the inputs.

    `Unsupported` if it is not known; not for the classes of `Rule.OWN`.
    """
    match rule_of(class_name):
        case Rule.PASSES:
            return _handed_on(masks)
        case Rule.DROPS:
            return _dropped(class_name, parsed, masks)
        case Rule.MERGES:
            return _merged(shape, masks)
        case Rule.JOINS:
            return _joined(parsed, shape, masks)
        case Rule.OWN:
            raise ValueError(f"the parser of {class_name} tells its masks")
        case reason:
            raise Unsupported(reason, code="QC325")


def _handed_on(masks: Sequence[Shape | None]) -> Graph:
    whole = Assembly.of((), masks)
    return whole.graph("mask", whole.inputs)


def _dropped(class_name: str, parsed: Parsed, masks: Sequence[Shape | None]) -> Graph | None:
    """Keras keeps a mask with its tensor: a layer that returns its input returns the mask too."""
    if parsed.ops or parsed.graph:
        return None
    if class_name != "QActivation":
        raise Unsupported(_SAME, code="QC325")
    return _handed_on(masks)


def _merged(shape: Shape, masks: Sequence[Shape | None]) -> Graph:
    """``_Merge.compute_mask``, which stacks all masks."""
    if any(mask is not None and mask[:-1] != shape[:-1] for mask in masks):
        raise Unsupported(_UNEQUAL, code="QC325")
    whole = Assembly.of((), masks)
    names = whole.inputs
    return whole.graph("mask", [whole.add(Merge("minimum"), *names) if names[1:] else names[0]])


def _joined(parsed: Parsed, shape: Shape, masks: Sequence[Shape | None]) -> Graph:
    """``Concatenate.compute_mask``: with a mask of the features where there is none, all ones."""
    (concat,) = parsed.ops
    assert isinstance(concat, Concat)
    if concat.axis == len(shape) - 1:
        return _merged(shape, masks)
    if None in masks:
        raise Unsupported("a mask reaches it, but not with all of its inputs", code="QC325")
    whole = Assembly.of((), masks)
    return whole.graph("mask", [whole.add(concat, *whole.inputs)])
