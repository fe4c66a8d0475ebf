"""One function for each Keras class, and the table of them all."""

from collections.abc import Mapping
from typing import Final

from qconvert.frontend.call import LayerParser
from qconvert.frontend.layers.activation import (
    activation,
    elu,
    identity,
    leaky_relu,
    relu,
    softmax,
)
from qconvert.frontend.layers.adaptive import q_adaptive_activation, q_scale_shift
from qconvert.frontend.layers.convolution import (
    conv1d,
    conv2d,
    conv2d_transpose,
    depthwise_conv2d,
    separable_conv1d,
    separable_conv2d,
)
from qconvert.frontend.layers.dense import dense
from qconvert.frontend.layers.folded import (
    conv2d_batchnorm,
    dense_batchnorm,
    depthwise_conv2d_batchnorm,
)
from qconvert.frontend.layers.keras_ops import (
    keras_arithmetic,
    keras_negative,
    keras_slicing,
)
from qconvert.frontend.layers.merge import concatenate, merge
from qconvert.frontend.layers.normalization import batch_normalization, q_batch_normalization
from qconvert.frontend.layers.pooling import (
    global_pooling,
    pooling,
    q_average_pooling2d,
    q_global_average_pooling2d,
)
from qconvert.frontend.layers.shape import (
    cropping,
    flatten,
    permute,
    reshape,
    up_sampling,
    zero_padding,
)
from qconvert.frontend.layers.tensor_ops import function, slicing
from qconvert.frontend.layers.transposed import (
    q_depthwise_conv2d_transpose,
    q_separable_conv2d_transpose,
)
from qconvert.frontend.layers.wrapper import prune_low_magnitude

_PLAIN: Final[Mapping[str, LayerParser]] = {
    "Activation": activation,
    "ActivityRegularization": identity,
    "Add": merge("add"),
    "AlphaDropout": identity,
    "Average": merge("average"),
    "AveragePooling1D": pooling("mean", 1),
    "AveragePooling2D": pooling("mean", 2),
    "BatchNormalization": batch_normalization,
    "Concatenate": concatenate,
    "Conv1D": conv1d,
    "Conv2D": conv2d,
    "Conv2DTranspose": conv2d_transpose,
    "Cropping1D": cropping(1),
    "Cropping2D": cropping(2),
    "Dense": dense,
    "DepthwiseConv2D": depthwise_conv2d,
    "Dropout": identity,
    "ELU": elu,
    "FQConv2D": conv2d,
    "FQDense": dense,
    "Flatten": flatten,
    "GaussianDropout": identity,
    "GaussianNoise": identity,
    "GlobalAveragePooling1D": global_pooling("mean", 1),
    "GlobalAveragePooling2D": global_pooling("mean", 2),
    "GlobalMaxPooling1D": global_pooling("max", 1),
    "GlobalMaxPooling2D": global_pooling("max", 2),
    "LeakyReLU": leaky_relu,
    "MaxPooling1D": pooling("max", 1),
    "MaxPooling2D": pooling("max", 2),
    "Maximum": merge("maximum"),
    "Minimum": merge("minimum"),
    "Multiply": merge("multiply"),
    "Permute": permute,
    "QActivation": activation,
    "QAdaptiveActivation": q_adaptive_activation,
    "QAveragePooling2D": q_average_pooling2d,
    "QBatchNormalization": q_batch_normalization,
    "QConv1D": conv1d,
    "QConv2D": conv2d,
    "QConv2DTranspose": conv2d_transpose,
    "QConv2DBatchnorm": conv2d_batchnorm,
    "QDense": dense,
    "QDenseBatchnorm": dense_batchnorm,
    "QDepthwiseConv2D": depthwise_conv2d,
    "QDepthwiseConv2DBatchnorm": depthwise_conv2d_batchnorm,
    "QDepthwiseConv2DTranspose": q_depthwise_conv2d_transpose,
    "QGlobalAveragePooling2D": q_global_average_pooling2d,
    "QScaleShift": q_scale_shift,
    "QSeparableConv1D": separable_conv1d,
    "QSeparableConv2D": separable_conv2d,
    "QSeparableConv2DTranspose": q_separable_conv2d_transpose,
    "ReLU": relu,
    "Reshape": reshape,
    "SeparableConv1D": separable_conv1d,
    "SeparableConv2D": separable_conv2d,
    "SlicingOpLambda": slicing,
    "Softmax": softmax,
    "SpatialDropout1D": identity,
    "SpatialDropout2D": identity,
    "Subtract": merge("subtract"),
    "TFOpLambda": function,
    "UpSampling1D": up_sampling(1),
    "UpSampling2D": up_sampling(2),
    "ZeroPadding1D": zero_padding(1),
    "ZeroPadding2D": zero_padding(2),
    "keras.ops.Add": keras_arithmetic("add"),
    "keras.ops.GetItem": keras_slicing,
    "keras.ops.Maximum": keras_arithmetic("maximum"),
    "keras.ops.Minimum": keras_arithmetic("minimum"),
    "keras.ops.Multiply": keras_arithmetic("multiply"),
    "keras.ops.Negative": keras_negative,
    "keras.ops.Subtract": keras_arithmetic("subtract"),
}

#: Every layer that can be converted; models in models and inputs are `graph`'s business.
LAYERS: Final[Mapping[str, LayerParser]] = {
    **_PLAIN,
    "PruneLowMagnitude": prune_low_magnitude(_PLAIN),
}
