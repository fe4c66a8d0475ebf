"""What an example is, and the few words that all are written in."""

from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final, TypeAlias

import numpy as np
import qkeras
import tensorflow as tf
import tf_keras
from tf_keras import Input, Model
from tf_keras import layers as stock

#: Layers, tensors and models of Keras, which have no types.
Keras: TypeAlias = Any
Random: TypeAlias = np.random.Generator

#: Moving ranges, as training leaves them, by what the variable's name ends with.
_RANGES: Final = {
    "variance:0": (0.25, 2.0),
    "gamma:0": (0.5, 1.5),
    "ema_max:0": (0.5, 9.0),
    "ema_min:0": (-9.0, -0.5),
}
#: What pruning keeps beside the weights.
_KEPT: Final = ("mask:0", "threshold:0")


@dataclass(frozen=True, slots=True)
class Example:
    """One model, where QKeras has it, and what becomes of it.

    ``rounds`` names the layers whose float32 sums or functions may round; all others must give
    the same bits. ``refused`` is part of what qconvert must say of a model that it does not
    convert, ``impossible`` of what QKeras 0.9.0 raises under this TensorFlow. ``trained`` is what
    is done to the model after its training.
    """

    source: str
    build: Callable[[], Keras]
    rounds: tuple[str, ...] = ()
    refused: str = ""
    impossible: str = ""
    trained: Callable[[Keras], Keras] | None = None

    @property
    def name(self) -> str:
        """The builder's name."""
        return self.build.__name__


def chain(shape: tuple[int, ...], *layers: Keras) -> Keras:
    """A model of layers one after the other."""
    x = source = Input(shape, name="input")
    for layer in layers:
        x = layer(x)
    return Model(source, x)


def signed(bits: int, integer: int = 0, **options: Keras) -> Keras:
    """``quantized_bits``, symmetric, each a new object, as QKeras changes those of kernels."""
    return qkeras.quantized_bits(bits, integer, 1, **options)


def conv(filters: int, size: int, strides: int = 1, **options: Keras) -> Keras:
    """QConv2D of four bits, where *options* do not say otherwise."""
    chosen = {"kernel_quantizer": signed(4), "bias_quantizer": signed(4)} | options
    return qkeras.QConv2D(filters, size, strides=strides, **chosen)


def dense(units: int, **options: Keras) -> Keras:
    """QDense of four bits, where *options* do not say otherwise."""
    chosen = {"kernel_quantizer": signed(4), "bias_quantizer": signed(4)} | options
    return qkeras.QDense(units, **chosen)


def act(quantizer: Keras) -> Keras:
    """QActivation."""
    return qkeras.QActivation(quantizer)


def softmax() -> Keras:
    """The usual end of a classifier."""
    return stock.Activation("softmax", name="softmax")


def built(example: Example, seed: int = 0) -> Keras:
    """The model with the weights of a training that never was; the same for the same seed."""
    tf_keras.backend.clear_session()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        # Without translating the code of each layer first, which takes longer than all the rest.
        return tf.autograph.experimental.do_not_convert(_built)(example, seed)


def _built(example: Example, seed: int) -> Keras:
    model = example.build()
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if "float" in variable.dtype.name and not variable.name.endswith(_KEPT):
            variable.assign(_values(random, variable.name, tuple(variable.shape)))
    return model if example.trained is None else example.trained(model)


def _values(random: Random, name: str, shape: tuple[int, ...]) -> Keras:
    for ending, (low, high) in _RANGES.items():
        if name.endswith(ending):
            return random.uniform(low, high, shape)
    if len(shape) < 2:
        return random.normal(0, 0.25, shape)
    # So wide that four bits show something of it.
    return random.normal(0, max(0.125, np.sqrt(2 / np.prod(shape[:-1]))), shape)
