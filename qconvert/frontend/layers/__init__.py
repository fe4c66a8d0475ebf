"""One function for each Keras class, and the table of them all."""

from collections.abc import Mapping
from typing import Final

from qconvert.frontend.call import LayerParser
from qconvert.frontend.layers.activation import (
    activation,
    elu,
    identity,
    leaky_relu,
    p_relu,
    relu,
    softmax,
    thresholded_relu,
)
from qconvert.frontend.layers.adaptive import q_adaptive_activation, q_scale_shift
from qconvert.frontend.layers.attention import (
    additive_attention,
    attention,
    multi_head_attention,
)
from qconvert.frontend.layers.bidirectional import bidirectional
from qconvert.frontend.layers.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose,
    depthwise_conv2d,
    separable_conv1d,
    separable_conv2d,
)
from qconvert.frontend.layers.dense import dense
from qconvert.frontend.layers.dot import dot
from qconvert.frontend.layers.embedding import embedding
from qconvert.frontend.layers.folded import (
    conv2d_batchnorm,
    dense_batchnorm,
    depthwise_conv2d_batchnorm,
)
from qconvert.frontend.layers.keras_ops import KERAS_OPS
from qconvert.frontend.layers.layer_normalization import layer_normalization, unit_normalization
from qconvert.frontend.layers.masking import masking
from qconvert.frontend.layers.merge import concatenate, merge
from qconvert.frontend.layers.normalization import batch_normalization, q_batch_normalization
from qconvert.frontend.layers.pooling import (
    global_average_pooling1d,
    global_pooling,
    pooling,
    q_average_pooling2d,
    q_global_average_pooling2d,
)
from qconvert.frontend.layers.preprocessing import normalization, rescaling, resizing
from qconvert.frontend.layers.recurrent import recurrent
from qconvert.frontend.layers.shape import (
    cropping,
    flatten,
    permute,
    repeat_vector,
    reshape,
    up_sampling,
    zero_padding,
)
from qconvert.frontend.layers.tensor_ops import function, slicing
from qconvert.frontend.layers.transposed import (
    q_depthwise_conv2d_transpose,
    q_separable_conv2d_transpose,
)
from qconvert.frontend.layers.wrapper import prune_low_magnitude, time_distributed

_PLAIN: Final[Mapping[str, LayerParser]] = {
    "Activation": activation,
    "ActivityRegularization": identity,
    "Add": merge("add"),
    "AdditiveAttention": additive_attention,
    "AlphaDropout": identity,
    "Attention": attention,
    "Average": merge("average"),
    "AveragePooling1D": pooling("mean", 1),
    "AveragePooling2D": pooling("mean", 2),
    "AveragePooling3D": pooling("mean", 3),
    "BatchNormalization": batch_normalization,
    "Bidirectional": bidirectional,
    "Concatenate": concatenate,
    "Conv1D": conv1d,
    "Conv1DTranspose": conv_transpose(1),
    "Conv2D": conv2d,
    "Conv2DTranspose": conv_transpose(2),
    "Conv3D": conv3d,
    "Conv3DTranspose": conv_transpose(3),
    "Cropping1D": cropping(1),
    "Cropping2D": cropping(2),
    "Cropping3D": cropping(3),
    "Dense": dense,
    "DepthwiseConv2D": depthwise_conv2d,
    "Dot": dot,
    "Dropout": identity,
    "ELU": elu,
    "Embedding": embedding,
    "FQConv2D": conv2d,
    "FQDense": dense,
    "Flatten": flatten,
    "GRU": recurrent,
    "GaussianDropout": identity,
    "GaussianNoise": identity,
    "GlobalAveragePooling1D": global_average_pooling1d,
    "GlobalAveragePooling2D": global_pooling("mean", 2),
    "GlobalAveragePooling3D": global_pooling("mean", 3),
    "GlobalMaxPooling1D": global_pooling("max", 1),
    "GlobalMaxPooling2D": global_pooling("max", 2),
    "GlobalMaxPooling3D": global_pooling("max", 3),
    "Identity": identity,
    "LSTM": recurrent,
    "LayerNormalization": layer_normalization,
    "LeakyReLU": leaky_relu,
    "Masking": masking,
    "MaxPooling1D": pooling("max", 1),
    "MaxPooling2D": pooling("max", 2),
    "MaxPooling3D": pooling("max", 3),
    "Maximum": merge("maximum"),
    "Minimum": merge("minimum"),
    "MultiHeadAttention": multi_head_attention,
    "Multiply": merge("multiply"),
    "Normalization": normalization,
    "PReLU": p_relu,
    "Permute": permute,
    "QActivation": activation,
    "QAdaptiveActivation": q_adaptive_activation,
    "QAveragePooling2D": q_average_pooling2d,
    "QBatchNormalization": q_batch_normalization,
    "QBidirectional": bidirectional,
    "QConv1D": conv1d,
    "QConv2D": conv2d,
    "QConv2DBatchnorm": conv2d_batchnorm,
    "QConv2DTranspose": conv_transpose(2),
    "QDense": dense,
    "QDenseBatchnorm": dense_batchnorm,
    "QDepthwiseConv2D": depthwise_conv2d,
    "QDepthwiseConv2DBatchnorm": depthwise_conv2d_batchnorm,
    "QDepthwiseConv2DTranspose": q_depthwise_conv2d_transpose,
    "QGRU": recurrent,
    "QGlobalAveragePooling2D": q_global_average_pooling2d,
    "QLSTM": recurrent,
    "QScaleShift": q_scale_shift,
    "QSeparableConv1D": separable_conv1d,
    "QSeparableConv2D": separable_conv2d,
    "QSeparableConv2DTranspose": q_separable_conv2d_transpose,
    "QSimpleRNN": recurrent,
    "ReLU": relu,
    "RepeatVector": repeat_vector,
    "Rescaling": rescaling,
    "Reshape": reshape,
    "Resizing": resizing,
    "SeparableConv1D": separable_conv1d,
    "SeparableConv2D": separable_conv2d,
    "SimpleRNN": recurrent,
    "SlicingOpLambda": slicing,
    "Softmax": softmax,
    "SpatialDropout1D": identity,
    "SpatialDropout2D": identity,
    "SpatialDropout3D": identity,
    "Subtract": merge("subtract"),
    "TFOpLambda": function,
    "ThresholdedReLU": thresholded_relu,
    "UnitNormalization": unit_normalization,
    "UpSampling1D": up_sampling(1),
    "UpSampling2D": up_sampling(2),
    "UpSampling3D": up_sampling(3),
    "ZeroPadding1D": zero_padding(1),
    "ZeroPadding2D": zero_padding(2),
    "ZeroPadding3D": zero_padding(3),
}

#: Every layer that can be converted; models in models and inputs are `graph`'s business.
LAYERS: Final[Mapping[str, LayerParser]] = {
    **_PLAIN,
    **KERAS_OPS,
    "PruneLowMagnitude": prune_low_magnitude(_PLAIN),
    "TimeDistributed": time_distributed(_PLAIN),
}

#: Layers that read the arguments of their call themselves, as functions do.
TAKING_ARGUMENTS: Final = frozenset(
    {"AdditiveAttention", "Attention", "MultiHeadAttention", "Resizing"}
)
