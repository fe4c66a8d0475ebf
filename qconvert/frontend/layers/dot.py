"""``Dot``, by the steps of ``batch_dot``, which are those of both Kerases."""

import math

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.layers.shape import axis_of
from qconvert.frontend.problems import Malformed, Unsupported
from qconvert.ir.ops import Op, Reshape, Transpose
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import MatMul, UnitNormalize


def dot(call: Call) -> Parsed:
    """``Dot``: products of matrices whose rows and columns are all other axes."""
    c = call.config
    axes, normalize = c.raw("axes"), c.flag("normalize", default=False)
    c.done()
    shapes = call.known_shapes()
    if len(shapes) != 2:
        raise Malformed(f"Dot with {len(shapes)} input(s)", "QC315")
    given = axes if isinstance(axes, list | tuple) else [axes, axes]
    if len(given) != 2:
        raise Malformed(f"axes={axes!r} are not two axes")
    first, second = (axis_of(one, shape) for one, shape in zip(given, shapes, strict=True))
    x, y = shapes
    # Keras 3 bounds the root by 1e-7, Keras 2 what it is the root of.
    epsilon = 1e-14 if call.flavour.keras3 else 1e-12
    unit = epsilon if normalize else None
    before = (
        (*_unit(first, unit), *_with_axis(x, first, len(x) - 1), *_rows(x, first)),
        (*_unit(second, unit), *_with_axis(y, second, 1), *_columns(y, second)),
    )
    rest = (*_others(x, first), *_others(y, second))
    after = () if len(x) == len(y) == 3 else (_reshaped(rest or (1,)),)
    return Parsed((MatMul(), *after), before=before)


def _unit(axis: int, epsilon: float | None) -> tuple[Op, ...]:
    return () if epsilon is None else (UnitNormalize((axis,), epsilon),)


def _with_axis(shape: Shape, axis: int, place: int) -> tuple[Op, ...]:
    """Move *axis* to *place*, the others in order."""
    others = [i for i in range(len(shape)) if i != axis]
    perm = (*others[:place], axis, *others[place:])
    return () if perm == tuple(range(len(shape))) else (Transpose(perm),)


def _rows(shape: Shape, axis: int) -> tuple[Op, ...]:
    others = _others(shape, axis)
    return () if len(others) == 1 else (_reshaped((_size(others), shape[axis])),)


def _columns(shape: Shape, axis: int) -> tuple[Op, ...]:
    others = _others(shape, axis)
    return () if len(others) == 1 else (_reshaped((shape[axis], _size(others))),)


def _others(shape: Shape, axis: int) -> Shape:
    return tuple(n for i, n in enumerate(shape) if i not in (0, axis))


def _size(lengths: Shape) -> int | None:
    known = [n for n in lengths if n is not None]
    return math.prod(known) if len(known) == len(lengths) else None


def _reshaped(lengths: Shape) -> Reshape:
    if lengths.count(None) > 1:
        raise Unsupported("axes of unknown length", code="QC318")
    return Reshape(tuple(-1 if n is None else n for n in lengths))
