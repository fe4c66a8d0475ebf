"""Functions of Keras 3 called on Keras tensors: ``x[:, 1:]``, ``keras.ops.mean(x, axis=1)``.

On TensorFlow, Keras computes most of them by one function of TensorFlow's, as which they are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.layers.preprocessing import constant
from qconvert.frontend.layers.shape import axis_of
from qconvert.frontend.layers.tensor_ops import function, sliced
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.references import ARGUMENT
from qconvert.frontend.topology import FUNCTION
from qconvert.ir.ops import Elementwise, Function, Softmax, Transpose
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import UnitNormalize

_SECOND: Final = f"{ARGUMENT}1"
_ABSENT: Final = object()
#: ``keras.backend.epsilon()``.
_EPSILON: Final = 1e-7


@dataclass(frozen=True, slots=True)
class _Same:
    """A function of TensorFlow that computes the same, and its names for options and arguments.

    ``inert`` are options without effect at these values.
    """

    function: str
    options: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    inert: Mapping[str, tuple[object, ...]] = field(default_factory=dict)


_BOTH: Final = {_SECOND: "y"}
_OVER_AXES: Final = {"axis": "axis", "keepdims": "keepdims"}
_WITHOUT_FIRST: Final[Mapping[str, tuple[object, ...]]] = {"initial": (None,)}
_SAME: Final[Mapping[str, _Same]] = {
    "Absolute": _Same("math.abs"),
    "Cast": _Same("cast", {"dtype": "dtype"}),
    "Clip": _Same("clip_by_value", {"x_min": "clip_value_min", "x_max": "clip_value_max"}),
    "Concatenate": _Same("concat", {"axis": "axis"}),
    "Divide": _Same("math.divide", arguments=_BOTH),
    "Exp": _Same("math.exp"),
    "ExpandDims": _Same("expand_dims", {"axis": "axis"}),
    "Flip": _Same("reverse", {"axis": "axis"}),
    "Gelu": _Same("nn.gelu", {"approximate": "approximate"}),
    "LeakyRelu": _Same("nn.leaky_relu", {"negative_slope": "alpha"}),
    "Matmul": _Same("linalg.matmul", arguments={_SECOND: "b"}),
    "Max": _Same("math.reduce_max", _OVER_AXES, inert=_WITHOUT_FIRST),
    "Maximum": _Same("math.maximum", arguments=_BOTH),
    "Mean": _Same("math.reduce_mean", _OVER_AXES),
    "Min": _Same("math.reduce_min", _OVER_AXES, inert=_WITHOUT_FIRST),
    "Minimum": _Same("math.minimum", arguments=_BOTH),
    "Multiply": _Same("math.multiply", arguments=_BOTH),
    "Negative": _Same("math.negative"),
    "Pad": _Same(
        "pad", {"pad_width": "paddings", "mode": "mode"}, {"constant_values": "constant_values"}
    ),
    "Power": _Same("math.pow", arguments=_BOTH),
    "Relu": _Same("nn.relu"),
    "Relu6": _Same("nn.relu6"),
    "Reshape": _Same("reshape", {"newshape": "shape"}),
    "Resize": _Same(
        "image.resize",
        {"size": "size", "interpolation": "method", "antialias": "antialias"},
        inert={
            "crop_to_aspect_ratio": (False,),
            "pad_to_aspect_ratio": (False,),
            "data_format": (None, "channels_last"),
            "fill_mode": ("constant",),
            "fill_value": (0.0,),
        },
    ),
    "Selu": _Same("nn.selu"),
    "Sigmoid": _Same("math.sigmoid"),
    "Silu": _Same("nn.silu"),
    "Softplus": _Same("math.softplus"),
    "Softsign": _Same("nn.softsign"),
    "Square": _Same("math.square"),
    "Squeeze": _Same("squeeze", {"axis": "axis"}),
    "Stack": _Same("stack", {"axis": "axis"}),
    "Subtract": _Same("math.subtract", arguments=_BOTH),
    "Sum": _Same("math.reduce_sum", _OVER_AXES),
    "Tanh": _Same("math.tanh"),
    "Transpose": _Same("transpose", {"axes": "perm"}),
    "TrueDivide": _Same("math.divide", arguments=_BOTH),
}


def _parser_of(same: _Same) -> LayerParser:
    def parse(call: Call) -> Parsed:
        given = _renamed(call.config, same.options) | _renamed(call.arguments, same.arguments)
        for option, values in same.inert.items():
            call.config.expect(option, *values)
        call.config.done()
        call.arguments.done()
        return function(
            replace(
                call,
                config=Config({"function": same.function}, call.flavour),
                arguments=Config(given, call.flavour),
                constant=_numbers(call.constant),
            )
        )

    return parse


def _renamed(c: Config, names: Mapping[str, str]) -> dict[str, object]:
    """The options that are there, by their new names."""
    found = {new: c.raw(old, _ABSENT) for old, new in names.items()}
    return {name: _numbers(value) for name, value in found.items() if value is not _ABSENT}


def _numbers(value: object) -> object:
    """The nested lists of an array as Keras saves it; anything else as it is."""
    match value:
        case {"class_name": "__numpy__" | "__tensor__", "config": {"value": numbers}}:
            return numbers
        case _:
            return value


def _slicing(call: Call) -> Parsed:
    key = call.arguments.raw(_SECOND)
    call.config.done()
    call.arguments.done()
    shape = call.shape()
    rows = key if isinstance(key, list) else [key]
    return Parsed(sliced([_row(row) for row in rows], shape))


def _row(row: object) -> object:
    """A part of a subscript as Keras 2 writes it."""
    match row:
        case {"class_name": "__slice__", "config": dict(bounds)}:
            return bounds
        case {"class_name": "__ellipsis__"}:
            return {"class_name": "__ellipsis__"}
        case _:
            return row


def _elu(call: Call) -> Parsed:
    alpha = call.config.number("alpha", default=1.0)
    _read_rest(call)
    return Parsed((Elementwise(Function.ELU, alpha),))


def _hard_sigmoid(call: Call) -> Parsed:
    _read_rest(call)
    return Parsed((Elementwise(Function.HARD_SIGMOID_3),))


def _softmax(call: Call) -> Parsed:
    """Without an axis, Keras means all of them, TensorFlow the last."""
    axis = call.config.raw("axis", -1)
    _read_rest(call)
    if axis is None:
        raise Unsupported("a softmax over all axes, the batch included")
    return Parsed((Softmax(axis_of(axis, call.shape())),))


def _normalize(call: Call) -> Parsed:
    """Keras bounds the root by its epsilon, TensorFlow what it is the root of."""
    c = call.config
    axis, order = c.raw("axis", -1), c.raw("order", 2)
    epsilon = _EPSILON if c.raw("epsilon") is None else c.number("epsilon")
    if order != 2:
        c.refuse(f"order={short(order)} (supported: 2)")
    _read_rest(call)
    shape = call.shape()
    axes = sorted(axis_of(one, shape) for one in (axis if isinstance(axis, list) else [axis]))
    return Parsed((UnitNormalize(tuple(axes), epsilon**2),))


def _swapaxes(call: Call) -> Parsed:
    given = call.config.raw("axis1"), call.config.raw("axis2")
    _read_rest(call)
    shape = call.shape()
    first, second = (axis_of(one, shape) for one in given)
    order = list(range(len(shape)))
    order[first], order[second] = second, first
    return Parsed((Transpose(tuple(order)),))


def _moveaxis(call: Call) -> Parsed:
    given = call.config.raw("source"), call.config.raw("destination")
    _read_rest(call)
    shape = call.shape()
    pairs = [one if isinstance(one, list) else [one] for one in given]
    source, target = ([axis_of(one, shape) for one in axes] for axes in pairs)
    if not len(source) == len(target) == len(set(source)) == len(set(target)):
        raise Malformed(f"moveaxis from {source} to {target}")
    order = [axis for axis in range(len(shape)) if axis not in source]
    for place, axis in sorted(zip(target, source, strict=True)):
        order.insert(place, axis)
    return Parsed((Transpose(tuple(order)),))


def _read_rest(call: Call) -> None:
    call.config.done()
    call.arguments.done()
    call.shape()


def _add(call: Call) -> Parsed:
    """``keras.ops.add``, which takes for a bias what looks like one by its lengths.

    It then adds along the last axis, or else along the first one behind the batch.
    """
    second = _numbers(call.arguments.raw(_SECOND))
    if call.constant is None and isinstance(second, list):
        shape = call.shape()
        lengths = constant(second, shape).shape
        long = [axis for axis, length in enumerate(lengths, 1) if length > 1]
        if len(long) == 1 and long[0] != _axis_of_bias(shape, lengths[long[0] - 1]):
            raise Unsupported("a constant that Keras 3 adds along another axis than its own")
    return _parser_of(_Same("math.add", arguments=_BOTH))(call)


def _axis_of_bias(shape: Shape, length: int) -> int:
    return len(shape) - 1 if shape[-1] == length else 1


_OWN: Final[Mapping[str, LayerParser]] = {
    "Add": _add,
    "Elu": _elu,
    "GetItem": _slicing,
    "HardSigmoid": _hard_sigmoid,
    "Moveaxis": _moveaxis,
    "Normalize": _normalize,
    "Softmax": _softmax,
    "Swapaxes": _swapaxes,
}

#: Every function, by the name that stands for it among layers.
KERAS_OPS: Final[Mapping[str, LayerParser]] = {
    **{f"{FUNCTION}{name}": _parser_of(same) for name, same in _SAME.items()},
    **{f"{FUNCTION}{name}": parser for name, parser in _OWN.items()},
}
