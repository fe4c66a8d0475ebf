"""Writes small models, and what Keras itself computes of them, into the folder given."""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np
import tensorflow as tf
from qkeras import (
    QGRU,
    QActivation,
    QBatchNormalization,
    QBidirectional,
    QConv2DBatchnorm,
    QDense,
    QSeparableConv1D,
    quantized_bits,
    quantized_relu,
)
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest
from tensorflow_model_optimization.python.core.sparsity.keras.prune import prune_low_magnitude
from tf_keras import Input, Model, Sequential
from tf_keras.layers import (
    LSTM,
    Add,
    Attention,
    Bidirectional,
    Flatten,
    MultiHeadAttention,
    SimpleRNN,
    TimeDistributed,
)


def grid(*shape: int) -> np.ndarray:
    codes = np.random.default_rng(sum(shape)).integers(-15, 16, shape)
    return (codes / 8).astype(np.float32)


def shared(folder: Path) -> None:
    """A nested model called twice, and a layer whose second call is executed first."""
    x = Input((4,), name="x")
    dense = QDense(4, kernel_quantizer=quantized_bits(4, 0, 1, alpha=1), name="dense")
    encoder = Model(x, QActivation("quantized_relu(4)", name="act")(dense(x)), name="encoder")
    a, b = Input((4,), name="a"), Input((4,), name="b")
    head = QDense(4, kernel_quantizer="quantized_bits(3,0,1,alpha=1)", name="head")
    slow, fast = encoder(a), encoder(b)
    first = head(QActivation("quantized_bits(6,2,alpha=1)", name="late")(slow))
    second = head(fast)
    longer = QActivation("quantized_relu(5,2)", name="one")(second)
    longer = QActivation("quantized_relu(6,2)", name="two")(longer)
    model = Model([b, a], Add(name="sum")([longer[:, ::-1], first]), name="top")
    model.save(folder / "shared.h5")

    xa, xb = grid(3, 4), grid(3, 4) / 2
    late = model.get_layer("late")(encoder(xa))
    np.savez(folder / "shared_inputs.npz", a=xa, b=xb)
    expected = {"encoder/act": encoder(xa), "encoder@1/act": encoder(xb)}
    expected |= {"head": head(late), "head@1": head(encoder(xb)), "sum": model([xb, xa])}
    np.savez(folder / "shared_expected.npz", **{key: y.numpy() for key, y in expected.items()})
    kernel = dense.kernel_quantizer_internal(dense.kernel).numpy()
    np.savez(folder / "shared_kernel.npz", kernel=kernel, raw=dense.kernel.numpy())


def quantized(folder: Path) -> None:
    """Weights of every kind, with what the layers' quantizers make of them."""
    x = Input((6, 6, 2), name="x")
    fold = QConv2DBatchnorm(
        3, 3, kernel_quantizer="quantized_bits(4,0,1)", bias_quantizer="quantized_bits(6,1)",
        name="fold",
    )  # fmt: skip
    norm = QBatchNormalization(scale=False, name="norm")
    y = norm(fold(x))
    y = tf.reshape(y, (-1, 16, 3))
    separable = QSeparableConv1D(
        4, 3, depthwise_quantizer="quantized_bits(3,0,1,alpha='auto')",
        pointwise_quantizer="quantized_bits(4,0,1)", name="separable",
    )  # fmt: skip
    left, right = tf.split(separable(y), 2, axis=-1)
    model = Model(x, [Flatten(name="left")(left), Flatten(name="right")(right)], name="weights")
    for layer in (fold.batchnorm, norm, separable):
        layer.set_weights([np.abs(grid(*w.shape)) + np.float32(0.3) for w in layer.get_weights()])
    model.save(folder / "quantized.h5")

    kernel, bias = fold.get_folded_weights()
    depthwise = tf.expand_dims(separable.depthwise_kernel, 0)
    expected = {
        "fold/kernel": fold.kernel_quantizer_internal(kernel),
        "fold/bias": fold.bias_quantizer_internal(bias),
        "norm/beta": norm.beta_quantizer_internal(norm.beta),
        "norm/moving_mean": norm.mean_quantizer_internal(norm.moving_mean),
        "norm/moving_variance": norm.variance_quantizer_internal(norm.moving_variance),
        "separable/depthwise_kernel": separable.depthwise_quantizer_internal(depthwise)[0],
    }
    np.savez(folder / "quantized_expected.npz", **{key: y.numpy() for key, y in expected.items()})


def pruned(folder: Path) -> None:
    """A pruned layer whose stored weights are not masked yet."""
    dense = QDense(3, kernel_quantizer=quantized_bits(5, 1, alpha=1), name="dense")
    model = Sequential([prune_low_magnitude(dense, input_shape=(5,))], name="top")
    [(weight, mask, _)] = model.layers[0].pruning_vars
    weight.assign(grid(5, 3))
    mask.assign((grid(5, 3) > 0).astype(np.float32))
    model.save(folder / "pruned.h5", include_optimizer=False)
    np.savez(folder / "pruned_expected.npz", kernel=np.maximum(grid(5, 3), 0))


def dictionary(folder: Path) -> None:
    """An activation that a ``.keras`` file stores as a dictionary."""
    relu = QActivation(quantized_relu(3, 1), name="relu")
    model = Sequential([Input((4,), name="x"), relu], name="top")
    model.save(folder / "dictionary.keras")


def wrapped(folder: Path) -> None:
    """Weights inside layers of a layer, a single number, and a function of ``compat.v1``."""
    dense = QDense(4, kernel_quantizer=quantized_bits(4, 0, 1, alpha=1), name="dense")
    x = Input((3, 5), name="x")
    y = TimeDistributed(TimeDistributed(dense), name="steps")(x[:, :, None])[:, :, 0]
    heads = MultiHeadAttention(2, 3, use_bias=False, name="heads")
    y = Attention(use_scale=True, name="scaled")([y, heads(y, y)])
    model = Model(x, tf.pad(y, [[0, 0], [1, 0], [0, 0]]), name="top")
    model.save(folder / "wrapped.h5")
    expected = {
        "steps/kernel": dense.kernel_quantizer_internal(dense.kernel),
        "heads/key/kernel": heads._key_dense.kernel,
        "heads/attention_output/kernel": heads._output_dense.kernel,
        "scaled/scale": model.get_layer("scaled").scale,
    }
    np.savez(folder / "wrapped_expected.npz", **{key: y.numpy() for key, y in expected.items()})


def stateful(folder: Path) -> None:
    """States that go on from call to call, of batches of two, and what one call makes of them.

    Weights are -1, 0 and 1, so that no sum of the two steps rounds.
    """
    x = Input(batch_shape=(2, 2, 4), name="x")
    layers = _series(stateful=True)
    nested = Sequential([Input(batch_shape=(2, 2, 4)), layers[1]], name="nested")
    model = Model(x, nested(layers[0](x)), name="top")
    model.set_weights([np.sign(grid(*w.shape)) for w in model.get_weights()])
    model.save(folder / "stateful.h5")
    ways = [f"nested/both/{way}_state_{name}" for way in ("forward", "backward") for name in "hc"]
    taken: dict[str, Any] = {"x": grid(5, 2, 4), "rnn/state_h": grid(5, 4)}
    taken |= {name: grid(5, 2) * (i + 1) for i, name in enumerate(ways)}
    once = _series(return_state=True)
    for layer in once:
        layer.build((None, 2, 4))
        layer.set_weights([np.sign(grid(*w.shape)) for w in layer.get_weights()])
    first, *others = [tf.constant(taken[name]) for name in ("rnn/state_h", *ways)]
    middle, last = once[0](taken["x"], initial_state=first)
    y, *new = once[1](middle, initial_state=others)
    names = ["rnn/new_state_h", *(name.replace("both/", "both/new_") for name in ways)]
    expected = {"rnn": middle, "output:nested": y}
    expected |= {f"output:{n}": s for n, s in zip(names, [last, *new], strict=True)}
    np.savez(folder / "stateful_inputs.npz", **taken)
    np.savez(folder / "stateful_expected.npz", **{key: v.numpy() for key, v in expected.items()})


def _series(**options: bool) -> list[Any]:
    inner = {"return_sequences": True, **options}
    lstm = LSTM(2, "relu", recurrent_activation="linear", **inner)
    return [SimpleRNN(4, "relu", name="rnn", **inner), Bidirectional(lstm, name="both")]


def recurrent(folder: Path) -> None:
    """Several results of a call, and weights inside cells and inside wrappers."""
    array_ops.unstack, nest.is_sequence = tf.unstack, nest.is_nested
    quantizers = {f"{kind}_quantizer": "quantized_bits(4,0,1)" for kind in ("kernel", "bias")}
    gru = QGRU(3, return_state=True, name="gru", **quantizers)
    both = QBidirectional(gru, merge_mode=None, name="both")
    x = Input((4, 3), name="x")
    model = Model(x, both(x)[3], name="top")
    both.set_weights([grid(*w.shape) / 2 for w in both.get_weights()])
    model.save(folder / "recurrent.h5")
    ways = {"forward": both.forward_layer.cell, "backward": both.backward_layer.cell}
    expected = {f"{way}_recurrent_kernel": cell.kernel for way, cell in ways.items()}
    expected |= {
        f"{way}_bias": cell.bias_quantizer_internal(cell.bias) for way, cell in ways.items()
    }
    np.savez(folder / "recurrent_expected.npz", **{key: y.numpy() for key, y in expected.items()})


if __name__ == "__main__":
    # Without translating the code of each layer first, which its shapes need not.
    as_it_is = tf.autograph.experimental.do_not_convert
    for build in (shared, quantized, pruned, dictionary, wrapped, stateful, recurrent):
        as_it_is(build)(Path(sys.argv[1]))
