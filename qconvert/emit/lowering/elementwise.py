"""Functions of one number, and of several numbers at the same place."""

from functools import reduce
from typing import assert_never

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.dialects.protocol import Dialect
from qconvert.emit.shield import unfolded
from qconvert.emit.values import Value, agree, natural
from qconvert.ir.ops import Elementwise, Function, Merge, Relu, Scale

#: Eigen's bound, from which on the sigmoid is 1 in float32.
_SIGMOID_IS_ONE = 16.6355324

_MERGES = {
    "add": "Add",
    "average": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "maximum": "Max",
    "minimum": "Min",
}


def scale(op: Scale, x: Value, b: Builder, dialect: Dialect) -> Value:
    """``Mul``, in a form that no product before it absorbs."""
    factor = dialect.constant(b, np.array([op.factor], np.float32), "factor")
    return Value(b.op("Mul", x.tensor, factor), x.layout)


def relu(op: Relu, x: Value, b: Builder) -> Value:
    """Keras's order of operations: rectify, cap, then subtract the sloped negative part."""
    if op.threshold == 0 and op.max_value is None:
        leaky = b.op("LeakyRelu", x.tensor, attributes={"alpha": op.slope}) if op.slope else None
        return Value(leaky or b.op("Relu", x.tensor), x.layout)
    y = _capped(b, _above(b, x.tensor, op.threshold), op.max_value)
    if op.slope:
        negative = b.op("Relu", b.op("Sub", b.scalar(op.threshold), x.tensor))
        y = b.op("Sub", y, b.op("Mul", negative, b.scalar(op.slope)))
    return Value(y, x.layout)


def _above(b: Builder, x: Tensor, threshold: float) -> Tensor:
    if threshold == 0:
        return b.op("Relu", x)
    return b.op("Where", b.op("Greater", x, b.scalar(threshold)), x, b.scalar(0.0))


def _capped(b: Builder, x: Tensor, cap: float | None) -> Tensor:
    return x if cap is None else b.op("Clip", x, b.scalar(0.0), b.scalar(cap))


def function(op: Elementwise, x: Value, b: Builder) -> Value:
    """An activation function of ``tf.keras.activations``."""
    return Value(_function(op, x.tensor, b), x.layout)


def _function(op: Elementwise, x: Tensor, b: Builder) -> Tensor:
    match op.function:
        case Function.ELU:
            return b.op("Elu", x, attributes={"alpha": op.alpha})
        case Function.EXPONENTIAL:
            return b.op("Exp", x)
        case Function.GELU:
            halves = b.op("Mul", x, b.scalar(0.5))
            erf = b.op("Erf", b.op("Mul", x, b.scalar(np.sqrt(0.5))))
            return b.op("Mul", halves, b.op("Add", erf, b.scalar(1.0)))
        case Function.HARD_SIGMOID:
            fifth = unfolded(b, np.array(0.2, np.float32), "fifth")
            y = b.op("Add", b.op("Mul", x, fifth), b.scalar(0.5))
            return b.op("Clip", y, b.scalar(0.0), b.scalar(1.0))
        case Function.HARD_SIGMOID_3:
            y = b.op("Clip", b.op("Add", x, b.scalar(3.0)), b.scalar(0.0), b.scalar(6.0))
            return b.op("Div", y, b.scalar(6.0))
        case Function.MISH:
            return b.op("Mul", x, b.op("Tanh", b.op("Softplus", x)))
        case Function.SELU:
            return b.op("Selu", x)
        case Function.SIGMOID:
            return _sigmoid(b, x)
        case Function.SOFTPLUS:
            return b.op("Softplus", x)
        case Function.SOFTSIGN:
            return b.op("Softsign", x)
        case Function.SWISH:
            return b.op("Mul", x, _sigmoid(b, x))
        case Function.TANH:
            return b.op("Tanh", x)
        case _:
            assert_never(op.function)


def _sigmoid(b: Builder, x: Tensor) -> Tensor:
    """``e / (1 + e)``, as TensorFlow: ONNX Runtime's own stops falling at 1.5e-8."""
    power = b.op("Exp", b.op("Min", x, b.scalar(_SIGMOID_IS_ONE)))
    return b.op("Div", power, b.op("Add", power, b.scalar(1.0)))


def merge(op: Merge, inputs: tuple[Value, ...], b: Builder) -> Value:
    """From left to right, as Keras does; the average divides at the end."""
    values = agree(b, inputs)
    kind, tensors = _MERGES[op.kind], [x.tensor for x in values]
    if kind == "Add" and _may_be_convolutions(values):
        # Where one is a convolution's, ONNX Runtime has its sum begin with the others' numbers.
        kind, tensors[1:] = "Sub", [b.op("Neg", x) for x in tensors[1:]]
    total = reduce(lambda left, right: b.op(kind, left, right), tensors)
    if op.kind == "average":
        total = b.op("Div", total, b.scalar(len(values)))
    return Value(total, values[0].layout)


def _may_be_convolutions(values: tuple[Value, ...]) -> bool:
    """Whether there are floats with channels first."""
    return any(x.codes is None and x.layout != natural(x.rank) for x in values)
