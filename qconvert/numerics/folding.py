"""The folded layers: batch normalization multiplied into kernel and bias before quantization."""

from dataclasses import dataclass

import numpy as np

from qconvert.ir.types import F32
from qconvert.numerics.eigen import reciprocal_sqrt


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """Kernel and bias with the normalization in them, not yet quantized."""

    kernel: F32
    bias: F32


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
) -> Folded:
    """What ``QConv2DBatchnorm``, ``QDepthwiseConv2DBatchnorm`` and ``QDenseBatchnorm`` compute.

    kernel (*window, inputs, outputs), depthwise (*window, inputs, multiplier); the other arrays
    (outputs,), depthwise (inputs * multiplier,).
    """
    inverse = reciprocal_sqrt(variance + np.float32(epsilon))
    if gamma is not None:
        inverse = inverse * gamma
    start = np.zeros_like(mean) if bias is None else bias
    over_kernel = inverse.reshape(kernel.shape[-2:]) if depthwise else inverse
    return Folded(over_kernel * kernel, inverse * (start - mean) + beta)
