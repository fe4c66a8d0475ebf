"""``TimeDistributed`` and ``Embedding`` in tf_keras, the reference and ONNX Runtime."""

import warnings
from types import ModuleType

import pytest
from numpy.testing import assert_array_equal

from qconvert.frontend import build_graph
from qconvert.frontend.live import model_file
from qconvert.ir import F32
from qconvert.ir.stock import FoldTime, UnfoldTime

from .stock_models import Case, TensorFlow, build_model, deployed, integers, reference, truth

#: QKeras reads texts by functions of pyparsing that are going away.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SERIES = ((3, 5),)
CLIPS = ((3, 6, 5, 4),)


@pytest.fixture(autouse=True)
def qkeras(tf: ModuleType) -> ModuleType:
    """QKeras, imported without the warnings of what it imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: ModuleType = pytest.importorskip("qkeras")
    return module


def distributed(tf: ModuleType, layer: TensorFlow) -> TensorFlow:
    return tf.keras.layers.TimeDistributed(layer)


def q_dense(**options: object) -> TensorFlow:
    from qkeras import QDense

    return QDense(
        4,
        kernel_quantizer="quantized_bits(4, 1, alpha=1)",
        bias_quantizer="quantized_bits(6, 3, alpha=1)",
        **options,
    )


def q_conv2d(**options: object) -> TensorFlow:
    from qkeras import QConv2D

    return QConv2D(3, 3, kernel_quantizer="quantized_bits(4, 1, alpha='auto_po2')", **options)


def q_activation(text: str) -> TensorFlow:
    from qkeras import QActivation

    return QActivation(text)


CASES = [
    Case("dense", lambda tf, x: distributed(tf, tf.keras.layers.Dense(4))(x), SERIES),
    Case("qdense", lambda tf, x: distributed(tf, q_dense())(x), SERIES),
    Case(
        "qdense with an activation",
        lambda tf, x: distributed(tf, q_dense(activation="quantized_relu(6, 3)"))(x),
        SERIES,
    ),
    Case(
        "qdense between quantizers",
        lambda tf, x: q_activation("quantized_bits(6, 3)")(
            distributed(tf, q_dense())(q_activation("quantized_bits(4, 3)")(x))
        ),
        SERIES,
    ),
    Case(
        "qactivation",
        lambda tf, x: distributed(tf, q_activation("quantized_bits(4, 2)"))(x),
        SERIES,
    ),
    Case(
        "qconv2d",
        lambda tf, x: distributed(tf, q_conv2d(padding="same", strides=2))(x),
        CLIPS,
    ),
    Case(
        "a chain",
        lambda tf, x: distributed(tf, q_dense())(
            distributed(tf, tf.keras.layers.Flatten())(
                distributed(tf, tf.keras.layers.MaxPooling2D())(distributed(tf, q_conv2d())(x))
            )
        ),
        CLIPS,
    ),
    Case("dropout", lambda tf, x: distributed(tf, tf.keras.layers.Dropout(0.5))(x) + 1.0, SERIES),
    Case(
        "prelu",
        lambda tf, x: distributed(tf, tf.keras.layers.PReLU(shared_axes=[1]))(x),
        ((3, 4, 5),),
    ),
    Case(
        "normalization of images",
        lambda tf, x: distributed(tf, tf.keras.layers.BatchNormalization())(x),
        CLIPS,
    ),
    Case(
        "normalization of vectors",
        lambda tf, x: distributed(tf, tf.keras.layers.BatchNormalization(axis=-1))(x),
        SERIES,
    ),
    Case("inside itself", lambda tf, x: distributed(tf, distributed(tf, q_dense()))(x), CLIPS[:1]),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_layers_of_every_step(tf: ModuleType, case: Case) -> None:
    model = build_model(tf, case)
    for batch in (1, 7):
        xs = [integers(batch, *shape, seed=90 + i) for i, shape in enumerate(case.shapes)]
        expected = truth(model, xs)
        assert_array_equal(reference(model, xs), expected)
        for found in deployed(model, xs):
            assert_array_equal(found, expected)


def test_every_step_is_a_sample_of_the_layer(tf: ModuleType) -> None:
    graph = build_graph(model_file(build_model(tf, CASES[1])))
    kinds = [type(node.op) for node in graph.nodes]
    assert (kinds[0], kinds[-1]) == (FoldTime, UnfoldTime)
    assert list(graph.layers[-1].weights) == ["kernel", "bias"]


def rows(*shape: int) -> F32:
    return abs(integers(*shape, seed=3, reach=9))


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
def test_embedding_takes_whole_numbers(tf: ModuleType, dtype: str) -> None:
    source = tf.keras.Input((4,), dtype=dtype)
    model = tf.keras.Model(source, tf.keras.layers.Embedding(10, 3)(source))
    x = rows(7, 4)
    expected = model(tf.constant(x.astype(dtype)), training=False).numpy()
    assert_array_equal(reference(model, [x]), expected)
    for found in deployed(model, [x]):
        assert_array_equal(found, expected)


def test_embedding_rounds_towards_zero(tf: ModuleType) -> None:
    source = tf.keras.Input((4,))
    model = tf.keras.Model(source, tf.keras.layers.Embedding(10, 3)(source))
    x = rows(7, 4) + integers(7, 4, reach=0) + 0.75
    expected = truth(model, [x])
    assert_array_equal(reference(model, [x]), expected)
    assert_array_equal(deployed(model, [x])[1], expected)
