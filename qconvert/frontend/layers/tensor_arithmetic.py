"""TensorFlow functions that compute: ``2 * x + y``, ``tf.clip_by_value(x, 0, 1)``."""

from collections.abc import Mapping
from typing import Final, Literal

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.layers.preprocessing import constant, product
from qconvert.frontend.layers.shape import axis_of
from qconvert.frontend.problems import Unsupported, short
from qconvert.frontend.references import Ref
from qconvert.ir.ops import Elementwise, Function, Merge, Op, Relu, Scale, Softmax, Transpose
from qconvert.ir.stock import Divide, MatMul, Power, UnitNormalize, WithConstant
from qconvert.ir.types import F32

Kind = Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"]

BINARY: Final[Mapping[str, Kind]] = {
    "__operators__.add": "add",
    "math.add": "add",
    "math.subtract": "subtract",
    "math.multiply": "multiply",
    "math.truediv": "divide",
    "math.divide": "divide",
    "math.maximum": "maximum",
    "math.minimum": "minimum",
    "nn.bias_add": "add",
}
#: Functions of one tensor without options.
UNARY: Final[Mapping[str, tuple[Op, ...]]] = {
    "identity": (),
    "math.exp": (Elementwise(Function.EXPONENTIAL),),
    "math.negative": (Scale(-1.0),),
    "math.sigmoid": (Elementwise(Function.SIGMOID),),
    "math.softplus": (Elementwise(Function.SOFTPLUS),),
    "math.tanh": (Elementwise(Function.TANH),),
    "nn.elu": (Elementwise(Function.ELU),),
    "nn.relu": (Relu(),),
    "nn.relu6": (Relu(max_value=6.0),),
    "nn.selu": (Elementwise(Function.SELU),),
    "nn.sigmoid": (Elementwise(Function.SIGMOID),),
    "nn.softplus": (Elementwise(Function.SOFTPLUS),),
    "nn.softsign": (Elementwise(Function.SOFTSIGN),),
    "nn.tanh": (Elementwise(Function.TANH),),
    "stop_gradient": (),
}
#: The name of the second operand, where it is not ``y``.
_SECOND: Final[Mapping[str, str]] = {"nn.bias_add": "bias"}


def unary(call: Call, name: str) -> Parsed:
    """One of `UNARY`."""
    call.arguments.done()
    call.shape()
    return Parsed(UNARY[name])


def binary(call: Call, name: str) -> Parsed:
    """One of `BINARY`: of two tensors, or of a tensor and a constant on either side."""
    kind, key = BINARY[name], _SECOND.get(name, "y")
    second = call.arguments.raw(key)
    call.arguments.expect("data_format", None, "NHWC", "N...C")
    call.arguments.done()
    shapes = call.known_shapes()
    if call.constant is not None:
        return Parsed((_with(kind, constant(call.constant, shapes[0]), first=True),))
    if not isinstance(second, Ref):
        return Parsed((_with(kind, constant(second, shapes[0]), first=False),))
    if len({len(shape) for shape in shapes}) > 1:
        raise Unsupported(f"{name} of tensors with different numbers of axes")
    return Parsed((Divide() if kind == "divide" else Merge(kind),))


def _with(kind: Kind, array: F32, *, first: bool) -> Op:
    return product(array) if kind == "multiply" else WithConstant(kind, array, first)


def power(call: Call) -> Parsed:
    """``x ** 2``, which is not the product in TensorFlow."""
    exponent = call.arguments.raw("y")
    call.arguments.done()
    if call.constant is not None or isinstance(exponent, bool):
        raise Unsupported("math.pow of a constant")
    if not isinstance(exponent, int | float):
        raise Unsupported(f"math.pow with the exponent {short(exponent)}")
    call.shape()
    return Parsed((Power(float(exponent)),))


def square(call: Call) -> Parsed:
    """``math.square``."""
    call.arguments.done()
    whole = Assembly.of((call.shape(),))
    (x,) = whole.inputs
    return Parsed(graph=whole.graph("layer", [whole.add(Merge("multiply"), x, x)]))


def absolute(call: Call) -> Parsed:
    """``math.abs``: the greater one of ``x`` and ``-x``."""
    call.arguments.done()
    whole = Assembly.of((call.shape(),))
    (x,) = whole.inputs
    result = whole.add(Merge("maximum"), x, whole.add(Scale(-1.0), x))
    return Parsed(graph=whole.graph("layer", [result]))


def add_n(call: Call) -> Parsed:
    """``math.add_n``."""
    call.arguments.done()
    return Parsed((Merge("add"),) if len(call.known_shapes()) > 1 else ())


def clip(call: Call) -> Parsed:
    """``clip_by_value``, whose upper end comes first."""
    low, high = call.arguments.raw("clip_value_min"), call.arguments.raw("clip_value_max")
    call.arguments.done()
    shape = call.shape()
    upper = WithConstant("minimum", constant(high, shape))
    return Parsed((upper, WithConstant("maximum", constant(low, shape))))


def softmax(call: Call) -> Parsed:
    """``nn.softmax``."""
    axis = call.arguments.raw("axis")
    call.arguments.done()
    return Parsed((Softmax(axis_of(-1 if axis is None else axis, call.shape())),))


def leaky_relu(call: Call) -> Parsed:
    """``nn.leaky_relu``."""
    slope = call.arguments.number("alpha", default=0.2)
    call.arguments.done()
    call.shape()
    return Parsed((Relu(slope=slope),))


def silu(call: Call) -> Parsed:
    """``nn.silu``."""
    call.arguments.expect("beta", 1.0)
    call.arguments.done()
    call.shape()
    return Parsed((Elementwise(Function.SWISH),))


def gelu(call: Call) -> Parsed:
    """``nn.gelu``."""
    call.arguments.expect("approximate", False)
    call.arguments.done()
    call.shape()
    return Parsed((Elementwise(Function.GELU),))


def l2_normalize(call: Call) -> Parsed:
    """``math.l2_normalize``."""
    axis = call.arguments.raw("axis")
    epsilon = call.arguments.number("epsilon", default=1e-12)
    call.arguments.done()
    shape = call.shape()
    axes = sorted(axis_of(one, shape) for one in (axis if isinstance(axis, list) else [axis]))
    return Parsed((UnitNormalize(tuple(axes), epsilon),))


def matmul(call: Call) -> Parsed:
    """``linalg.matmul`` of two tensors, batch by batch."""
    other = call.arguments.raw("b")
    flips = [call.arguments.flag(f"transpose_{side}", default=False) for side in "ab"]
    for option in ("adjoint_a", "adjoint_b", "a_is_sparse", "b_is_sparse"):
        call.arguments.expect(option, False)
    call.arguments.expect("output_type", None)
    call.arguments.done()
    shapes = call.known_shapes()
    if call.constant is not None or not isinstance(other, Ref):
        raise Unsupported("linalg.matmul with a constant")
    if len(shapes) != 2 or min(map(len, shapes)) < 3:
        raise Unsupported("linalg.matmul over the batch")
    before = tuple(_flipped(len(s)) if flip else () for s, flip in zip(shapes, flips, strict=True))
    return Parsed((MatMul(),), before=before)


def _flipped(rank: int) -> tuple[Op, ...]:
    return (Transpose((*range(rank - 2), rank - 1, rank - 2)),)
