"""What an op computes, and a graph run with every value kept."""

from collections.abc import Mapping, Sequence, Set
from functools import reduce
from types import MappingProxyType
from typing import Final, assert_never

import numpy as np

from qconvert.ir.graph import Graph, Input
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Merge,
    Op,
    Opaque,
    Pad,
    Pool,
    Quantize,
    Recurrence,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.ir.types import F32
from qconvert.numerics import quantize
from qconvert.reference import any_order
from qconvert.reference.activations import elementwise, relu, softmax
from qconvert.reference.linear import affine, conv, conv_transpose, dense
from qconvert.reference.normalization import batch_normalization
from qconvert.reference.pooling import pool, reduce_axes
from qconvert.reference.shape import concat, pad_zeros, reshape, take_slice, transpose, upsample
from qconvert.reference.stock import apply_stock

_NOTHING: Final[Mapping[str, F32]] = MappingProxyType({})


def evaluate(
    graph: Graph,
    inputs: Mapping[str, F32],
    given: Mapping[str, F32] = _NOTHING,
    instead: Mapping[str, F32] = _NOTHING,
    unordered: Set[str] = frozenset(),
) -> dict[str, F32]:
    """Every value of *graph* by name, the inputs included; *given* has those of opaque layers.

    Where *instead* has a value, the ops that read it get that one. The convolutions that are
    *unordered* may sum in another order, which is faster: the caller knows that it returns the
    same.
    """
    values = {wanted.name: inputs[wanted.name] for wanted in graph.inputs}
    for node in graph.nodes:
        if isinstance(node.op, Opaque):
            values[node.name] = given[node.name]
        else:
            read = (instead.get(name, values[name]) for name in node.inputs)
            compute = _apply_unordered if node.name in unordered else apply
            values[node.name] = compute(node.op, *read)
    return values


def apply(op: Op, *inputs: F32) -> F32:
    """The result of *op*; overflow and NaN pass silently, as they do in TensorFlow."""
    with np.errstate(all="ignore"):
        return _apply(op, inputs)


def _apply_unordered(op: Op, *inputs: F32) -> F32:
    if not any_order.is_faster(op):
        return apply(op, *inputs)
    with np.errstate(all="ignore"):
        return any_order.conv(op, inputs[0])


def _apply(op: Op, inputs: tuple[F32, ...]) -> F32:
    x = inputs[0]
    match op:
        case Quantize(quantizer=quantizer):
            return quantize(quantizer, x)
        case Dense():
            return dense(op, x)
        case Conv():
            return conv(op, x)
        case ConvTranspose():
            return conv_transpose(op, x)
        case BatchNormalization():
            return batch_normalization(op, x)
        case Pool():
            return pool(op, x)
        case Reduce():
            return reduce_axes(op, x)
        case Scale(factor=factor):
            return x * np.float32(factor)
        case Affine():
            return affine(op, x)
        case Relu():
            return relu(op, x)
        case Softmax():
            return softmax(op, x)
        case Elementwise():
            return elementwise(op, x)
        case Merge():
            return _merge(op, inputs)
        case Concat():
            return concat(op, inputs)
        case Reshape():
            return reshape(op, x)
        case Transpose():
            return transpose(op, x)
        case Pad():
            return pad_zeros(op, x)
        case Slice():
            return take_slice(op, x)
        case UpSample():
            return upsample(op, x)
        case Recurrence():
            return _recurrence(op, inputs[: op.sequences], inputs[op.sequences :])
        case Opaque(class_name=class_name):
            raise ValueError(f"{class_name} is opaque: only its converter knows what it computes")
        case _:
            return apply_stock(op, inputs)


def _merge(op: Merge, inputs: tuple[F32, ...]) -> F32:
    """The layers of ``tf_keras.layers.merging``: one operation after the other, left to right."""
    match op.kind:
        case "add":
            return reduce(np.add, inputs)
        case "subtract":
            return reduce(np.subtract, inputs)
        case "multiply":
            return reduce(np.multiply, inputs)
        case "average":
            return reduce(np.add, inputs) / np.float32(len(inputs))
        case "maximum":
            return reduce(np.maximum, inputs)
        case "minimum":
            return reduce(np.minimum, inputs)
        case _:
            assert_never(op.kind)


def _recurrence(op: Recurrence, sequences: tuple[F32, ...], first: tuple[F32, ...]) -> F32:
    """``tf_keras.backend.rnn``: the body again and again, each time with the states it returned."""
    names = [source.name for source in op.body.inputs]
    states = first_states(op, first, len(sequences[0]))
    after: list[F32] = []
    for time in range(sequences[0].shape[1])[:: -1 if op.reverse else 1]:
        features = [x[:, time] for x in sequences]
        values = evaluate(op.body, dict(zip(names, [*features, *states], strict=True)))
        states = [values[output.value] for output in op.body.outputs]
        after.append(np.concatenate(states, axis=-1))
    return np.stack(after, axis=1)


def first_states(op: Recurrence, given: Sequence[F32], batch: int) -> list[F32]:
    """The states before the first step: those *given*, and zeros."""
    sources = op.body.inputs[op.sequences + len(given) :]
    return [*given, *(_zeros(source, batch) for source in sources)]


def _zeros(source: Input, batch: int) -> F32:
    return np.zeros((batch, *(n or 0 for n in source.shape[1:])), np.float32)
