"""TensorFlow functions called on Keras tensors: ``x[:, 1:]``, ``tf.reduce_max(x, axis=1)``."""

import math
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.layers.merge import Kind
from qconvert.frontend.layers.shape import axis_of
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.topology import Ref
from qconvert.ir.ops import Concat, Merge, Reduce, Relu, Reshape, Scale, Slice, Transpose
from qconvert.ir.shapes import Shape

_REDUCTIONS: Final[Mapping[str, Literal["max", "min", "mean", "sum"]]] = {
    "math.reduce_max": "max",
    "math.reduce_min": "min",
    "math.reduce_mean": "mean",
    "math.reduce_sum": "sum",
}
_BINARY: Final[Mapping[str, Kind]] = {
    "__operators__.add": "add",
    "math.add": "add",
    "math.subtract": "subtract",
    "math.multiply": "multiply",
    "math.maximum": "maximum",
    "math.minimum": "minimum",
}
_EVERYTHING: Final = {"start": None, "stop": None, "step": None}


def slicing(call: Call) -> Parsed:
    """``SlicingOpLambda``."""
    function = call.config.text("function")
    if function != "__operators__.getitem":
        call.config.refuse(f"the TensorFlow function {function}")
    spec = call.arguments.raw("slice_spec")
    call.config.done()
    call.arguments.done()
    shape = call.shape()
    return Parsed((sliced(spec if isinstance(spec, list) else [spec], shape),))


def function(call: Call) -> Parsed:
    """``TFOpLambda``."""
    name = call.config.text("function")
    call.config.done()
    call.arguments.ignore("name")
    if call.constant is not None and name not in _BINARY:
        raise Unsupported(f"the TensorFlow function {name} of a constant")
    if name in _REDUCTIONS:
        return _reduce(call, _REDUCTIONS[name])
    if name in _BINARY:
        return _binary(call, name)
    match name:
        case "math.negative":
            call.arguments.done()
            return Parsed((Scale(-1.0),))
        case "nn.relu":
            call.arguments.done()
            return Parsed((Relu(),))
        case "concat":
            return _concat(call)
        case "reshape":
            return _reshape(call)
        case "transpose" | "compat.v1.transpose":
            return _transpose(call)
        case _:
            raise Unsupported(f"the TensorFlow function {name}")


def sliced(spec: list[object], shape: Shape) -> Slice:
    """A subscript, one entry an axis, of a tensor of *shape*."""
    rows = _without_ellipsis(spec, len(shape))
    if _bounds(rows[0], 0) not in ((None, None, 1), (0, None, 1)) or type(rows[0]) is int:
        raise Unsupported(f"slice_spec={short(spec)}: a slice of the batch")
    bounds = tuple(_bounds(row, length) for row, length in zip(rows[1:], shape[1:], strict=True))
    squeeze = tuple(axis for axis, row in enumerate(rows) if type(row) is int)
    begin, end, step = zip(*bounds, strict=True)
    return Slice(begin, end, step, squeeze)


def _without_ellipsis(spec: list[object], rank: int) -> list[object]:
    dots = [i for i, row in enumerate(spec) if row == {"class_name": "__ellipsis__"}]
    at = dots[0] if dots else len(spec)
    rest = spec[at + 1 :]
    missing = rank - at - len(rest)
    if len(dots) > 1 or missing < 0:
        raise Malformed(f"slice_spec={short(spec)} on a tensor with {rank} axes")
    return [*spec[:at], *[_EVERYTHING] * missing, *rest]


def _bounds(row: object, length: int | None) -> tuple[int | None, int | None, int]:
    if type(row) is int:
        if length is not None and length and not -length <= row < length:
            raise Malformed(f"index {row} in an axis of {length}")
        return row, None if row == -1 else row + 1, 1
    match row:
        case {"start": int() | None as start, "stop": int() | None as stop, "step": step} if (
            step is None or (type(step) is int and step)
        ):
            return start, stop, 1 if step is None else step
        case _:
            raise Unsupported(f"slice_spec with {short(row)}")


def _reduce(call: Call, kind: Literal["max", "min", "mean", "sum"]) -> Parsed:
    axis = call.arguments.raw("axis")
    keepdims = call.arguments.raw("keepdims") in (True, 1)
    call.arguments.done()
    if axis is None:
        raise Unsupported("a reduction over all axes, the batch included")
    shape = call.shape()
    axes = [axis_of(a, shape) for a in (axis if isinstance(axis, list) else [axis])]
    return Parsed((Reduce(kind, tuple(sorted(axes)), keepdims),))


def _binary(call: Call, name: str) -> Parsed:
    kind = _BINARY[name]
    other = call.arguments.raw("y") if call.constant is None else call.constant
    call.arguments.raw("y")
    call.arguments.done()
    if isinstance(other, Ref):
        shapes = call.known_shapes()
        if len({len(shape) for shape in shapes}) > 1:
            raise Unsupported(f"{name} of tensors with different numbers of axes")
        return Parsed((Merge(kind),))
    if kind == "multiply" and isinstance(other, int | float):
        return Parsed((Scale(float(np.float32(other))),))
    raise Unsupported(f"{name} with the constant {short(other)}")


def _concat(call: Call) -> Parsed:
    axis = call.arguments.raw("axis")
    call.arguments.done()
    return Parsed((Concat(axis_of(axis, call.known_shapes()[0])),))


def _reshape(call: Call) -> Parsed:
    target = call.arguments.raw("shape")
    call.arguments.done()
    shape = call.shape()
    rest = target[1:] if isinstance(target, list) and target[:1] == [-1] else []
    known = [n for n in shape[1:] if n is not None]
    sizes = [n for n in rest if type(n) is int and n > 0]
    if not rest or len(sizes) < len(rest) or len(known) < len(shape) - 1:
        raise Unsupported(f"reshape to {short(target)}: only [-1, known sizes...]")
    if math.prod(known) != math.prod(sizes):
        raise Unsupported(f"reshape to {short(target)} moves elements between samples")
    return Parsed((Reshape(tuple(sizes)),))


def _transpose(call: Call) -> Parsed:
    perm = call.arguments.raw("perm")
    call.arguments.expect("conjugate", False)
    call.arguments.done()
    rank = len(call.shape())
    if not isinstance(perm, list) or perm[:1] != [0] or sorted(perm) != list(range(rank)):
        raise Unsupported(f"transpose with perm={short(perm)}")
    return Parsed((Transpose(tuple(perm)),))
