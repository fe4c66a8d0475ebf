"""Functions of Keras 3 called on Keras tensors: ``x[:, 1:]``, ``x + 2``."""

import math

import numpy as np

from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.layers.merge import Kind
from qconvert.frontend.layers.tensor_ops import sliced
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.references import ARGUMENT
from qconvert.frontend.topology import Ref
from qconvert.ir.ops import Affine, Merge, Scale


def keras_slicing(call: Call) -> Parsed:
    """``keras.ops.get_item``."""
    key = call.arguments.raw(f"{ARGUMENT}1")
    call.config.done()
    call.arguments.done()
    shape = call.shape()
    rows = key if isinstance(key, list) else [key]
    return Parsed((sliced([_row(row) for row in rows], shape),))


def keras_arithmetic(kind: Kind) -> LayerParser:
    """The parser of a function of two tensors, or of a tensor and a number."""

    def parse(call: Call) -> Parsed:
        second = call.arguments.raw(f"{ARGUMENT}1")
        call.config.done()
        call.arguments.done()
        if isinstance(second, Ref) and call.constant is None:
            shapes = call.known_shapes()
            if len({len(shape) for shape in shapes}) > 1:
                raise Unsupported(f"keras.ops.{kind} of tensors with different numbers of axes")
            return Parsed((Merge(kind),))
        number = second if call.constant is None else call.constant
        return _with_number(kind, number, first=call.constant is not None)

    return parse


def keras_negative(call: Call) -> Parsed:
    """``keras.ops.negative``."""
    call.config.done()
    call.arguments.done()
    call.shape()
    return Parsed((Scale(-1.0),))


def _with_number(kind: Kind, number: object, *, first: bool) -> Parsed:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise Unsupported(f"keras.ops.{kind} with the constant {short(number)}")
    value = np.array([number], np.float32)
    if not math.isfinite(value[0]):
        raise Malformed(f"the constant {number} is no float32 number")
    match kind:
        case "multiply":
            return Parsed((Scale(float(value[0])),))
        case "add":
            return Parsed((Affine(None, value),))
        case "subtract":
            factor = np.array([-1], np.float32) if first else None
            return Parsed((Affine(factor, value if first else -value),))
        case _:
            raise Unsupported(f"keras.ops.{kind} with a constant")


def _row(row: object) -> object:
    """A part of a subscript as Keras 2 writes it."""
    match row:
        case {"class_name": "__slice__", "config": dict(bounds)}:
            return bounds
        case {"class_name": "__ellipsis__"}:
            return {"class_name": "__ellipsis__"}
        case _:
            return row
