"""Stateful layers: a sequence in parts gives what Keras gives, call after call."""

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import qconvert
from qconvert.emit import to_onnx
from qconvert.ir import F32
from qconvert.reference import evaluate
from qconvert.runners.ort import OrtRunner

#: QKeras reads texts in a way that its parser calls old, and saves quantizers as constraints.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:qkeras"),
    pytest.mark.filterwarnings("ignore:The `keras.constraints:UserWarning"),
]

#: Layers and models, which have no types.
Keras: TypeAlias = Any
Build: TypeAlias = Callable[[Keras, Keras, Keras], Keras]

BATCH, STEPS, FEATURES, UNITS, PARTS = 3, 4, 5, 3, 3
BITS = "quantized_bits(4,0,1,alpha=1)"


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
    """A stateful layer all of whose numbers stay on coarse grids."""
    gates = {} if kind == "QSimpleRNN" else {"recurrent_activation": "quantized_sigmoid(3)"}
    quantizers = ("kernel_quantizer", "recurrent_quantizer", "bias_quantizer", "state_quantizer")
    chosen = {"activation": "quantized_tanh(4)", **dict.fromkeys(quantizers, BITS), **gates}
    return getattr(q, kind)(UNITS, stateful=True, name="rnn", **{**chosen, **options})


#: With the states that each keeps.
CASES: dict[str, tuple[Build, tuple[str, ...]]] = {
    "simple": (lambda q, k, x: quantized(q, "QSimpleRNN")(x), ("h",)),
    "lstm, all": (
        lambda q, k, x: quantized(q, "QLSTM", return_sequences=True, return_state=True)(x),
        ("h", "c"),
    ),
    "gru, backwards": (lambda q, k, x: quantized(q, "QGRU", go_backwards=True)(x), ("h",)),
    "masked": (
        lambda q, k, x: quantized(q, "QLSTM", return_sequences=True)(k.Masking()(x)),
        ("h", "c"),
    ),
    "both ways": (
        lambda q, k, x: q.QBidirectional(quantized(q, "QGRU", return_sequences=True), name="rnn")(
            x
        ),
        ("forward_h", "backward_h"),
    ),
    "both ways, two layers, masked": (
        lambda q, k, x: q.QBidirectional(
            quantized(q, "QLSTM", return_sequences=True),
            backward_layer=quantized(q, "QGRU", return_sequences=True, go_backwards=True),
            name="rnn",
        )(k.Masking()(x)),
        ("forward_h", "forward_c", "backward_h"),
    ),
    "stock": (
        lambda q, k, x: k.LSTM(
            UNITS, "relu", recurrent_activation="linear", stateful=True, name="rnn"
        )(x),
        ("h", "c"),
    ),
}


def of_states(states: tuple[str, ...], before: str) -> list[str]:
    ways = (state.rpartition("_") for state in states)
    return [f"rnn/{before}{way}{'_' if way else ''}state_{name}" for way, _, name in ways]


@pytest.mark.parametrize("name", CASES)
def test_a_sequence_in_parts(tf: ModuleType, qkeras: ModuleType, name: str) -> None:
    build, states = CASES[name]
    source = tf.keras.Input(batch_shape=(BATCH, STEPS, FEATURES), name="x")
    model = tf.keras.Model(source, build(qkeras, tf.keras.layers, source))
    draw = np.random.default_rng(len(model.weights))
    model.set_weights([draw.integers(-3, 4, w.shape) / 4 for w in model.weights])
    graph = qconvert.load(model)
    taken, returned = of_states(states, ""), of_states(states, "new_")
    assert [value.name for value in graph.inputs] == ["x", *taken]
    assert [value.name for value in graph.outputs] == [*model.output_names, *returned]
    runner = OrtRunner(to_onnx(graph))
    model.reset_states()
    kept = {state: np.zeros((BATCH, UNITS), np.float32) for state in taken}
    seen: list[F32] = []
    for part in range(PARTS):
        x = (draw.integers(-2, 3, (BATCH, STEPS, FEATURES)) / 2).astype(np.float32)
        x[part % BATCH, part:] = 0
        expected = [y.numpy() for y in tf.nest.flatten(model(x, training=False))]
        values = evaluate(graph, {"x": x, **kept})
        plain = runner.run_layers({"x": x, **kept}).outputs
        deployed = runner.run_deployed({"x": x, **kept}).outputs
        for output, y in zip(graph.outputs, expected, strict=False):
            for found in (values[output.value], plain[output.name], deployed[output.name]):
                assert_array_equal(found, y)
        kept = {old: deployed[new] for old, new in zip(taken, returned, strict=True)}
        seen += kept.values()
    assert len({state.tobytes() for state in seen}) >= PARTS
