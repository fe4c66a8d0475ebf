"""Random arguments that several layers have."""

from collections.abc import Callable
from typing import Any, TypeAlias

from scripts.randomized.quantizers import (
    Random,
    activation,
    bias_quantizer,
    chance,
    one_of,
    weight_quantizer,
)

#: Keras's layers have no types.
Layer: TypeAlias = Any
Make: TypeAlias = Callable[[Random], Layer]


def size(random: Random) -> int:
    """Of a few units or channels."""
    return int(random.integers(1, 6))


def window(random: Random, rank: int) -> tuple[int, ...]:
    """Of up to three elements an axis."""
    return tuple(int(n) for n in random.integers(1, 4, rank))


def padding(random: Random) -> str:
    """Either kind that all layers have."""
    return one_of(random, "same", "valid")


def reloadable(quantizer: object) -> object:
    """QKeras cannot load what it saves of a plain function in this place."""
    return None if isinstance(quantizer, str) else quantizer


def quantized(random: Random) -> dict[str, object]:
    """The options of a layer with one kernel."""
    return {
        "kernel_quantizer": weight_quantizer(random),
        "bias_quantizer": bias_quantizer(random),
        "use_bias": chance(random, 0.8),
        "activation": reloadable(activation(random)) if chance(random, 0.3) else None,
    }


def depthwise(random: Random) -> dict[str, object]:
    """The options of a depthwise layer."""
    return {
        "depthwise_quantizer": weight_quantizer(random),
        "bias_quantizer": bias_quantizer(random),
        "use_bias": chance(random, 0.8),
        "depth_multiplier": one_of(random, 1, 1, 2),
    }


def separable(random: Random) -> dict[str, object]:
    """The options of a separable layer."""
    return {
        "padding": padding(random),
        "depthwise_quantizer": weight_quantizer(random),
        "pointwise_quantizer": weight_quantizer(random),
        "bias_quantizer": bias_quantizer(random),
    }


def moves(random: Random, rank: int) -> dict[str, object]:
    """Window, padding, and either strides or a dilation."""
    dilated = chance(random, 0.2)
    return {
        "kernel_size": window(random, rank),
        "padding": padding(random),
        "strides": 1 if dilated or chance(random, 0.6) else 2,
        "dilation_rate": 2 if dilated else 1,
    }
