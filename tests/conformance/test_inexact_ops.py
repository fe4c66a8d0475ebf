"""Ops whose every result is rounded: batch normalization and elementwise functions.

Where the reference follows TensorFlow's own sequence of operations all bits must be equal;
where a library function stands between, the codes that a quantizer would make of the results.
"""

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32
from qconvert.ir.ops import BatchNormalization, Elementwise, Function, Softmax
from qconvert.reference import apply

#: A layer of TensorFlow, which has no types.
TensorFlow: TypeAlias = Any


def floats(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).normal(scale=3, size=shape).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 6, 8, 12, 16, 17, 64])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "epsilon": 1e-6}])
def test_fused_batch_normalization_has_equal_bits(
    tf: ModuleType, channels: int, options: dict[str, Any]
) -> None:
    """On all floats, on processors with AVX2."""
    layer = tf.keras.layers.BatchNormalization(**options)
    for shape in ((1, 1, 1, channels), (3, 5, 7, channels)):
        op = normalization(layer, shape)
        assert op.fused
        assert_array_equal(apply(op, floats(*shape, seed=9)), layer(floats(*shape, seed=9)).numpy())


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "epsilon": 1e-6}])
def test_separate_batch_normalization_has_equal_bits(
    tf: ModuleType, options: dict[str, Any]
) -> None:
    """Up to 7 channels, whose reciprocal roots TensorFlow rounds correctly on all processors."""
    for channels in (1, 4, 7):
        layer = tf.keras.layers.BatchNormalization(**options)
        op = normalization(layer, (50, channels))
        assert not op.fused
        x = floats(50, channels, seed=9)
        assert_array_equal(apply(op, x), layer(x).numpy())


def normalization(layer: TensorFlow, shape: tuple[int, ...]) -> BatchNormalization:
    """The op of *layer*, which gets random weights."""
    layer.build((None, *shape[1:]))
    layer.set_weights([np.abs(floats(*w.shape, seed=i)) for i, w in enumerate(layer.weights)])
    values = {variable.name.split(":")[0]: variable.numpy() for variable in layer.weights}
    return BatchNormalization(
        values["moving_mean"],
        values["moving_variance"],
        values.get("gamma"),
        values.get("beta"),
        layer.epsilon,
        layer.fused,
    )


#: No function of the C library takes part in these, or ``numerics`` follows TensorFlow's own.
REPRODUCED = (
    Function.HARD_SIGMOID,
    Function.SIGMOID,
    Function.SOFTSIGN,
    Function.SWISH,
    Function.TANH,
)


@pytest.mark.parametrize("function", REPRODUCED)
@pytest.mark.parametrize("count", [1, 5, 8, 10007])
def test_functions_with_equal_bits(tf: ModuleType, function: Function, count: int) -> None:
    x = floats(count)
    expected = tf.keras.activations.get(function.value)(tf.constant(x)).numpy()
    assert_array_equal(apply(Elementwise(function), x), expected)


#: Multiples of 1/64 from -8 to 8: the codes below happen to lie clear of their boundaries.
LATTICE = np.arange(-512, 513, dtype=np.float32) / np.float32(64)


@pytest.mark.parametrize("count", [1, 5, 8, 10007])
def test_the_hard_sigmoid_of_keras_3_has_equal_bits(tf: ModuleType, count: int) -> None:
    x = floats(count)
    expected = (tf.nn.relu6(tf.constant(x) + 3.0) / 6.0).numpy()
    assert_array_equal(apply(Elementwise(Function.HARD_SIGMOID_3), x), expected)


#: Keras 2 has no other.
REST = [f for f in Function if f not in (*REPRODUCED, Function.HARD_SIGMOID_3)]


@pytest.mark.parametrize("function", REST)
def test_functions_with_equal_codes(tf: ModuleType, function: Function) -> None:
    """Exponential and error functions differ by some ulp, but not in 12 bits of step 1/128."""
    expected = tf.keras.activations.get(function.value)(tf.constant(LATTICE)).numpy()
    assert_array_equal(codes(apply(Elementwise(function), LATTICE)), codes(expected))


def test_elu_with_alpha_has_equal_codes(tf: ModuleType) -> None:
    expected = tf.keras.layers.ELU(0.3)(tf.constant(LATTICE)).numpy()
    assert_array_equal(codes(apply(Elementwise(Function.ELU, 0.3), LATTICE)), codes(expected))


@pytest.mark.parametrize("axis", [1, 2])
def test_softmax_has_equal_codes(tf: ModuleType, axis: int) -> None:
    x = floats(20, 10, 12)
    expected = tf.keras.layers.Softmax(axis)(tf.constant(x)).numpy()
    assert_array_equal(codes(apply(Softmax(axis), x)), codes(expected))


def codes(values: F32) -> F32:
    rounded: F32 = np.clip(np.rint(values * np.float32(128)), -2048, 2047)
    return rounded
