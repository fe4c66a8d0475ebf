"""The programs of TensorFlow's batch normalization, with their constants."""

from dataclasses import dataclass

import numpy as np

from qconvert.ir import F32
from qconvert.ir.ops import BatchNormalization
from qconvert.numerics import reciprocal_sqrt

#: Channels in a vector of oneDNN's batch normalization.
_VECTOR = 4


@dataclass(frozen=True, slots=True, eq=False)
class Normalization:
    """``(x - mean) * factor``, then ``* gamma``, then ``+ addend``; what is ``None`` is left out.

    All are (channels,), and each operation is rounded, but for the last two together if there is
    a ``gamma``: then these are one fused multiply-add.
    """

    mean: F32 | None
    factor: F32
    gamma: F32 | None
    addend: F32


def normalization(op: BatchNormalization) -> Normalization:
    """What TensorFlow makes of the moving statistics."""
    return _fused(op) if op.fused else _separate(op)


def _separate(op: BatchNormalization) -> Normalization:
    """``tf.nn.batch_normalization``: ``x * inverse + (beta - mean * inverse)``."""
    inverse = reciprocal_sqrt(op.variance + np.float32(op.epsilon))
    if op.gamma is not None:
        inverse = inverse * op.gamma
    offset = -op.mean * inverse if op.beta is None else op.beta - op.mean * inverse
    return Normalization(None, inverse, None, offset)


def _fused(op: BatchNormalization) -> Normalization:
    """``FusedBatchNormV3`` of oneDNN; channels that fill vectors of four have their own kernel."""
    deviation: F32 = np.sqrt(op.variance + np.float32(op.epsilon))
    gamma = np.ones_like(op.mean) if op.gamma is None else op.gamma
    beta = np.zeros_like(op.mean) if op.beta is None else op.beta
    if len(op.mean) % _VECTOR:
        return Normalization(op.mean, gamma / deviation, None, beta)
    return Normalization(op.mean, np.float32(1) / deviation, gamma, beta)
