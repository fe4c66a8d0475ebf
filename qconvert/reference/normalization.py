"""Batch normalization with moving statistics: the two programs of TensorFlow."""

import numpy as np

from qconvert.ir.ops import BatchNormalization
from qconvert.ir.types import F32
from qconvert.numerics import reciprocal_sqrt
from qconvert.reference.fma import multiply_add

#: oneDNN's vectorized kernel takes channels-last tensors whose channels fill vectors of four.
VECTOR = 4


def batch_normalization(op: BatchNormalization, x: F32) -> F32:
    """Normalize the last axis, in the order of the program that TensorFlow runs."""
    return _fused(op, x) if op.fused else _separate(op, x)


def constants(op: BatchNormalization) -> tuple[tuple[str, F32], ...]:
    """What the program subtracts, multiplies by and adds, one after the other: (channels,) each."""
    made = _made(op)
    if op.program is None:
        return made
    return tuple((kind, array) for (kind, _), array in zip(made, op.program, strict=True))


def _made(op: BatchNormalization) -> tuple[tuple[str, F32], ...]:
    """Those that the weights make."""
    if not op.fused:
        inverse = reciprocal_sqrt(op.variance + np.float32(op.epsilon))
        if op.gamma is not None:
            inverse = inverse * op.gamma
        shift = -op.mean * inverse if op.beta is None else op.beta - op.mean * inverse
        return ("multiply", inverse), ("add", shift)
    deviation: F32 = np.sqrt(op.variance + np.float32(op.epsilon))
    gamma = np.ones_like(op.mean) if op.gamma is None else op.gamma
    beta = np.zeros_like(op.mean) if op.beta is None else op.beta
    factors = [gamma / deviation] if len(op.mean) % VECTOR else [np.float32(1) / deviation, gamma]
    scaled = (("multiply", factor) for factor in factors)
    return ("subtract", op.mean), *scaled, ("add", beta)


def _separate(op: BatchNormalization, x: F32) -> F32:
    """``tf.nn.batch_normalization``: five ops, each rounded."""
    (_, inverse), (_, shift) = constants(op)
    return x * inverse + shift


def _fused(op: BatchNormalization, x: F32) -> F32:
    """``FusedBatchNormV3`` as oneDNN computes it (TensorFlow with ``TF_ENABLE_ONEDNN_OPTS=1``).

    Two kernels share the work; which one runs depends on the number of channels alone, not on
    batch, spatial size, position, or AVX2 against AVX-512. Measured with TensorFlow 2.21: no
    bit differs in 198 tensors of 1 to 132 channels. Without oneDNN, the default on CPUs that
    lack AVX512-VNNI, TensorFlow computes ``(x - mean) * (gamma * rsqrt(variance + epsilon)) +
    beta`` by Eigen, with Eigen's own approximate ``rsqrt``.
    """
    (_, mean), *factors, (_, beta) = constants(op)
    if len(factors) == 1:
        return (x - mean) * factors[0][1] + beta
    (_, inverse), (_, gamma) = factors
    return multiply_add((x - mean) * inverse, gamma, beta)
