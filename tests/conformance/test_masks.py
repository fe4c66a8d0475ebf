"""Masks: what Keras makes, carries on, drops and reads, in the reference and in ONNX Runtime.

The inputs leave out steps at the start, in the middle, at the end, everywhere and nowhere. All
numbers stay on coarse grids, so that all must agree bit for bit, but where a test says otherwise.
"""

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import qconvert
from qconvert.checking.rounding import misfits
from qconvert.emit import to_onnx
from qconvert.frontend.layers import LAYERS
from qconvert.frontend.masks import RULES, Rule
from qconvert.frontend.opaque import STOCK
from qconvert.frontend.topology import FUNCTION
from qconvert.ir import F32, Graph
from qconvert.reference import evaluate
from qconvert.runners.ort import OrtRunner
from qconvert.runners.reference import ReferenceRunner

#: QKeras reads texts in a way that its parser calls old, and saves quantizers as constraints.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:qkeras"),
    pytest.mark.filterwarnings("ignore:The `keras.constraints:UserWarning"),
]

#: Layers and models, which have no types.
Keras: TypeAlias = Any
#: From QKeras, Keras's layers and a masked sequence to the outputs.
Build: TypeAlias = Callable[[Keras, Keras, Keras], Keras]

STEPS, FEATURES, UNITS = 5, 4, 3
BITS = "quantized_bits(4,0,1,alpha=1)"
#: Which steps count, a row for each sample.
COUNTS = np.array(
    [
        [1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [1, 0, 1, 0, 1],
        [1, 1, 0, 0, 0],
        [0, 1, 0, 1, 0],
        [0, 0, 0, 0, 0],
    ],
    np.bool_,
)


@pytest.fixture(scope="module")
def qkeras(tf: ModuleType) -> Iterator[ModuleType]:
    """QKeras 0.9.0 with the symbols that TensorFlow has lost since."""
    ops = import_module("tensorflow.python.ops.array_ops")
    nest = import_module("tensorflow.python.util.nest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "unstack", tf.unstack, raising=False)
        patch.setattr(nest, "is_sequence", nest.is_nested, raising=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield import_module("qkeras")


def quantized(q: Keras, kind: str, **options: Any) -> Keras:
    """A recurrent layer all of whose numbers stay on coarse grids."""
    gates = {} if kind == "QSimpleRNN" else {"recurrent_activation": "quantized_sigmoid(3)"}
    quantizers = ("kernel_quantizer", "recurrent_quantizer", "bias_quantizer", "state_quantizer")
    chosen = {"activation": "quantized_tanh(4)", **dict.fromkeys(quantizers, BITS), **gates}
    return getattr(q, kind)(UNITS, **{**chosen, **options})


def dense(q: Keras, **options: Any) -> Keras:
    return q.QDense(2, kernel_quantizer=BITS, bias_quantizer=BITS, **options)


def pruned(layer: Keras) -> Keras:
    prune = import_module("tensorflow_model_optimization.python.core.sparsity.keras.prune")
    return prune.prune_low_magnitude(layer)


ALL = {"return_sequences": True, "return_state": True}
BOTH = {"return_sequences": True}

EXACT: dict[str, Build] = {
    "simple": lambda q, k, x: quantized(q, "QSimpleRNN")(x),
    "simple, all": lambda q, k, x: quantized(q, "QSimpleRNN", **ALL)(x),
    "simple, zeros": lambda q, k, x: quantized(q, "QSimpleRNN", zero_output_for_mask=True, **ALL)(
        x
    ),
    "simple, a state that cannot be 0": lambda q, k, x: quantized(
        q, "QSimpleRNN", state_quantizer="binary(alpha=1)", **BOTH
    )(x),
    "lstm, all": lambda q, k, x: quantized(q, "QLSTM", **ALL)(x),
    "lstm, backwards": lambda q, k, x: quantized(q, "QLSTM", go_backwards=True, **ALL)(x),
    "lstm, zeros": lambda q, k, x: quantized(q, "QLSTM", zero_output_for_mask=True)(x),
    "lstm, zeros, backwards": lambda q, k, x: quantized(
        q, "QLSTM", zero_output_for_mask=True, go_backwards=True, **ALL
    )(x),
    "gru, all": lambda q, k, x: quantized(q, "QGRU", **ALL)(x),
    "gru, unrolled": lambda q, k, x: quantized(q, "QGRU", unroll=True, reset_after=True, **ALL)(x),
    "gru, unrolled, backwards": lambda q, k, x: quantized(
        q, "QGRU", unroll=True, go_backwards=True, **ALL
    )(x),
    "gru, unrolled, zeros": lambda q, k, x: quantized(
        q, "QGRU", unroll=True, zero_output_for_mask=True, **ALL
    )(x),
    "two layers": lambda q, k, x: quantized(q, "QLSTM")(quantized(q, "QGRU", **BOTH)(x)),
    "a state of a masked layer": lambda q, k, x: quantized(q, "QGRU", **BOTH)(
        x, initial_state=quantized(q, "QGRU", return_state=True)(x)[1]
    ),
    "states, lstm, zeros": lambda q, k, x: quantized(q, "QLSTM", zero_output_for_mask=True, **ALL)(
        x, initial_state=quantized(q, "QLSTM", return_state=True)(x)[1:]
    ),
    "states, lstm, backwards": lambda q, k, x: quantized(q, "QLSTM", go_backwards=True, **ALL)(
        x, initial_state=quantized(q, "QLSTM", return_state=True)(x)[1:]
    ),
    "both ways": lambda q, k, x: q.QBidirectional(quantized(q, "QLSTM", **BOTH))(x),
    "both ways, the last": lambda q, k, x: q.QBidirectional(quantized(q, "QLSTM"))(x),
    "both ways, the last, zeros": lambda q, k, x: q.QBidirectional(
        quantized(q, "QLSTM", zero_output_for_mask=True)
    )(x),
    "both ways, apart, states": lambda q, k, x: q.QBidirectional(
        quantized(q, "QGRU", **ALL), merge_mode=None
    )(x),
    "both ways, twice": lambda q, k, x: q.QBidirectional(quantized(q, "QGRU"), merge_mode="sum")(
        q.QBidirectional(quantized(q, "QGRU", **BOTH), merge_mode="mul")(x)
    ),
    "both ways, apart, twice": lambda q, k, x: [
        quantized(q, "QGRU")(way)
        for way in q.QBidirectional(quantized(q, "QGRU", **BOTH), merge_mode=None)(x)
    ],
    "both ways, states": lambda q, k, x: q.QBidirectional(quantized(q, "QSimpleRNN", **BOTH))(
        x, initial_state=[quantized(q, "QSimpleRNN")(x), quantized(q, "QSimpleRNN")(x)]
    ),
    "stock lstm": lambda q, k, x: k.LSTM(
        UNITS, "relu", recurrent_activation="linear", return_state=True
    )(x),
    "stock gru, states": lambda q, k, x: k.GRU(UNITS, "linear", recurrent_activation="relu")(
        x, initial_state=k.Dense(UNITS)(k.Flatten()(x))
    ),
    "through layers that pass it on": lambda q, k, x: quantized(q, "QSimpleRNN")(
        k.ReLU()(k.Dropout(0.5)(k.Activation(q.quantized_bits(4, 2, alpha=1))(dense(q)(x))))
    ),
    "through normalizations": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        k.BatchNormalization(epsilon=0)(q.QBatchNormalization(variance_quantizer=None)(x))
    ),
    "lost in a quantizer": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        q.QActivation("quantized_bits(4,2,alpha=1)")(x)
    ),
    "through a quantizer that does nothing": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        q.QActivation("linear")(x)
    ),
    "read by a pruned layer, and lost in it": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        pruned(k.LSTM(UNITS, "relu", recurrent_activation="linear", **BOTH))(x)
    ),
    "lost in a convolution": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        q.QConv1D(2, 2, kernel_quantizer=BITS)(x)
    ),
    "lost in an operator": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(x * 2.0),
    "lost behind the last step": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        k.RepeatVector(2)(quantized(q, "QGRU")(x))
    ),
    "mean": lambda q, k, x: k.GlobalAveragePooling1D()(x),
    "mean, axes kept": lambda q, k, x: k.GlobalAveragePooling1D(keepdims=True)(x),
    "mean of a layer": lambda q, k, x: k.GlobalAveragePooling1D()(quantized(q, "QGRU", **BOTH)(x)),
    "every step": lambda q, k, x: quantized(q, "QSimpleRNN")(k.TimeDistributed(dense(q))(x)),
    "every step, nothing": lambda q, k, x: quantized(q, "QSimpleRNN")(
        k.TimeDistributed(k.Dropout(0.5))(x)
    ),
    "added": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        k.Add()([x, k.Masking(1.0)(x), k.Conv1D(FEATURES, 1)(x)])
    ),
    "multiplied, wider": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        k.Multiply()([x, k.Conv1D(1, 1)(x)])
    ),
    "joined": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        k.Concatenate()([x, k.Masking(1.0)(x), k.Conv1D(2, 1)(x)])
    ),
    "joined in time": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        k.Concatenate(axis=1)([x, k.Masking(1.0)(x)])
    ),
    "masked anew": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(k.Masking(1.0)(x)),
    "in a model": lambda q, k, x: quantized(q, "QSimpleRNN", **BOTH)(
        import_module("tf_keras").Sequential(
            [k.Input((STEPS, FEATURES)), dense(q), quantized(q, "QGRU", **BOTH)]
        )(x)
    ),
}

ROUNDED: dict[str, Build] = {
    "simple": lambda q, k, x: k.SimpleRNN(UNITS, **ALL)(x),
    "lstm": lambda q, k, x: k.LSTM(UNITS, **ALL)(x),
    "lstm, backwards, zeros": lambda q, k, x: k.LSTM(
        UNITS, go_backwards=True, zero_output_for_mask=True, **ALL
    )(x),
    "lstm, unrolled": lambda q, k, x: k.LSTM(UNITS, unroll=True, implementation=1, **ALL)(x),
    "gru": lambda q, k, x: k.GRU(UNITS, **ALL)(x),
    "gru, reset before": lambda q, k, x: k.GRU(UNITS, reset_after=False, **ALL)(x),
    "gru, states": lambda q, k, x: k.GRU(UNITS, **ALL)(
        x, initial_state=k.Dense(UNITS)(k.Flatten()(x))
    ),
    "both ways": lambda q, k, x: k.Bidirectional(k.LSTM(UNITS, **BOTH))(x),
    "both ways, mean": lambda q, k, x: k.GlobalAveragePooling1D()(
        k.Bidirectional(k.GRU(UNITS, **BOTH))(x)
    ),
    "quantized weights": lambda q, k, x: quantized(
        q, "QLSTM", activation="tanh", recurrent_activation="sigmoid", **ALL
    )(x),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_layers(tf: ModuleType, qkeras: ModuleType, name: str) -> None:
    model = model_of(tf, qkeras, EXACT[name], -0.25)
    require_equal(tf, model, masked(-0.25))


@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_layers(tf: ModuleType, qkeras: ModuleType, name: str) -> None:
    model = model_of(tf, qkeras, ROUNDED[name], 0.0)
    graph, inputs, expected = compared(tf, model, masked(0.0))
    reference = ReferenceRunner(graph).run(inputs)
    for output, value in expected.items():
        assert_array_equal(reference.outputs[output], value)
    runner = OrtRunner(to_onnx(graph))
    for found in (runner.run_layers(inputs), runner.run_deployed(inputs)):
        wrong = misfits(graph, inputs, found, reference)
        assert not any(mask is not None for mask in wrong.outputs.values())


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_embeddings(tf: ModuleType, qkeras: ModuleType, dtype: str) -> None:
    source = tf.keras.Input((STEPS,), name="x", dtype=dtype)
    rows = tf.keras.layers.Embedding(9, FEATURES, mask_zero=True)(source)
    model = tf.keras.Model(source, quantized(qkeras, "QLSTM", **BOTH)(rows))
    fill(model)
    x = np.random.default_rng(5).integers(1, 9, COUNTS.shape) * COUNTS
    require_equal(tf, model, x.astype(np.float32))


@pytest.mark.parametrize("steps", [None, 2])
def test_lengths_that_are_not_known(tf: ModuleType, qkeras: ModuleType, steps: int | None) -> None:
    source = tf.keras.Input((steps, FEATURES), name="x")
    model = tf.keras.Model(source, quantized(qkeras, "QGRU")(tf.keras.layers.Masking()(source)))
    fill(model)
    require_equal(tf, model, masked(0.0)[:, : steps or STEPS])


def test_sequential_models_of_more_axes(tf: ModuleType, qkeras: ModuleType) -> None:
    layers = tf.keras.layers
    masking = layers.Masking(input_shape=(2, STEPS, FEATURES))
    model = tf.keras.Sequential([masking, dense(qkeras), layers.ReLU()])
    fill(model)
    require_equal(tf, model, np.stack([masked(0.0), masked(0.0)[::-1]], axis=1))


#: How to make a layer of a class for sequences, where its name alone does not do.
MAKE: dict[str, Callable[[Keras, Keras], Keras]] = {
    "Activation": lambda q, k: k.Activation("relu"),
    "Bidirectional": lambda q, k: k.Bidirectional(k.LSTM(2)),
    "QBidirectional": lambda q, k: q.QBidirectional(q.QLSTM(2)),
    "BatchNormalization": lambda q, k: k.BatchNormalization(),
}
#: Arguments of constructors, one of which every other class takes.
ARGUMENTS: tuple[tuple[Any, ...], ...] = ((), (2,), (2, 2), ((1,),), ("quantized_bits(4)",))


def test_every_class_has_a_rule() -> None:
    functions = {name for name in LAYERS if name.startswith(FUNCTION)}
    assert set(RULES) == {*LAYERS, *STOCK} - functions


@pytest.mark.parametrize("name", [n for n, rule in RULES.items() if isinstance(rule, Rule)])
def test_rules_are_those_of_keras(tf: ModuleType, qkeras: ModuleType, name: str) -> None:
    """Whether the class says that it supports masks, or has ``call`` take one."""
    kind = getattr(qkeras, name, None) or getattr(tf.keras.layers, name, None)
    if kind is None:
        pytest.skip("a class of other libraries")
    if name in ("TimeDistributed", "Embedding", "QAdaptiveActivation"):
        pytest.skip("tested by cases, or cannot be made so")
    layer = made(kind, MAKE.get(name), qkeras, tf.keras.layers)
    rule = RULES[name]
    if rule is Rule.DROPS:
        lost = type(layer).compute_mask is not tf.keras.layers.Layer.compute_mask
        assert (lost or not layer.supports_masking) and not layer._expects_mask_arg
        assert not lost or name == "Dot"
        return
    assert layer.supports_masking
    own = type(layer).compute_mask is not tf.keras.layers.Layer.compute_mask
    assert own == (rule is not Rule.PASSES)
    takes = layer._expects_mask_arg and name not in ("ActivityRegularization", "BatchNormalization")
    assert not takes or rule is Rule.OWN


def made(kind: Keras, make: Callable[[Keras, Keras], Keras] | None, q: Keras, k: Keras) -> Keras:
    if make is not None:
        return make(q, k)
    for arguments in ARGUMENTS:
        try:
            return kind(*arguments)
        except (TypeError, ValueError):
            continue
    raise AssertionError(f"no arguments for {kind}")


def masked(mask_value: float) -> F32:
    """Steps that do not count hold *mask_value*, which some others do in one feature."""
    draw = np.random.default_rng(7)
    x = (draw.integers(-8, 9, (*COUNTS.shape, FEATURES)) / 4).astype(np.float32)
    x[:, 2:4, 0] = mask_value
    x[0, 1] = -np.float32(mask_value) if mask_value else 1
    x[2, 4] = 1
    x[~COUNTS] = mask_value
    return x


def model_of(tf: ModuleType, q: ModuleType, build: Build, mask_value: float) -> Keras:
    """*build* behind a mask, with weights of which no sum of products rounds."""
    source = tf.keras.Input((STEPS, FEATURES), name="x")
    layers = tf.keras.layers
    model = tf.keras.Model(source, build(q, layers, layers.Masking(mask_value)(source)))
    fill(model)
    return model


def fill(model: Keras) -> None:
    draw = np.random.default_rng(len(model.weights))
    model.set_weights([coarse(draw, w.name, w.shape) for w in model.weights])


def coarse(draw: np.random.Generator, name: str, shape: tuple[int, ...]) -> F32:
    """Quarters; a recurrent kernel has one in a column, a variance is 1, a mask 0 or 1."""
    if not shape:
        return np.zeros(shape, np.float32)
    values: F32 = draw.integers(-4, 5, shape).astype(np.float32) / np.float32(4)
    if "variance" in name:
        return np.ones(shape, np.float32)
    if "mask:" in name:
        return np.sign(abs(values))
    if "recurrent_kernel" not in name:
        return values
    kept = np.zeros(shape, np.float32)
    rows, columns = draw.integers(0, shape[0], shape[1]), np.arange(shape[1])
    kept[rows, columns] = values[rows, columns]
    return kept


def compared(tf: ModuleType, model: Keras, x: F32) -> tuple[Graph, dict[str, F32], dict[str, F32]]:
    """Our graph of *model*, inputs, and TensorFlow's outputs."""
    results = tf.nest.flatten(model(tf.cast(x, model.inputs[0].dtype), training=False))
    expected = {n: y.numpy() for n, y in zip(model.output_names, results, strict=True)}
    return qconvert.load(model), {model.input_names[0]: x}, expected


def require_equal(tf: ModuleType, model: Keras, x: F32) -> None:
    """All of ours return TensorFlow's bits."""
    graph, inputs, expected = compared(tf, model, x)
    reference = evaluate(graph, inputs)
    runner = OrtRunner(to_onnx(graph))
    plain, deployed = runner.run_layers(inputs).outputs, runner.run_deployed(inputs).outputs
    assert [output.name for output in graph.outputs] == list(expected)
    for output in graph.outputs:
        assert_array_equal(reference[output.value], expected[output.name])
        assert_array_equal(plain[output.name], expected[output.name])
        assert_array_equal(deployed[output.name], expected[output.name])
