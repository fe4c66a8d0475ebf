"""Stock layers from a live model to numbers: tf_keras, the reference and ONNX Runtime.

`EXACT` layers have equal bits on whole numbers; the others stay within the radius of their ops.
"""

from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from .stock_models import (
    Case,
    TensorFlow,
    bounded,
    build_model,
    deployed,
    floats,
    integers,
    reference,
    small,
    truth,
)

VOLUME = ((4, 5, 3, 2),)
IMAGE = ((5, 6, 3),)
ROWS = ((6, 4),)
PAIR = ((4, 3), (4, 3))

EXACT = [
    Case("conv 3d", lambda tf, x: tf.keras.layers.Conv3D(3, (2, 3, 1), strides=2)(x), VOLUME),
    Case(
        "conv 3d same, dilated",
        lambda tf, x: tf.keras.layers.Conv3D(3, 2, padding="same", dilation_rate=2)(x),
        VOLUME,
    ),
    Case(
        "conv 3d groups and activation",
        lambda tf, x: tf.keras.layers.Conv3D(4, 2, groups=2, activation="relu")(x),
        VOLUME,
    ),
    Case(
        "conv 3d channels first",
        lambda tf, x: tf.keras.layers.Conv3D(3, 2, data_format="channels_first")(x),
        ((2, 4, 5, 3),),
    ),
    Case(
        "conv 1d transposed",
        lambda tf, x: tf.keras.layers.Conv1DTranspose(3, 5, strides=2, padding="same")(x),
        ROWS,
    ),
    Case(
        "conv 1d transposed, output padding",
        lambda tf, x: tf.keras.layers.Conv1DTranspose(3, 3, strides=3, output_padding=1)(x),
        ROWS,
    ),
    Case(
        "conv 1d transposed, dilated",
        lambda tf, x: tf.keras.layers.Conv1DTranspose(3, 3, dilation_rate=2)(x),
        ROWS,
    ),
    Case(
        "conv 1d transposed, channels first",
        lambda tf, x: tf.keras.layers.Conv1DTranspose(3, 3, data_format="channels_first")(x),
        ROWS,
    ),
    Case(
        "conv 3d transposed",
        lambda tf, x: tf.keras.layers.Conv3DTranspose(3, (2, 3, 1), strides=(1, 2, 3))(x),
        VOLUME,
    ),
    Case(
        "conv 3d transposed same",
        lambda tf, x: tf.keras.layers.Conv3DTranspose(3, 3, strides=2, padding="same")(x),
        VOLUME,
    ),
    Case(
        "conv 3d transposed, a dilation without effect",
        lambda tf, x: tf.keras.layers.Conv3DTranspose(3, 2, dilation_rate=2)(x),
        VOLUME,
    ),
    Case(
        "max pooling 3d",
        lambda tf, x: tf.keras.layers.MaxPooling3D(2, strides=(1, 2, 1), padding="same")(x),
        VOLUME,
    ),
    Case(
        "max pooling 3d channels first",
        lambda tf, x: tf.keras.layers.MaxPooling3D(2, data_format="channels_first")(x),
        ((2, 4, 5, 3),),
    ),
    Case("average pooling 3d", lambda tf, x: tf.keras.layers.AveragePooling3D(2)(x), VOLUME),
    Case(
        "average pooling 3d same",
        lambda tf, x: tf.keras.layers.AveragePooling3D(3, strides=2, padding="same")(x),
        VOLUME,
    ),
    Case("global max 3d", lambda tf, x: tf.keras.layers.GlobalMaxPooling3D()(x), VOLUME),
    Case(
        "global average 3d",
        lambda tf, x: tf.keras.layers.GlobalAveragePooling3D(keepdims=True)(x),
        VOLUME,
    ),
    Case(
        "global average 3d channels first",
        lambda tf, x: tf.keras.layers.GlobalAveragePooling3D(data_format="channels_first")(x),
        VOLUME,
    ),
    Case(
        "zero padding 3d",
        lambda tf, x: tf.keras.layers.ZeroPadding3D(((1, 0), (0, 2), (3, 1)))(x),
        VOLUME,
    ),
    Case(
        "cropping 3d",
        lambda tf, x: tf.keras.layers.Cropping3D(((1, 0), (0, 2), (1, 1)))(x),
        VOLUME,
    ),
    Case("upsampling 3d", lambda tf, x: tf.keras.layers.UpSampling3D((2, 1, 3))(x), VOLUME),
    Case(
        "upsampling bilinear",
        lambda tf, x: tf.keras.layers.UpSampling2D((2, 4), interpolation="bilinear")(x),
        IMAGE,
    ),
    Case("repeat vector", lambda tf, x: tf.keras.layers.RepeatVector(3)(x), ((5,),)),
    Case("prelu", lambda tf, x: tf.keras.layers.PReLU()(x), IMAGE),
    Case("prelu, shared axes", lambda tf, x: tf.keras.layers.PReLU(shared_axes=[1, 2])(x), IMAGE),
    Case("thresholded", lambda tf, x: tf.keras.layers.ThresholdedReLU(theta=2.0)(x), IMAGE),
    Case("thresholded at 0", lambda tf, x: tf.keras.layers.ThresholdedReLU(theta=0.0)(x), IMAGE),
    Case("rescaling", lambda tf, x: tf.keras.layers.Rescaling(1 / 127.5, offset=-1)(x), IMAGE),
    Case(
        "rescaling of channels",
        lambda tf, x: tf.keras.layers.Rescaling([0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0])(x),
        IMAGE,
    ),
    Case("normalization", lambda tf, x: tf.keras.layers.Normalization()(x), IMAGE),
    Case(
        "normalization of two axes",
        lambda tf, x: tf.keras.layers.Normalization(axis=(1, -1))(x),
        IMAGE,
    ),
    Case(
        "normalization from the configuration",
        lambda tf, x: tf.keras.layers.Normalization(mean=[0.5, 1.5, 2.5], variance=[0.1, 0.0, 2.0])(
            x
        ),
        IMAGE,
    ),
    Case(
        "normalization of everything",
        lambda tf, x: tf.keras.layers.Normalization(axis=None, mean=0.3, variance=2.1)(x),
        IMAGE,
    ),
    Case(
        "normalization inverted",
        lambda tf, x: tf.keras.layers.Normalization(invert=True)(x),
        IMAGE,
    ),
    Case("dot", lambda tf, x, y: tf.keras.layers.Dot(axes=(1, 2))([x, y]), ((4, 3), (5, 4))),
    Case("dot of vectors", lambda tf, x, y: tf.keras.layers.Dot(axes=1)([x, y]), ((4,), (4,))),
    Case(
        "dot of a vector and a matrix",
        lambda tf, x, y: tf.keras.layers.Dot(axes=(1, 2))([x, y]),
        ((4,), (5, 4)),
    ),
    Case(
        "dot of a matrix and a vector",
        lambda tf, x, y: tf.keras.layers.Dot(axes=-1)([x, y]),
        ((5, 4), (4,)),
    ),
    Case(
        "dot of many axes",
        lambda tf, x, y: tf.keras.layers.Dot(axes=(2, 1))([x, y]),
        ((2, 4, 3), (4, 5, 2)),
    ),
    Case(
        "separable with a depth multiplier",
        lambda tf, x: tf.keras.layers.SeparableConv2D(4, 3, depth_multiplier=2)(x),
        IMAGE,
    ),
    Case(
        "separable 1d with a depth multiplier",
        lambda tf, x: tf.keras.layers.SeparableConv1D(4, 3, depth_multiplier=3)(x),
        ROWS,
    ),
    Case("resizing nearest", lambda tf, x: _resizing(tf, 7, 4, "nearest")(x), IMAGE),
    Case("resizing nearest, larger", lambda tf, x: _resizing(tf, 11, 17, "nearest")(x), IMAGE),
    Case("resizing bilinear", lambda tf, x: _resizing(tf, 7, 4, "bilinear")(x), IMAGE),
    Case("resizing bilinear, larger", lambda tf, x: _resizing(tf, 13, 17, "bilinear")(x), IMAGE),
    Case("resizing to the same", lambda tf, x: _resizing(tf, 5, 6, "bilinear")(x), IMAGE),
]

EXACT += [
    Case("center crop", lambda tf, x, size=size: tf.keras.layers.CenterCrop(*size)(x), IMAGE)
    for size in ((3, 3), (2, 5), (7, 4), (5, 6))
]
EXACT += [
    Case(
        "resizing to the aspect ratio",
        lambda tf, x, size=size: tf.keras.layers.Resizing(
            *size, "nearest", crop_to_aspect_ratio=True
        )(x),
        IMAGE,
    )
    for size in ((4, 4), (7, 3))
]


def _resizing(tf: ModuleType, height: int, width: int, kind: str) -> TensorFlow:
    return tf.keras.layers.Resizing(height, width, interpolation=kind)


@pytest.mark.parametrize("case", EXACT, ids=[case.name for case in EXACT])
def test_layers_with_equal_bits(tf: ModuleType, case: Case) -> None:
    model = build_model(tf, case)
    for batch in (1, 7):
        xs = [integers(batch, *shape, seed=90 + i) for i, shape in enumerate(case.shapes)]
        expected = truth(model, xs)
        assert_array_equal(reference(model, xs), expected)
        for found in deployed(model, xs):
            assert_array_equal(found, expected)


#: Every result is one or few roundings in TensorFlow's own order, so that all floats agree.
ANY_FLOATS = [
    case
    for case in EXACT
    if case.name.startswith(("prelu", "thresholded", "rescaling", "normal", "resizing", "upsamp"))
]


@pytest.mark.parametrize("case", ANY_FLOATS, ids=[case.name for case in ANY_FLOATS])
def test_layers_with_equal_bits_on_floats(tf: ModuleType, case: Case) -> None:
    model = build_model(tf, case, floats)
    xs = [floats(5, *shape, seed=90 + i) for i, shape in enumerate(case.shapes)]
    expected = truth(model, xs)
    assert_array_equal(reference(model, xs), expected)
    for found in deployed(model, xs):
        assert_array_equal(found, expected)


INEXACT = [
    Case("layer norm", lambda tf, x: tf.keras.layers.LayerNormalization()(x), IMAGE),
    Case(
        "layer norm, last two axes",
        lambda tf, x: tf.keras.layers.LayerNormalization(axis=[2, 3])(x),
        IMAGE,
    ),
    Case(
        "layer norm, axes out of order",
        lambda tf, x: tf.keras.layers.LayerNormalization(axis=[3, 2])(x),
        IMAGE,
    ),
    Case(
        "layer norm, first axis",
        lambda tf, x: tf.keras.layers.LayerNormalization(axis=1)(x),
        IMAGE,
    ),
    Case(
        "layer norm, small epsilon",
        lambda tf, x: tf.keras.layers.LayerNormalization(epsilon=1e-6)(x),
        ROWS,
    ),
    Case(
        "layer norm without gamma",
        lambda tf, x: tf.keras.layers.LayerNormalization(scale=False)(x),
        ROWS,
    ),
    Case(
        "layer norm without beta",
        lambda tf, x: tf.keras.layers.LayerNormalization(center=False, axis=1)(x),
        ROWS,
    ),
    Case(
        "layer norm without both",
        lambda tf, x: tf.keras.layers.LayerNormalization(center=False, scale=False)(x),
        ROWS,
    ),
    Case("softmax over axes", lambda tf, x: tf.keras.layers.Softmax(axis=[1, 2])(x), IMAGE),
    Case("softmax over all axes", lambda tf, x: tf.keras.layers.Softmax(axis=[3, 1, 2])(x), IMAGE),
    Case(
        "loop in every step",
        lambda tf, x: tf.keras.layers.TimeDistributed(tf.keras.layers.LSTM(2))(x),
        ((3, 5, 4),),
    ),
    Case("unit norm", lambda tf, x: tf.keras.layers.UnitNormalization()(x), IMAGE),
    Case("unit norm, axes", lambda tf, x: tf.keras.layers.UnitNormalization(axis=[1, 2])(x), IMAGE),
    Case(
        "dot, normalized",
        lambda tf, x, y: tf.keras.layers.Dot(axes=2, normalize=True)([x, y]),
        PAIR,
    ),
    Case("attention", lambda tf, x, y: tf.keras.layers.Attention()([x, y]), ((4, 3), (5, 3))),
    Case(
        "attention, scaled, with a key",
        lambda tf, x, y, z: tf.keras.layers.Attention(use_scale=True)([x, y, z]),
        ((4, 3), (5, 2), (5, 3)),
    ),
    Case(
        "attention by sums",
        lambda tf, x, y: tf.keras.layers.Attention(score_mode="concat", use_scale=True)([x, y]),
        ((4, 3), (5, 3)),
    ),
    Case(
        "additive attention",
        lambda tf, x, y: tf.keras.layers.AdditiveAttention()([x, y]),
        ((4, 3), (5, 3)),
    ),
    Case(
        "additive attention without scale",
        lambda tf, x, y: tf.keras.layers.AdditiveAttention(use_scale=False)([x, y]),
        ((4, 3), (5, 3)),
    ),
    Case(
        "multi-head self attention",
        lambda tf, x: tf.keras.layers.MultiHeadAttention(2, 3)(x, x),
        ROWS,
    ),
    Case(
        "multi-head attention with options",
        lambda tf, x, y, z: tf.keras.layers.MultiHeadAttention(
            3, 2, value_dim=4, use_bias=False, output_shape=5
        )(x, y, key=z),
        ((4, 3), (6, 2), (6, 5)),
    ),
]


@pytest.mark.parametrize("case", INEXACT, ids=[case.name for case in INEXACT])
def test_layers_within_their_radius(tf: ModuleType, case: Case) -> None:
    model = build_model(tf, case, small)
    for batch in (1, 7):
        xs = [small(batch, *shape, seed=90 + i) for i, shape in enumerate(case.shapes)]
        computed, radius = bounded(model, xs)
        expected = truth(model, xs)
        assert computed.shape == expected.shape
        assert np.max(radius / np.maximum(abs(computed), 1)) < 2.0**-8
        for found in (expected, *deployed(model, xs), *deployed(model, xs, "float", 13)):
            assert (abs(found.astype(np.float64) - computed) <= radius).all()
