"""Random quantizers and activations: every option that changes numbers has its chance."""

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

import numpy as np
from qkeras import (
    binary,
    quantized_bits,
    quantized_hswish,
    quantized_po2,
    quantized_relu,
    quantized_relu_po2,
    quantized_sigmoid,
    quantized_tanh,
    quantized_ulaw,
    stochastic_binary,
    stochastic_ternary,
    ternary,
)

T = TypeVar("T")
Random: TypeAlias = np.random.Generator
#: QKeras's quantizers have no types.
Quantizer: TypeAlias = object
Make: TypeAlias = Callable[[Random], Quantizer]


def chance(random: Random, part: float = 0.5) -> bool:
    """True in this part of all cases."""
    return bool(random.random() < part)


def one_of(random: Random, *choices: T) -> T:
    """One of *choices*."""
    return choices[int(random.integers(len(choices)))]


def _weight_bits(random: Random) -> Quantizer:
    bits = int(random.integers(2, 11))
    alpha = one_of(random, 1, 1, 1, None, "auto", "auto_po2", 0.5, 0.3)
    signed = isinstance(alpha, str) or chance(random, 0.9)
    return quantized_bits(
        bits,
        int(random.integers(0, 3)),
        int(chance(random)),
        keep_negative=signed,
        alpha=alpha,
        use_stochastic_rounding=chance(random, 0.2),
    )


def _activation_bits(random: Random) -> Quantizer:
    return quantized_bits(
        one_of(random, 1, 2, 4, 6, 8, 8, 10, 16, 20),
        int(random.integers(0, 4)),
        int(chance(random)),
        keep_negative=chance(random, 0.8),
        alpha=one_of(random, 1, 1, None, 2.0, 0.7),
    )


def _relu(random: Random) -> Quantizer:
    return quantized_relu(
        one_of(random, 2, 3, 4, 6, 8, 8, 12, 16),
        int(random.integers(0, 4)),
        use_sigmoid=int(chance(random, 0.1)),
        negative_slope=one_of(random, 0.0, 0.0, 0.0, 0.25),
        relu_upper_bound=one_of(random, None, None, 1.5),
        qnoise_factor=one_of(random, 1.0, 1.0, 1.0, 0.5),
    )


def _po2(random: Random, kind: Callable[..., Quantizer], *bits: int) -> Quantizer:
    return kind(
        one_of(random, *bits),
        one_of(random, None, 1, 2, 4),
        quadratic_approximation=chance(random, 0.3),
        log2_rounding=one_of(random, "rnd", "floor"),
        use_stochastic_rounding=chance(random, 0.2),
    )


def _ternary(random: Random) -> Quantizer:
    alpha = one_of(random, 1, None, "auto", "auto_po2")
    stochastic = isinstance(alpha, str) and chance(random, 0.3)
    return ternary(
        alpha=alpha, use_stochastic_rounding=stochastic, number_of_unrolls=one_of(random, 5, 2)
    )


def text(random: Random) -> str:
    """For `QActivation`: options that QKeras saves of a text alone."""
    noise, ste = one_of(random, 0.3, 0.5), chance(random)
    mixed = f"qnoise_factor={noise},use_ste={ste}"
    bound = one_of(random, 1.05, 1.5, 2.0)
    return one_of(
        random,
        f"quantized_relu(4,2,relu_upper_bound={bound},is_quantized_clip=False)",
        "quantized_relu(6,1,is_quantized_clip=False)",
        f"quantized_relu(4,2,{mixed})",
        f"quantized_bits(4,1,alpha=1,{mixed})",
        f"quantized_po2(4,{mixed})",
        f"quantized_relu_po2(4,negative_slope=0.25,{mixed})",
        "quantized_bits(8,2,use_stochastic_rounding=True,alpha=1)",
        f"quantized_hswish(6,2,alpha=1,relu_shift={one_of(random, 2, 3)},relu_upper_bound=5)",
    )


_WEIGHTS: Final[tuple[Make, ...]] = (
    _weight_bits,
    _weight_bits,
    _weight_bits,
    lambda random: quantized_bits(1, 0, alpha=1),
    lambda random: _po2(random, quantized_po2, 3, 4, 6),
    lambda random: binary(alpha=one_of(random, 1, None, "auto_po2")),
    lambda random: _ternary(random),
    lambda random: stochastic_binary(alpha=one_of(random, 1, None, "auto_po2")),
    lambda random: stochastic_ternary(alpha=one_of(random, 1, None, "auto", "auto_po2")),
    lambda random: None,
)
_ACTIVATIONS: Final[tuple[Make, ...]] = (
    _activation_bits,
    _activation_bits,
    _relu,
    _relu,
    lambda random: quantized_tanh(one_of(random, 3, 8, 12), symmetric=chance(random)),
    lambda random: quantized_sigmoid(one_of(random, 3, 8, 12), symmetric=chance(random)),
    lambda random: _po2(random, quantized_po2, 3, 5),
    lambda random: _po2(random, quantized_relu_po2, 3, 5),
    lambda random: quantized_ulaw(one_of(random, 4, 8), int(random.integers(0, 3))),
    lambda random: quantized_hswish(one_of(random, 6, 8), int(random.integers(1, 4)), alpha=1),
    lambda random: quantized_tanh(8, use_real_tanh=True),
    lambda random: quantized_sigmoid(8, use_real_sigmoid=True),
    lambda random: binary(use_01=chance(random), alpha=one_of(random, 1, 0.5)),
    lambda random: ternary(alpha=1, threshold=one_of(random, 0.25, 0.5)),
    lambda random: stochastic_binary(alpha=one_of(random, 1, 0.5)),
    lambda random: stochastic_ternary(alpha=1, threshold=one_of(random, 0.25, 0.5)),
    lambda random: one_of(random, "hard_sigmoid", "hard_tanh", "smooth_sigmoid", "binary_tanh"),
)


def weight_quantizer(random: Random) -> Quantizer:
    """For kernels."""
    return one_of(random, *_WEIGHTS)(random)


def bias_quantizer(random: Random) -> Quantizer:
    """For biases: one grid for all of them, or none."""
    if chance(random, 0.1):
        return None
    return quantized_bits(one_of(random, 4, 6, 8, 12), int(random.integers(0, 3)), alpha=1)


def activation(random: Random) -> Quantizer:
    """For `QActivation` and the argument ``activation``."""
    return one_of(random, *_ACTIVATIONS)(random)
