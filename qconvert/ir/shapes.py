"""Shapes of results, from the op and the shapes of its inputs."""

import math

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
    Padding,
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
from qconvert.ir.stock_shapes import infer_stock
from qconvert.ir.types import Shape as Shape


def infer_shape(op: Op, *shapes: Shape) -> Shape:
    """The shape of ``op(*inputs)``; `ValueError` if the inputs do not fit."""
    x = shapes[0]
    match op:
        case Quantize() | BatchNormalization() | Scale() | Relu() | Softmax() | Elementwise():
            return x
        case Affine():
            return _affine(op, x)
        case Dense(kernel=kernel):
            _require(x[-1] == kernel.shape[0], f"last axis {x[-1]} is not {kernel.shape[0]}")
            return (*x[:-1], kernel.shape[1])
        case Conv():
            return _conv(op, x)
        case ConvTranspose():
            return _conv_transpose(op, x)
        case Pool(window=window):
            spatial = _windows(x[1:-1], window, op.strides, op.padding)
            return (x[0], *spatial, x[-1])
        case Reduce(axes=axes):
            kept = (1 if i in axes else n for i, n in enumerate(x) if op.keepdims or i not in axes)
            return tuple(kept)
        case Merge():
            return _broadcast(shapes)
        case Concat(axis=axis):
            return _concat(axis, shapes)
        case Reshape(shape=target):
            return _reshape(target, x)
        case Transpose(perm=perm):
            return tuple(x[axis] for axis in perm)
        case Pad(padding=padding):
            return (x[0], *(_plus(n, b + a) for n, (b, a) in zip(x[1:], padding, strict=True)))
        case Slice():
            return _slice(op, x)
        case UpSample(factors=factors):
            grown = (None if n is None else n * f for n, f in zip(x[1:-1], factors, strict=True))
            return (x[0], *grown, x[-1])
        case Recurrence():
            return _recurrence(op, shapes)
        case Opaque(inputs=taken, shape=given):
            _require(shapes == taken, f"inputs {shapes}, the layer was converted for {taken}")
            return given
        case _:
            return infer_stock(op, shapes)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _plus(length: int | None, more: int) -> int | None:
    return None if length is None else length + more


def _windows(
    lengths: Shape, window: tuple[int, ...], strides: tuple[int, ...], padding: Padding
) -> Shape:
    result: list[int | None] = []
    for n, k, s, (before, after) in zip(lengths, window, strides, padding, strict=True):
        _require(n is None or n + before + after >= k, f"window {k} exceeds the padded axis of {n}")
        result.append(None if n is None else (n + before + after - k) // s + 1)
    return tuple(result)


def _conv(op: Conv, x: Shape) -> Shape:
    *window, inputs, outputs = op.kernel.shape
    _require(
        x[-1] == inputs * op.groups, f"{x[-1]} channels, the kernel takes {inputs * op.groups}"
    )
    reach = tuple((k - 1) * d + 1 for k, d in zip(window, op.dilations, strict=True))
    return (x[0], *_windows(x[1:-1], reach, op.strides, op.padding), outputs)


def _conv_transpose(op: ConvTranspose, x: Shape) -> Shape:
    *window, outputs, inputs = op.kernel.shape
    _require(x[-1] == inputs, f"{x[-1]} channels, the kernel takes {inputs}")
    spatial: list[int | None] = []
    for n, k, s, d, (before, after) in zip(
        x[1:-1], window, op.strides, op.dilations, op.cropping, strict=True
    ):
        spatial.append(None if n is None else (n - 1) * s + (k - 1) * d + 1 - before - after)
    return (x[0], *spatial, outputs)


def _affine(op: Affine, x: Shape) -> Shape:
    for array in (op.factor, op.offset):
        fits = array is None or array.shape in ((1,), (x[-1],))
        _require(fits, f"last axis {x[-1]} does not take numbers for each channel")
    return x


def _broadcast(shapes: tuple[Shape, ...]) -> Shape:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    result: list[int | None] = []
    for lengths in zip(*padded, strict=True):
        others = {n for n in lengths if n != 1}
        _require(
            len(others - {None}) <= 1, f"axes of {sorted(n for n in others if n)} do not merge"
        )
        result.append(max((n for n in others if n is not None), default=None if others else 1))
    return tuple(result)


def _concat(axis: int, shapes: tuple[Shape, ...]) -> Shape:
    first = shapes[0]
    for other in shapes[1:]:
        same = len(other) == len(first) and all(
            a == b for i, (a, b) in enumerate(zip(first, other, strict=True)) if i != axis
        )
        _require(same, f"{other} does not join {first} along axis {axis}")
    lengths = [s[axis] for s in shapes]
    total = None if None in lengths else sum(n for n in lengths if n is not None)
    return (*first[:axis], total, *first[axis + 1 :])


def _reshape(target: tuple[int, ...], x: Shape) -> Shape:
    known = [n for n in x[1:] if n is not None]
    if len(known) < len(x) - 1:
        return (x[0], *(None if n == -1 else n for n in target))
    size = math.prod(known)
    rest = math.prod(n for n in target if n != -1)
    fits = size % rest == 0 if -1 in target and rest else size == rest
    _require(fits, f"{size} elements do not make {target}")
    return (x[0], *(size // rest if n == -1 else n for n in target))


def _slice(op: Slice, x: Shape) -> Shape:
    lengths: list[int | None] = [x[0]]
    for n, begin, end, step in zip(x[1:], op.begin, op.end, op.step, strict=True):
        lengths.append(None if n is None else len(range(*slice(begin, end, step).indices(n))))
    return tuple(n for i, n in enumerate(lengths) if i not in op.squeeze)


def _recurrence(op: Recurrence, shapes: tuple[Shape, ...]) -> Shape:
    x, at = shapes[0], op.sequences
    sources = [source.shape for source in op.body.inputs]
    states, given = sources[at:], list(shapes[at:])
    for sequence, step in zip(shapes, sources[:at], strict=False):
        _require(len(sequence) == 3, f"a sequence has 3 axes, not {len(sequence)}")
        taken = (sequence[0], sequence[2])
        _require(taken == step, f"a step of shape {taken} is not {step}")
        _require(sequence[:2] == x[:2], f"sequences of {x} and {sequence} have different steps")
    _require(len(shapes) >= at, f"{len(shapes)} inputs for {at} sequences")
    known = op.body.shapes
    results = [known[output.value] for output in op.body.outputs]
    _require(results == states, f"states of shapes {states} become {results}")
    _require(given == states[: len(given)], f"first states of shapes {given} are not {states}")
    widths = [width for _, width in states if width is not None]
    _require(len(widths) == len(states), "a state has no known width")
    return (x[0], x[1], sum(widths))
