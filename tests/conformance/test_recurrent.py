"""Recurrent layers of TensorFlow and QKeras, in the reference and in ONNX Runtime.

Cells of quantizers alone are exact, so that all must agree bit for bit. With tanh and sigmoid the
reference still equals TensorFlow where no sum rounds: every recurrent kernel here has a single
element a column. ONNX Runtime's functions are its own; what it may differ by is derived.
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
Build: TypeAlias = Callable[[Keras, Keras], Keras]

BATCH, STEPS, FEATURES, UNITS = 3, 5, 4, 3
BITS = "quantized_bits(4,0,1,alpha=1)"


@pytest.fixture(scope="module")
def qkeras(tf: ModuleType) -> Iterator[ModuleType]:
    """QKeras 0.9.0 with the symbols that TensorFlow has lost since."""
    ops = import_module("tensorflow.python.ops.array_ops")
    nest = import_module("tensorflow.python.util.nest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "unstack", tf.unstack, raising=False)
        patch.setattr(nest, "is_sequence", nest.is_nested, raising=False)
        # The libraries warn about themselves while they are imported, and of each other's words.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield import_module("qkeras")


def quantized(q: Keras, kind: str, **options: Any) -> Keras:
    """A layer all of whose numbers stay on coarse grids."""
    gates = {} if kind == "QSimpleRNN" else {"recurrent_activation": "quantized_sigmoid(3)"}
    chosen = {
        "activation": "quantized_tanh(4)",
        "kernel_quantizer": BITS,
        "recurrent_quantizer": BITS,
        "bias_quantizer": BITS,
        "state_quantizer": BITS,
        **gates,
        **options,
    }
    return getattr(q, kind)(UNITS, **chosen)


def bounded(q: Keras) -> Keras:
    """The bound counts only without the option that QKeras does not save."""
    return q.quantized_relu(4, 2, relu_upper_bound=0.75, is_quantized_clip=False)


EXACT: dict[str, Build] = {
    "simple": lambda q, k: quantized(q, "QSimpleRNN"),
    "simple, no bias": lambda q, k: quantized(q, "QSimpleRNN", use_bias=False),
    "simple, all": lambda q, k: quantized(
        q, "QSimpleRNN", return_sequences=True, return_state=True, go_backwards=True
    ),
    "simple, kernels scaled": lambda q, k: quantized(
        q, "QSimpleRNN", kernel_quantizer="quantized_bits(4)", recurrent_quantizer="ternary"
    ),
    "simple, state that cannot be 0": lambda q, k: quantized(
        q, "QSimpleRNN", state_quantizer="binary(alpha=1)", return_sequences=True
    ),
    "simple, relu": lambda q, k: quantized(q, "QSimpleRNN", activation="quantized_relu(4,2)"),
    "lstm": lambda q, k: quantized(q, "QLSTM"),
    "lstm, implementation 2": lambda q, k: quantized(q, "QLSTM", implementation=2),
    "lstm, no bias": lambda q, k: quantized(q, "QLSTM", use_bias=False, bias_quantizer=None),
    "lstm, all": lambda q, k: quantized(
        q, "QLSTM", return_sequences=True, return_state=True, go_backwards=True
    ),
    "lstm, unquantized state": lambda q, k: quantized(
        q, "QLSTM", state_quantizer=None, return_state=True, unit_forget_bias=False
    ),
    "lstm, QKeras's hard sigmoid": lambda q, k: quantized(
        q, "QLSTM", recurrent_activation="hard_sigmoid", return_state=True
    ),
    "lstm, an option that is not in its configuration": lambda q, k: quantized(
        q, "QLSTM", recurrent_activation=bounded(q), return_sequences=True
    ),
    "lstm, both ways, an option that the copies lose": lambda q, k: q.QBidirectional(
        quantized(q, "QLSTM", recurrent_activation=bounded(q), return_sequences=True)
    ),
    "gru": lambda q, k: quantized(q, "QGRU"),
    "gru, implementation 2": lambda q, k: quantized(q, "QGRU", implementation=2),
    "gru, reset after": lambda q, k: quantized(q, "QGRU", reset_after=True, return_state=True),
    "gru, reset after, implementation 2": lambda q, k: quantized(
        q, "QGRU", reset_after=True, implementation=2, return_sequences=True
    ),
    "gru, no bias": lambda q, k: quantized(q, "QGRU", use_bias=False, reset_after=True),
    "gru, backwards": lambda q, k: quantized(q, "QGRU", return_sequences=True, go_backwards=True),
    "gru, wrong variable": lambda q, k: quantized(
        q, "QGRU", recurrent_quantizer=None, input_shape=(STEPS, UNITS)
    ),
    "both ways": lambda q, k: q.QBidirectional(quantized(q, "QLSTM", return_sequences=True)),
    "both ways, sum": lambda q, k: q.QBidirectional(quantized(q, "QGRU"), merge_mode="sum"),
    "both ways, product": lambda q, k: q.QBidirectional(
        quantized(q, "QSimpleRNN", return_sequences=True, go_backwards=True), merge_mode="mul"
    ),
    "both ways, mean, states": lambda q, k: q.QBidirectional(
        quantized(q, "QLSTM", return_sequences=True, return_state=True), merge_mode="ave"
    ),
    "both ways, apart, states": lambda q, k: q.QBidirectional(
        quantized(q, "QGRU", return_state=True), merge_mode=None
    ),
    "both ways, two layers": lambda q, k: q.QBidirectional(
        quantized(q, "QGRU", return_sequences=True),
        backward_layer=quantized(
            q, "QLSTM", return_sequences=True, go_backwards=True, implementation=2
        ),
    ),
    "stock simple, relu": lambda q, k: k.SimpleRNN(UNITS, "relu", return_sequences=True),
    "stock lstm, hard": lambda q, k: k.LSTM(
        UNITS, "relu", recurrent_activation="linear", return_state=True
    ),
    "stock gru, linear": lambda q, k: k.GRU(
        UNITS, "linear", recurrent_activation="relu", reset_after=False, return_state=True
    ),
}

ROUNDED: dict[str, Build] = {
    "simple": lambda q, k: k.SimpleRNN(UNITS, return_sequences=True),
    "lstm": lambda q, k: k.LSTM(UNITS, return_sequences=True, return_state=True),
    "lstm, cell 1": lambda q, k: k.LSTM(
        UNITS, implementation=1, unroll=True, return_sequences=True
    ),
    "lstm, cell 2": lambda q, k: k.LSTM(
        UNITS, implementation=2, unroll=True, return_sequences=True
    ),
    "lstm, recurrent dropout": lambda q, k: k.LSTM(
        UNITS, dropout=0.5, recurrent_dropout=0.5, return_sequences=True
    ),
    "lstm, no bias": lambda q, k: k.LSTM(UNITS, use_bias=False, go_backwards=True),
    "lstm, Keras's hard sigmoid": lambda q, k: k.LSTM(
        UNITS, recurrent_activation="hard_sigmoid", implementation=1, return_sequences=True
    ),
    "gru": lambda q, k: k.GRU(UNITS, return_sequences=True, return_state=True),
    "gru, reset before": lambda q, k: k.GRU(UNITS, reset_after=False, return_sequences=True),
    "gru, cell 1": lambda q, k: k.GRU(UNITS, implementation=1, unroll=True),
    "gru, no bias": lambda q, k: k.GRU(UNITS, use_bias=False, return_sequences=True),
    "both ways": lambda q, k: k.Bidirectional(k.LSTM(UNITS, return_sequences=True)),
    "quantized weights": lambda q, k: quantized(
        q, "QLSTM", activation="tanh", recurrent_activation="sigmoid", return_state=True
    ),
    "quantized weights, gru": lambda q, k: quantized(
        q, "QGRU", activation="tanh", recurrent_activation="sigmoid", return_sequences=True
    ),
}


#: Cells that are called with first states, too.
WITH_STATES = ("simple, all", "lstm, all", "gru, reset after", "both ways, mean, states")
RUNS = [(name, False) for name in EXACT] + [(name, True) for name in WITH_STATES]


@pytest.mark.parametrize(("name", "states"), RUNS)
def test_exact_cells(tf: ModuleType, qkeras: ModuleType, name: str, states: bool) -> None:
    model = model_of(tf, EXACT[name](qkeras, tf.keras.layers), states)
    graph, inputs, expected = compared(tf, model)
    reference = evaluate(graph, inputs)
    runner = OrtRunner(to_onnx(graph))
    plain, deployed = runner.run_layers(inputs).outputs, runner.run_deployed(inputs).outputs
    assert [output.name for output in graph.outputs] == list(expected)
    for output in graph.outputs:
        assert_array_equal(reference[output.value], expected[output.name])
        assert_array_equal(plain[output.name], expected[output.name])
        assert_array_equal(deployed[output.name], expected[output.name])


@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_cells(tf: ModuleType, qkeras: ModuleType, name: str) -> None:
    model = model_of(tf, ROUNDED[name](qkeras, tf.keras.layers), states=False)
    graph, inputs, expected = compared(tf, model)
    reference = ReferenceRunner(graph).run(inputs)
    for output, value in expected.items():
        assert_array_equal(reference.outputs[output], value)
    runner = OrtRunner(to_onnx(graph))
    for found in (runner.run_layers(inputs), runner.run_deployed(inputs)):
        wrong = misfits(graph, inputs, found, reference)
        assert not any(mask is not None for mask in wrong.outputs.values())


def model_of(tf: ModuleType, layer: Keras, states: bool) -> Keras:
    """*layer* in a model, with weights of which no sum of products rounds."""
    declared = getattr(layer, "_batch_input_shape", None)
    source = tf.keras.Input(declared[1:] if declared else (STEPS, FEATURES), name="x")
    inner = [getattr(layer, name, layer) for name in ("forward_layer", "backward_layer")]
    ways = inner if inner[0] is not layer else [layer]
    widths = [UNITS] * sum(1 + ("LSTM" in type(each).__name__) for each in ways)
    first = [tf.keras.Input((w,), name=f"s{i}") for i, w in enumerate(widths) if states]
    outputs = layer(source, initial_state=first) if states else layer(source)
    model = tf.keras.Model([source, *first], outputs)
    draw = np.random.default_rng(len(model.weights))
    model.set_weights([coarse(draw, w.name, w.shape) for w in model.weights])
    return model


def coarse(draw: np.random.Generator, name: str, shape: tuple[int, ...]) -> F32:
    """Quarters; a recurrent kernel has one in a column."""
    values: F32 = draw.integers(-4, 5, shape).astype(np.float32) / np.float32(4)
    if "recurrent_kernel" not in name:
        return values
    kept = np.zeros(shape, np.float32)
    rows = draw.integers(0, shape[0], shape[1])
    columns = np.arange(shape[1])
    kept[rows, columns] = values[rows, columns]
    return kept


def compared(tf: ModuleType, model: Keras) -> tuple[Graph, dict[str, F32], dict[str, F32]]:
    """Our graph of *model*, inputs, and TensorFlow's outputs."""
    draw = np.random.default_rng(7)
    inputs = {
        name: (draw.integers(-8, 9, (BATCH, *tensor.shape[1:])) / 4).astype(np.float32)
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    }
    results = tf.nest.flatten(model(list(inputs.values()), training=False))
    expected = {n: y.numpy() for n, y in zip(model.output_names, results, strict=True)}
    return qconvert.load(model), inputs, expected
