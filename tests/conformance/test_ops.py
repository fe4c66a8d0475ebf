"""Ops that round nothing, or once, against the TensorFlow layers that they stand for.

Inputs and weights are small integers unless a test says otherwise: then float32 sums are exact
in every order, and TensorFlow's result has the same bits whatever its kernels do.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32, Op
from qconvert.ir.ops import (
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Merge,
    Pad,
    Padding,
    Pool,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Transpose,
    UpSample,
)
from qconvert.reference import apply

#: A layer or function of TensorFlow, which has no types.
TensorFlow: TypeAlias = Any
Build: TypeAlias = Callable[[TensorFlow], TensorFlow]

NONE1, NONE2 = ((0, 0),), ((0, 0), (0, 0))
ONE1, ONE2 = (1,), (1, 1)


def integers(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(np.float32)


def floats(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).normal(scale=3, size=shape).astype(np.float32)


def integer_weights(layer: TensorFlow, *shape: int) -> list[F32]:
    """Build *layer* and give it integers for weights."""
    layer.build((None, *shape[1:]))
    layer.set_weights([integers(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
    weights: list[F32] = layer.get_weights()
    return weights


def conv(
    strides: tuple[int, ...], dilations: tuple[int, ...], padding: Padding, groups: int = 1
) -> Callable[[F32, F32], Op]:
    """A convolution that still lacks its weights."""
    return lambda kernel, bias: Conv(kernel, bias, strides, dilations, padding, groups)


def depthwise(
    strides: tuple[int, ...], dilations: tuple[int, ...], padding: Padding
) -> Callable[[F32, F32], Op]:
    def with_weights(kernel: F32, bias: F32) -> Op:
        *window, inputs, multiplier = kernel.shape
        flat = kernel.reshape(*window, 1, inputs * multiplier)
        return Conv(flat, bias, strides, dilations, padding, groups=inputs)

    return with_weights


def transposed(
    strides: tuple[int, ...], dilations: tuple[int, ...], cropping: Padding
) -> Callable[[F32, F32], Op]:
    return lambda kernel, bias: ConvTranspose(kernel, bias, strides, dilations, cropping)


LINEAR: list[tuple[str, Build, tuple[int, ...], Callable[[F32, F32], Op]]] = [
    ("dense", lambda k: k.Dense(5), (3, 7), Dense),
    ("dense of a sequence", lambda k: k.Dense(5), (2, 4, 3, 7), Dense),
    ("valid", lambda k: k.Conv1D(4, 3), (2, 9, 3), conv(ONE1, ONE1, NONE1)),
    (
        "causal dilated",
        lambda k: k.Conv1D(4, 3, padding="causal", dilation_rate=2),
        (2, 9, 3),
        conv(ONE1, (2,), ((4, 0),)),
    ),
    (
        "same, even kernel",
        lambda k: k.Conv2D(4, (2, 4), padding="same"),
        (2, 6, 7, 3),
        conv(ONE2, ONE2, ((0, 1), (1, 2))),
    ),
    (
        "same, stride 2, odd and even sizes",
        lambda k: k.Conv2D(4, 3, strides=2, padding="same"),
        (2, 6, 7, 3),
        conv((2, 2), ONE2, ((0, 1), (1, 1))),
    ),
    (
        "dilated, unlike axes",
        lambda k: k.Conv2D(4, 3, dilation_rate=(2, 3)),
        (2, 8, 9, 3),
        conv(ONE2, (2, 3), NONE2),
    ),
    (
        "groups",
        lambda k: k.Conv2D(6, 3, groups=2, strides=(2, 1)),
        (2, 8, 7, 4),
        conv((2, 1), ONE2, NONE2, groups=2),
    ),
    (
        "three axes",
        lambda k: k.Conv3D(2, (2, 3, 1), padding="same"),
        (1, 4, 5, 3, 2),
        conv((1, 1, 1), (1, 1, 1), ((0, 1), (1, 1), (0, 0))),
    ),
    (
        "depthwise",
        lambda k: k.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same"),
        (2, 7, 6, 3),
        depthwise((2, 2), ONE2, ((1, 1), (0, 1))),
    ),
    (
        "depthwise dilated",
        lambda k: k.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
        (2, 7, 6, 3),
        depthwise(ONE2, (2, 2), ((2, 2), (2, 2))),
    ),
    (
        "transposed valid",
        lambda k: k.Conv2DTranspose(4, (3, 2), strides=(2, 3)),
        (2, 5, 4, 3),
        transposed((2, 3), ONE2, ((0, 0), (0, -1))),
    ),
    (
        "transposed same",
        lambda k: k.Conv2DTranspose(4, (4, 3), strides=(1, 2), padding="same"),
        (2, 5, 4, 3),
        transposed((1, 2), ONE2, ((1, 2), (0, 1))),
    ),
    (
        "transposed with output padding",
        lambda k: k.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=0),
        (2, 5, 4, 3),
        transposed((2, 2), ONE2, ((1, 1), (1, 1))),
    ),
    (
        "transposed dilated",
        lambda k: k.Conv2DTranspose(4, 3, dilation_rate=2),
        (2, 5, 4, 3),
        transposed(ONE2, (2, 2), NONE2),
    ),
    (
        "transposed, one axis",
        lambda k: k.Conv1DTranspose(4, 5, strides=2, padding="same"),
        (2, 6, 3),
        transposed((2,), ONE1, ((1, 2),)),
    ),
]


@pytest.mark.parametrize(
    ("build", "shape", "op"), [c[1:] for c in LINEAR], ids=[c[0] for c in LINEAR]
)
def test_linear_layers(
    tf: ModuleType, build: Build, shape: tuple[int, ...], op: Callable[[F32, F32], Op]
) -> None:
    layer = build(tf.keras.layers)
    kernel, bias = integer_weights(layer, *shape)
    x = integers(*shape, seed=9)
    assert_array_equal(apply(op(kernel, bias), x), layer(x).numpy())


def test_separable_convolution_is_two_convolutions(tf: ModuleType) -> None:
    layer = tf.keras.layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same")
    depth, point, bias = integer_weights(layer, 1, 6, 5, 3)
    x = integers(1, 6, 5, 3, seed=9)
    inner = Conv(depth.reshape(3, 3, 1, 6), None, ONE2, ONE2, ((1, 1), (1, 1)), groups=3)
    y = apply(Conv(point, bias, ONE2, ONE2, NONE2), apply(inner, x))
    assert_array_equal(y, layer(x).numpy())


#: One input each. Means of exact sums are one division everywhere, hence equal bits.
UNARY: list[tuple[str, Build, tuple[int, ...], Op]] = [
    ("max", lambda k: k.MaxPooling2D(), (2, 7, 6, 3), Pool("max", (2, 2), (2, 2), NONE2)),
    (
        "max same",
        lambda k: k.MaxPooling2D(3, strides=2, padding="same"),
        (2, 7, 6, 3),
        Pool("max", (3, 3), (2, 2), ((1, 1), (0, 1))),
    ),
    (
        "max, one axis",
        lambda k: k.MaxPooling1D(3, strides=1, padding="same"),
        (2, 7, 3),
        Pool("max", (3,), (1,), ((1, 1),)),
    ),
    (
        "mean",
        lambda k: k.AveragePooling2D((3, 2), strides=(1, 2)),
        (2, 7, 6, 3),
        Pool("mean", (3, 2), (1, 2), NONE2),
    ),
    (
        "mean same",
        lambda k: k.AveragePooling2D(3, strides=2, padding="same"),
        (2, 7, 6, 16),
        Pool("mean", (3, 3), (2, 2), ((1, 1), (0, 1))),
    ),
    (
        "mean, one axis",
        lambda k: k.AveragePooling1D(4, strides=1, padding="same"),
        (2, 7, 3),
        Pool("mean", (4,), (1,), ((1, 2),)),
    ),
    (
        "global mean",
        lambda k: k.GlobalAveragePooling2D(),
        (2, 7, 6, 3),
        Reduce("mean", (1, 2), False),
    ),
    (
        "global mean, kept",
        lambda k: k.GlobalAveragePooling1D(keepdims=True),
        (2, 7, 3),
        Reduce("mean", (1,), True),
    ),
    ("global max", lambda k: k.GlobalMaxPooling2D(), (2, 7, 6, 3), Reduce("max", (1, 2), False)),
    ("relu", lambda k: k.ReLU(), (3, 50), Relu()),
    ("relu6", lambda k: k.ReLU(6.0), (3, 50), Relu(max_value=6.0)),
    ("relu capped", lambda k: k.ReLU(3.3), (3, 50), Relu(max_value=3.3)),
    ("leaky", lambda k: k.LeakyReLU(0.3), (3, 50), Relu(slope=0.3)),
    ("leaky, capped", lambda k: k.ReLU(3.3, 0.3), (3, 50), Relu(0.3, 0.0, 3.3)),
    ("relu with threshold", lambda k: k.ReLU(threshold=1.1), (3, 50), Relu(threshold=1.1)),
    ("relu with all", lambda k: k.ReLU(4.4, 0.3, 1.1), (3, 50), Relu(0.3, 1.1, 4.4)),
    ("flatten", lambda k: k.Flatten(), (2, 3, 4, 5), Reshape((60,))),
    ("reshape", lambda k: k.Reshape((-1, 6)), (2, 3, 4, 5), Reshape((-1, 6))),
    ("permute", lambda k: k.Permute((3, 1, 2)), (2, 3, 4, 5), Transpose((0, 3, 1, 2))),
    (
        "zero padding",
        lambda k: k.ZeroPadding2D(((1, 0), (2, 3))),
        (2, 3, 4, 5),
        Pad(((1, 0), (2, 3), (0, 0))),
    ),
    (
        "cropping",
        lambda k: k.Cropping2D(((1, 0), (0, 2))),
        (2, 5, 4, 3),
        Slice((1, 0, None), (None, -2, None), (1, 1, 1)),
    ),
    ("upsampling", lambda k: k.UpSampling2D((2, 3)), (2, 3, 4, 5), UpSample((2, 3))),
    ("upsampling, one axis", lambda k: k.UpSampling1D(3), (2, 3, 4), UpSample((3,))),
    (
        "slice",
        lambda k: lambda x: x[:, -3:, ::2],
        (2, 5, 6),
        Slice((-3, None), (None, None), (1, 2)),
    ),
    (
        "reversed slice with an index",
        lambda k: lambda x: x[:, ::-1, -2],
        (2, 5, 6),
        Slice((None, -2), (None, -1), (-1, 1), squeeze=(2,)),
    ),
]


@pytest.mark.parametrize(
    ("build", "shape", "op"), [c[1:] for c in UNARY], ids=[c[0] for c in UNARY]
)
def test_layers_of_one_input(tf: ModuleType, build: Build, shape: tuple[int, ...], op: Op) -> None:
    x = integers(*shape)
    assert_array_equal(apply(op, x), build(tf.keras.layers)(tf.constant(x)).numpy())


@pytest.mark.parametrize("kind", ["max", "min", "mean", "sum"])
def test_reductions(tf: ModuleType, kind: Any) -> None:
    x = integers(2, 5, 7, 3)
    expected = getattr(tf, f"reduce_{kind}")(x, axis=(1, 3), keepdims=True).numpy()
    assert_array_equal(apply(Reduce(kind, (1, 3), True), x), expected)


MERGES: list[tuple[Build, int, Op]] = [
    (lambda k: k.Add(), 4, Merge("add")),
    (lambda k: k.Subtract(), 2, Merge("subtract")),
    (lambda k: k.Multiply(), 4, Merge("multiply")),
    (lambda k: k.Average(), 3, Merge("average")),
    (lambda k: k.Maximum(), 3, Merge("maximum")),
    (lambda k: k.Minimum(), 3, Merge("minimum")),
    (lambda k: k.Concatenate(axis=2), 3, Concat(2)),
]


@pytest.mark.parametrize(("build", "count", "op"), MERGES)
def test_merges_round_in_the_same_order(tf: ModuleType, build: Build, count: int, op: Op) -> None:
    xs = [floats(3, 40, 5, seed=i) for i in range(count)]
    assert_array_equal(apply(op, *xs), build(tf.keras.layers)(xs).numpy())


def test_scale_is_one_product(tf: ModuleType) -> None:
    x = floats(3, 400)
    assert_array_equal(apply(Scale(0.1), x), (tf.constant(x) * 0.1).numpy())
