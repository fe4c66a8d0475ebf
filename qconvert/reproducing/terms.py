"""The products that one result of a dense layer or a convolution is the sum of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Op
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Quantize,
    Relu,
    Scale,
)
from qconvert.reference import apply
from qconvert.reproducing.isolate import Isolated

_Linear: TypeAlias = Dense | Conv | ConvTranspose
_Indices: TypeAlias = npt.NDArray[np.int64]

#: Inputs that are not 0, of which more make no list to read.
_MOST: Final = 256
#: float32 counts so far.
_LARGEST_KERNEL: Final = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """``inputs[k] * kernel[k-th index]`` for every term k, then the bias, then further operations.

    Indices are rows of ``input_indices`` (of the one sample) and ``kernel_indices``.
    """

    inputs: F32
    input_indices: _Indices
    kernel: F32
    kernel_indices: _Indices
    bias: np.float32 | None
    then: tuple[str, ...]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it but the names, for a file."""
        bias = np.empty(0, np.float32) if self.bias is None else np.array([self.bias])
        return {
            "term/input": self.inputs,
            "term/input_index": self.input_indices,
            "term/kernel": self.kernel[tuple(self.kernel_indices.T)],
            "term/kernel_index": self.kernel_indices,
            "term/bias": bias,
        }


def terms_of(isolated: Isolated, inputs: Mapping[str, F32], index: tuple[int, ...]) -> Terms | None:
    """The terms of the result at *index*, for one sample; ``None`` where it is no such sum.

    That is, where the layer has not one linear operation, followed by elementwise ones alone.
    """
    linear = [node for node in isolated.nodes if isinstance(node.op, Dense | Conv | ConvTranspose)]
    behind = isolated.nodes[isolated.nodes.index(linear[0]) + 1 :] if linear else ()
    if len(linear) != 1 or not all(isinstance(node.op, _ELEMENTWISE) for node in behind):
        return None
    op, x = linear[0].op, _values(isolated, inputs)[linear[0].inputs[0]]
    assert isinstance(op, Dense | Conv | ConvTranspose)
    where = np.argwhere(x)
    if len(where) > _MOST or op.kernel.size >= _LARGEST_KERNEL:
        return None
    numbers = _meeting(op, x, where, index)
    used = numbers > 0
    shape = _keras_shape(isolated, op)
    return Terms(
        x[tuple(where[used].T)],
        where[used],
        op.kernel.reshape(shape),
        np.stack(np.unravel_index(numbers[used] - 1, shape), axis=-1),
        None if op.bias is None else op.bias[index[-1]],
        tuple(_named(node.op) for node in behind),
    )


_ELEMENTWISE: Final = (Quantize, Relu, Scale, Affine, BatchNormalization, Elementwise)


def _values(isolated: Isolated, inputs: Mapping[str, F32]) -> dict[str, F32]:
    values = {point.value: inputs[point.name] for point in isolated.points}
    for node in isolated.nodes:
        values[node.name] = apply(node.op, *(values[name] for name in node.inputs))
    return values


def _meeting(op: _Linear, x: F32, where: _Indices, index: tuple[int, ...]) -> _Indices:
    """By input, the number of the weight that takes it to *index*, from 1 on; 0 if none does.

    A kernel of the numbers 1, 2, ... tells, for an input that is 1 and else 0 meets at most one.
    """
    ones = np.zeros((len(where), *x.shape[1:]), np.float32)
    ones[(np.arange(len(where)), *where.T[1:])] = 1
    kernel = np.arange(1, op.kernel.size + 1, dtype=np.float32).reshape(op.kernel.shape)
    found = apply(replace(op, kernel=kernel, bias=None), ones)
    at = np.ravel_multi_index(index[1:], found.shape[1:])
    return found.reshape(len(where), math.prod(found.shape[1:]))[:, at].astype(np.int64)


def _keras_shape(isolated: Isolated, op: _Linear) -> tuple[int, ...]:
    """The shape that Keras gives the kernel, which of a depthwise one is another."""
    for weight in isolated.layer.weights.values():
        if np.array_equal(weight.effective.ravel(), op.kernel.ravel()):
            return weight.effective.shape
    return op.kernel.shape


def _named(op: Op) -> str:
    return type(op.quantizer).__name__ if isinstance(op, Quantize) else type(op).__name__
