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
from qconvert.frontend.layers.bidirectional import bidirectional
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
from qconvert.frontend.layers.merge import concatenate, merge
from qconvert.frontend.layers.normalization import batch_normalization, q_batch_normalization
from qconvert.frontend.layers.pooling import (
    global_pooling,
    pooling,
    q_average_pooling2d,
    q_global_average_pooling2d,
)
from qconvert.frontend.layers.recurrent import recurrent
from qconvert.frontend.layers.shape import (
    cropping,
    flatten,
    permute,
    reshape,
    up_sampling,
    zero_padding,
)
from qconvert.frontend.layers.tensor_ops import function, slicing
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
    "Bidirectional": bidirectional,
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
    "GRU": recurrent,
    "GaussianDropout": identity,
    "GaussianNoise": identity,
    "GlobalAveragePooling1D": global_pooling("mean", 1),
    "GlobalAveragePooling2D": global_pooling("mean", 2),
    "GlobalMaxPooling1D": global_pooling("max", 1),
    "GlobalMaxPooling2D": global_pooling("max", 2),
    "LSTM": recurrent,
    "LeakyReLU": leaky_relu,
    "MaxPooling1D": pooling("max", 1),
    "MaxPooling2D": pooling("max", 2),
    "Maximum": merge("maximum"),
    "Minimum": merge("minimum"),
    "Multiply": merge("multiply"),
    "Permute": permute,
    "QActivation": activation,
    "QAveragePooling2D": q_average_pooling2d,
    "QBatchNormalization": q_batch_normalization,
    "QBidirectional": bidirectional,
    "QConv1D": conv1d,
    "QConv2D": conv2d,
    "QConv2DBatchnorm": conv2d_batchnorm,
    "QDense": dense,
    "QDenseBatchnorm": dense_batchnorm,
    "QDepthwiseConv2D": depthwise_conv2d,
    "QDepthwiseConv2DBatchnorm": depthwise_conv2d_batchnorm,
    "QGRU": recurrent,
    "QGlobalAveragePooling2D": q_global_average_pooling2d,
    "QLSTM": recurrent,
    "QSeparableConv1D": separable_conv1d,
    "QSeparableConv2D": separable_conv2d,
    "QSimpleRNN": recurrent,
    "ReLU": relu,
    "Reshape": reshape,
    "SeparableConv1D": separable_conv1d,
    "SeparableConv2D": separable_conv2d,
    "SimpleRNN": recurrent,
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
}

#: Every layer that can be converted; models in models and inputs are `graph`'s business.
LAYERS: Final[Mapping[str, LayerParser]] = {
    **_PLAIN,
    "PruneLowMagnitude": prune_low_magnitude(_PLAIN),
}
