"""TensorFlow functions called on Keras tensors: ``x[:, 1:]``, ``tf.reduce_max(x, axis=1)``."""

import math
from collections.abc import Mapping
from typing import Final, Literal

from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.layers.preprocessing import interpolation
from qconvert.frontend.layers.shape import axis_of, image_size
from qconvert.frontend.layers.tensor_arithmetic import (
    BINARY,
    UNARY,
    absolute,
    add_n,
    binary,
    clip,
    gelu,
    l2_normalize,
    leaky_relu,
    matmul,
    power,
    silu,
    softmax,
    square,
    unary,
)
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.ir.ops import Concat, Op, Pad, Reduce, Reshape, Slice, Transpose
from qconvert.ir.shapes import Shape, infer_shape
from qconvert.ir.stock import Resize

_REDUCTIONS: Final[Mapping[str, Literal["max", "min", "mean", "sum"]]] = {
    "math.reduce_max": "max",
    "math.reduce_min": "min",
    "math.reduce_mean": "mean",
    "math.reduce_sum": "sum",
}
_EVERYTHING: Final = {"start": None, "stop": None, "step": None}


def slicing(call: Call) -> Parsed:
    """``SlicingOpLambda``."""
    function = call.config.text("function")
    if function != "__operators__.getitem":
        call.config.refuse(f"the TensorFlow function {function}", "QC319")
    spec = call.arguments.raw("slice_spec")
    call.config.done()
    call.arguments.done()
    shape = call.shape()
    return Parsed(sliced(spec if isinstance(spec, list) else [spec], shape))


def function(call: Call) -> Parsed:
    """``TFOpLambda``."""
    name = call.config.text("function")
    call.config.done()
    call.arguments.ignore("name")
    if call.constant is not None and name not in BINARY:
        raise Unsupported(f"the TensorFlow function {name} of a constant", code="QC319")
    if name in _REDUCTIONS:
        return _reduce(call, _REDUCTIONS[name])
    if name in BINARY:
        return binary(call, name)
    if name in UNARY:
        return unary(call, name)
    if name not in _FUNCTIONS:
        raise Unsupported(f"the TensorFlow function {name}", code="QC319")
    return _FUNCTIONS[name](call)


def sliced(spec: list[object], shape: Shape) -> tuple[Op, ...]:
    """A subscript, one entry an axis, of a tensor of *shape*; None stands for a new axis."""
    rows = _without_ellipsis(spec, len(shape))
    old = [row for row in rows if row is not None]
    if _bounds(old[0], 0) not in ((None, None, 1), (0, None, 1)) or type(old[0]) is int:
        raise Unsupported(f"slice_spec={short(spec)}: a slice of the batch")
    bounds = tuple(_bounds(row, length) for row, length in zip(old[1:], shape[1:], strict=True))
    squeeze = tuple(axis for axis, row in enumerate(old) if type(row) is int)
    begin, end, step = zip(*bounds, strict=True)
    op = Slice(begin, end, step, squeeze)
    left = [row for row in rows if type(row) is not int]
    added = [axis for axis, row in enumerate(left) if row is None]
    return (op, Reshape(_raised(added, infer_shape(op, shape)))) if added else (op,)


def _without_ellipsis(spec: list[object], rank: int) -> list[object]:
    dots = [i for i, row in enumerate(spec) if row == {"class_name": "__ellipsis__"}]
    at = dots[0] if dots else len(spec)
    rest = spec[at + 1 :]
    missing = rank - sum(row is not None for row in (*spec[:at], *rest))
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


def _expand_dims(call: Call) -> Parsed:
    axis = call.arguments.raw("axis")
    call.arguments.done()
    shape = call.shape()
    return Parsed((Reshape(_raised(axis, shape)),))


def _raised(axis: object, shape: Shape) -> tuple[int, ...]:
    """The lengths behind the batch, with one of 1 more at *axis*, or at each of several."""
    added = axis if isinstance(axis, list) else [axis]
    raised = (*shape, *(1 for _ in added))
    lengths = [-1 if n is None else n for n in shape]
    if lengths.count(-1) > 2:
        raise Unsupported("axes of unknown length", code="QC318")
    for at in sorted(axis_of(one, raised) for one in added):
        lengths.insert(at, 1)
    return tuple(lengths[1:])


def _squeeze(call: Call) -> Parsed:
    axis = call.arguments.raw("axis")
    call.arguments.done()
    shape = call.shape()
    many = axis if isinstance(axis, list) else [axis]
    if axis is None or not many:
        raise Unsupported("squeeze of all axes, the batch included")
    dropped = tuple(sorted(axis_of(one, shape) for one in many))
    if any(shape[at] != 1 for at in dropped):
        raise Malformed(f"axis={axis} of {shape} is not of length 1")
    whole = (None,) * (len(shape) - 1)
    return Parsed((Slice(whole, whole, (1,) * len(whole), dropped),))


def _stack(call: Call) -> Parsed:
    axis = call.arguments.raw("axis", 0)
    call.arguments.done()
    shapes = call.known_shapes()
    before = tuple((Reshape(_raised(axis, shape)),) for shape in shapes)
    at = axis_of(axis, (*shapes[0], 1))
    return Parsed((Concat(at),) if len(shapes) > 1 else (), before=before)


def _pad(call: Call) -> Parsed:
    rows = call.arguments.raw("paddings")
    mode = call.arguments.raw("mode", "CONSTANT")
    call.arguments.expect("constant_values", 0, None)
    call.arguments.done()
    shape = call.shape()
    if str(mode).upper() != "CONSTANT":
        raise Unsupported(f"pad with mode={short(mode)}")
    pairs = [_pair(row) for row in rows] if isinstance(rows, list) else []
    if len(pairs) != len(shape) or pairs[0] != (0, 0):
        raise Unsupported(f"pad of {shape} with {short(rows)}")
    return Parsed((Pad(tuple(pairs[1:])),))


def _pair(row: object) -> tuple[int, int]:
    match row:
        case [int(before), int(after)] if before >= 0 and after >= 0:
            return before, after
        case _:
            raise Unsupported(f"pad with {short(row)}")


def _cast(call: Call) -> Parsed:
    dtype = call.arguments.raw("dtype")
    call.arguments.done()
    call.shape()
    if dtype != "float32":
        raise Unsupported(f"cast to {short(dtype)}")
    return Parsed(())


def _reverse(call: Call) -> Parsed:
    axis = call.arguments.raw("axis")
    call.arguments.done()
    shape = call.shape()
    if axis is None:
        raise Unsupported("a reversal of all axes, the batch included")
    turned = {axis_of(one, shape) for one in (axis if isinstance(axis, list) else [axis])}
    steps = tuple(-1 if at in turned else 1 for at in range(1, len(shape)))
    return Parsed((Slice((None,) * len(steps), (None,) * len(steps), steps),))


def _resize(call: Call) -> Parsed:
    a = call.arguments
    kind, (height, width) = interpolation(a, "method"), a.integers("size", 2)
    for option in ("antialias", "preserve_aspect_ratio"):
        a.expect(option, False)
    a.done()
    return Parsed((Resize(image_size(call.shape(4)), (height, width), kind),))


_FUNCTIONS: Final[Mapping[str, LayerParser]] = {
    "cast": _cast,
    "clip_by_value": clip,
    "compat.v1.pad": _pad,
    "compat.v1.squeeze": _squeeze,
    "compat.v1.transpose": _transpose,
    "concat": _concat,
    "expand_dims": _expand_dims,
    "image.resize": _resize,
    "linalg.matmul": matmul,
    "math.abs": absolute,
    "math.add_n": add_n,
    "math.l2_normalize": l2_normalize,
    "math.pow": power,
    "math.square": square,
    "nn.gelu": gelu,
    "nn.leaky_relu": leaky_relu,
    "nn.silu": silu,
    "nn.softmax": softmax,
    "pad": _pad,
    "reshape": _reshape,
    "reverse": _reverse,
    "squeeze": _squeeze,
    "stack": _stack,
    "transpose": _transpose,
}
