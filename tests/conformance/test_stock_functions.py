"""TensorFlow functions of Keras tensors: tf_keras, the reference and ONNX Runtime."""

from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from .stock_models import Case, bounded, build_model, deployed, floats, reference, truth

ONE = ((4, 6),)
TWO = ((4, 6), (4, 6))
SIX = [0.1, 0.2, -0.3, 4.0, 5.5, 1e-3]

EXACT = [
    Case("add a number", lambda tf, x: x + 1.7, ONE),
    Case("a number minus", lambda tf, x: 0.1 - x, ONE),
    Case("minus a number", lambda tf, x: x - 0.1, ONE),
    Case("times a number", lambda tf, x: 0.1 * x, ONE),
    Case("divided by a number", lambda tf, x: x / 3.0, ONE),
    Case("a number divided by", lambda tf, x: 3.0 / (x + 100.0), ONE),
    Case("an array", lambda tf, x: x * np.array(SIX, np.float32) + tf.constant(SIX), ONE),
    Case("a column", lambda tf, x: x - np.ones((4, 1), np.float32) * 0.3, ONE),
    Case("tensors divided", lambda tf, x, y: tf.divide(x, y), TWO),
    Case("tensors combined", lambda tf, x, y: tf.subtract(x * y, tf.maximum(x, y)), TWO),
    Case("least", lambda tf, x, y: tf.minimum(tf.minimum(x, 0.5), y), TWO),
    Case("greatest", lambda tf, x: tf.maximum(x, SIX), ONE),
    Case("twice the same", lambda tf, x: x * x + x, ONE),
    Case("square", lambda tf, x: tf.square(x), ONE),
    Case("magnitude", lambda tf, x: abs(x), ONE),
    Case("negative", lambda tf, x: -x, ONE),
    Case("add_n", lambda tf, x, y: tf.add_n([x, y, x]), TWO),
    Case("clip", lambda tf, x: tf.clip_by_value(x, -1.1, 2.3), ONE),
    Case("clip, ends crossed", lambda tf, x: tf.clip_by_value(x, 2.0, 1.0), ONE),
    Case("bias", lambda tf, x: tf.nn.bias_add(x, tf.constant(SIX)), ONE),
    Case("relu", lambda tf, x: tf.nn.relu(x), ONE),
    Case("relu6", lambda tf, x: tf.nn.relu6(x), ONE),
    Case("leaky relu", lambda tf, x: tf.nn.leaky_relu(x), ONE),
    Case("leaky relu with a slope", lambda tf, x: tf.nn.leaky_relu(x, alpha=0.3), ONE),
    Case("cast", lambda tf, x: tf.cast(x, tf.float32) + 1.0, ONE),
    Case("identity", lambda tf, x: tf.identity(tf.stop_gradient(x)) + 1.0, ONE),
    Case("concat", lambda tf, x, y: tf.concat([x, y], axis=-1), TWO),
    Case("stack", lambda tf, x, y: tf.stack([x, y], axis=1), TWO),
    Case("stack last", lambda tf, x, y: tf.stack([x, y, x], axis=-1), TWO),
    Case("expand", lambda tf, x: tf.expand_dims(x, 1), ONE),
    Case("expand last", lambda tf, x: tf.expand_dims(x, -1), ONE),
    Case("squeeze", lambda tf, x: tf.squeeze(tf.expand_dims(x, 2), axis=2), ONE),
    Case("reshape", lambda tf, x: tf.reshape(x, (-1, 3, 8)), ONE),
    Case("transpose", lambda tf, x: tf.transpose(x, [0, 2, 1]), ONE),
    Case("pad", lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 3]]), ONE),
    Case("new axes", lambda tf, x: x[:, None, 1:, ..., 2, None], ONE),
    Case("reverse", lambda tf, x: tf.reverse(x, [1]), ONE),
    Case("resize", lambda tf, x: tf.image.resize(x, (5, 3)), ((4, 6, 2),)),
    Case("resize nearest", lambda tf, x: tf.image.resize(x, (5, 3), "nearest"), ((4, 6, 2),)),
]


@pytest.mark.parametrize("case", EXACT, ids=[case.name for case in EXACT])
def test_functions_with_equal_bits(tf: ModuleType, case: Case) -> None:
    model = build_model(tf, case)
    for batch in (1, 7):
        xs = [floats(batch, *shape, seed=90 + i) for i, shape in enumerate(case.shapes)]
        expected = truth(model, xs)
        assert_array_equal(reference(model, xs), expected)
        for found in deployed(model, xs):
            assert_array_equal(found, expected)


INEXACT = [
    Case("square by operator", lambda tf, x: x**2, ONE),
    Case("cube", lambda tf, x: x**3.0, ONE),
    Case("inverse root", lambda tf, x: (abs(x) + 1.0) ** -0.5, ONE),
    Case("softsign", lambda tf, x: tf.nn.softsign(x), ONE),
    Case("product", lambda tf, x, y: tf.matmul(x, y, transpose_b=True), TWO),
    Case("product of transposed", lambda tf, x, y: tf.matmul(x, y, transpose_a=True), TWO),
    Case("product by operator", lambda tf, x, y: x @ tf.transpose(y, [0, 2, 1]), TWO),
    Case("sigmoid", lambda tf, x: tf.nn.sigmoid(x), ONE),
    Case("tanh", lambda tf, x: tf.tanh(x), ONE),
    Case("softmax", lambda tf, x: tf.nn.softmax(x), ONE),
    Case("softmax along time", lambda tf, x: tf.nn.softmax(x, axis=1), ONE),
    Case("exp", lambda tf, x: tf.exp(x), ONE),
    Case("elu", lambda tf, x: tf.nn.elu(x), ONE),
    Case("selu", lambda tf, x: tf.nn.selu(x), ONE),
    Case("silu", lambda tf, x: tf.nn.silu(x), ONE),
    Case("gelu", lambda tf, x: tf.nn.gelu(x), ONE),
    Case("softplus", lambda tf, x: tf.math.softplus(x), ONE),
    Case("unit length", lambda tf, x: tf.nn.l2_normalize(x, axis=-1), ONE),
]


@pytest.mark.parametrize("case", INEXACT, ids=[case.name for case in INEXACT])
def test_functions_within_their_radius(tf: ModuleType, case: Case) -> None:
    model = build_model(tf, case)
    xs = [floats(7, *shape, seed=90 + i) for i, shape in enumerate(case.shapes)]
    computed, radius = bounded(model, xs)
    assert np.max(radius / np.maximum(abs(computed), 1)) < 2.0**-14
    for found in (truth(model, xs), *deployed(model, xs)):
        assert (abs(found.astype(np.float64) - computed) <= radius).all()
