"""The folded layers: batch normalization multiplied into kernel and bias before quantization."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from qconvert.ir.types import F32
from qconvert.numerics.eigen import reciprocal_sqrt

_ONE: Final = np.float32(1)


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """Kernel and bias with the normalization in them, not yet quantized.

    ``bias_reach`` is the sum of the magnitudes of both terms of the bias; a kernel has one.
    """

    kernel: F32
    bias: F32
    bias_reach: F32


def fold_batch_normalization(
    kernel: F32,
    bias: F32 | None,
    *,
    gamma: F32 | None,
    beta: F32,
    mean: F32,
    variance: F32,
    epsilon: float,
    depthwise: bool = False,
    divided: bool = False,
) -> Folded:
    """What ``QConv2DBatchnorm``, ``QDepthwiseConv2DBatchnorm`` and ``QDenseBatchnorm`` compute.

    kernel (*window, inputs, outputs), depthwise (*window, inputs, multiplier); the other arrays
    (outputs,), depthwise (inputs * multiplier,). *divided* is as in `inverse_deviation`.
    """
    inverse = inverse_deviation(variance, gamma, epsilon, divided=divided)
    start = np.zeros_like(mean) if bias is None else bias
    over_kernel = inverse.reshape(kernel.shape[-2:]) if depthwise else inverse
    shift = inverse * (start - mean)
    return Folded(over_kernel * kernel, shift + beta, abs(shift) + abs(beta))


def inverse_deviation(variance: F32, gamma: F32 | None, epsilon: float, *, divided: bool) -> F32:
    """``gamma / sqrt(variance + epsilon)``, by ``rsqrt`` or, as in qkeras-v3, a real division."""
    shifted = variance + np.float32(epsilon)
    inverse = _ONE / np.sqrt(shifted) if divided else reciprocal_sqrt(shifted)
    return inverse if gamma is None else inverse * gamma
