"""Random models: chains with branches, merges, shared layers, tables and models in models."""

from typing import Any, Final, TypeAlias

import numpy as np
import tf_keras
from tf_keras import Input, Model

from scripts.randomized.arguments import Layer
from scripts.randomized.chains import RANKS, random_chain
from scripts.randomized.layers import random_layer, random_merge, random_table
from scripts.randomized.quantizers import Random, chance, one_of

#: Keras's tensors have no types.
Tensor: TypeAlias = Any
#: Layers that may be called again, with the shape that they were built for.
Shared: TypeAlias = list[tuple[Layer, Any]]

#: What Keras says of a shape that does not fit.
_MISFITS: Final = (AssertionError, TypeError, ValueError)
#: So that no model takes long.
_LARGEST: Final = 4096
_MOST_AXES: Final = 5


def random_model(seed: int) -> Model:
    """A model of 3 to 12 layers with random weights; the same for the same seed."""
    tf_keras.backend.clear_session()
    random = np.random.default_rng(seed)
    inputs = [Input(shape) for shape in [_input_shape(random)] * (1 + chance(random, 0.2))]
    tensors = _grown(random, inputs, int(random.integers(3, 13)), tables=chance(random, 0.1))
    model = Model(inputs, _unread(tensors, inputs), name=f"random_{seed}")
    for variable in model.weights:
        if "float" in variable.dtype.name:
            # Weights that use their grids, and moving statistics that are possible.
            low, high = (0.25, 2) if "variance" in variable.name else (-1.25, 1.25)
            numbers = random.uniform(low, high, variable.shape)
            variable.assign(numbers > 0 if "mask" in variable.name else numbers)
    return model


def _input_shape(random: Random) -> tuple[int, ...]:
    rank = one_of(random, 1, 2, 2, 3, 3, 4)
    longest = 6 if rank == 4 else 10
    return (*(int(n) for n in random.integers(3, longest, rank - 1)), int(random.integers(1, 6)))


def _grown(
    random: Random, inputs: list[Tensor], count: int, *, tables: bool = False
) -> list[Tensor]:
    """The inputs, and the results of *count* layers behind them: *tables* first, or others."""
    tensors = [*inputs, *_looked_up(random, inputs if tables else [])]
    shared: Shared = []
    tensors += _chained(random, tensors[-1])
    for _ in range(count):
        tensors.append(_step(random, tensors, shared))
    # Of what comes last no other layer reads a part, which then has to be there.
    return [*tensors, *_chained(random, tensors[-1])]


def _chained(random: Random, x: Tensor) -> list[Tensor]:
    """In half of the cases a chain behind *x*; layers that do not fit are left out."""
    rank = len(x.shape)
    found: list[Tensor] = []
    if rank not in RANKS or chance(random):
        return found
    for layer in random_chain(random, rank):
        try:
            y = layer(x)
        except _MISFITS:
            continue
        if 0 < np.prod(y.shape[1:]) <= _LARGEST:
            x = y
            found.append(y)
    return found


def _looked_up(random: Random, inputs: list[Tensor]) -> list[Tensor]:
    """What tables hold of whole numbers, one more axis of it."""
    return [random_table(random)(x) for x in inputs if len(x.shape) < _MOST_AXES]


def _step(random: Random, tensors: list[Tensor], shared: Shared) -> Tensor:
    """One more layer, applied to the newest tensor or, seldom, to an older one."""
    x = tensors[-1] if chance(random, 0.85) else one_of(random, *tensors)
    partners = [t for t in tensors if t is not x and t.shape == x.shape]
    if partners and chance(random, 0.4):
        return random_merge(random, len(x.shape))([x, one_of(random, *partners)])
    for _ in range(100):
        layer = _layer(random, x, shared)
        try:
            y = layer(x)
        except _MISFITS:
            continue
        if 0 < np.prod(y.shape[1:]) <= _LARGEST and len(y.shape) <= _MOST_AXES:
            shared.append((layer, x.shape))
            return y
    raise ValueError(f"no layer fits {x.shape}")


def _layer(random: Random, x: Tensor, shared: Shared) -> Layer:
    # For other shapes Keras builds a shared layer too, and fails when it runs.
    fitting = [layer for layer, shape in shared if shape == x.shape]
    if fitting and chance(random, 0.1):
        return one_of(random, *fitting)
    if chance(random, 0.05):
        source = Input(x.shape[1:])
        return Model(
            source, _grown(random, [source], 2)[-1], name=f"inner_{random.integers(1 << 30)}"
        )
    return random_layer(random, len(x.shape))


def _unread(tensors: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """What no layer reads: the outputs, one of which may be an input."""
    made = tensors[len(inputs) :]
    read = {id(source) for tensor in made for source in tensor.node.keras_inputs}
    return [tensor for tensor in tensors if id(tensor) not in read]
