"""The ONNX form of the ops that stock Keras layers need."""

from typing import assert_never

import numpy as np
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.dialects.protocol import Dialect
from qconvert.emit.lowering import reduction
from qconvert.emit.lowering.resize import resize
from qconvert.emit.shield import hidden_one
from qconvert.emit.values import Layout, Value, agree, move, natural, relayout
from qconvert.ir import F32, Shape
from qconvert.ir.ops import Reduce
from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
    JointSoftmax,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    StepMask,
    StockOp,
    UnfoldTime,
    UnitNormalize,
    Where,
    WithConstant,
)

_KINDS = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "maximum": "Max",
    "minimum": "Min",
}
#: The first opset with an operator of that name.
_LAYER_NORMALIZATION = 17


def lower_stock(
    op: StockOp, inputs: tuple[Value, ...], shape: Shape, b: Builder, dialect: Dialect
) -> Value:
    """Emit *op*; *shape* is its result's in Keras's order."""
    x = inputs[0]
    match op:
        case WithConstant():
            return _with_constant(op, x, b, dialect)
        case Divide():
            left, right = agree(b, inputs)
            return Value(b.op("Div", left.tensor, right.tensor), left.layout)
        case PRelu(slope=slope):
            return Value(b.op("PRelu", x.tensor, _array(b, slope, x.layout, "slope")), x.layout)
        case Power(exponent=exponent):
            return Value(b.op("Pow", x.tensor, b.scalar(exponent)), x.layout)
        case MatMul():
            left, right = (relayout(b, each, natural(each.rank)) for each in inputs)
            return Value(b.op("MatMul", left.tensor, right.tensor), left.layout)
        case Resize():
            return resize(op, x, b)
        case Embedding(table=table):
            return _embedding(table, x, b)
        case LayerNormalization():
            return _layer_normalization(op, x, shape, b)
        case UnitNormalize():
            return _unit_normalize(op, x, b)
        case JointSoftmax(axes=axes):
            return _joint_softmax(axes, x, b)
        case FoldTime() | UnfoldTime():
            return _reshaped(x, shape, b)
        case StepMask(value=value):
            return _step_mask(value, x, b)
        case Where():
            return _where(inputs, b)
        case _:
            assert_never(op)


def _step_mask(value: float, x: Value, b: Builder) -> Value:
    """No operator reduces truth values: 0 and 1 have the same maximum."""
    differs = b.op("Not", b.op("Equal", x.tensor, b.scalar(value)))
    numbers = b.op("Cast", differs, attributes={"to": onnx.TensorProto.FLOAT})
    return reduction.reduce(Reduce("max", (x.rank - 1,), True), Value(numbers, x.layout), b)


def _where(inputs: tuple[Value, ...], b: Builder) -> Value:
    condition, *chosen = (relayout(b, each, natural(each.rank)).tensor for each in inputs)
    chosen += [b.scalar(0.0)] * (2 - len(chosen))
    truth = b.op("Cast", condition, attributes={"to": onnx.TensorProto.BOOL})
    return Value(b.op("Where", truth, *chosen), natural(inputs[1].rank))


def _with_constant(op: WithConstant, x: Value, b: Builder, dialect: Dialect) -> Value:
    constant = dialect.constant(b, _placed(op.constant, x.layout), op.kind)
    operands = (constant, x.tensor) if op.first else (x.tensor, constant)
    return Value(b.op(_KINDS[op.kind], *operands), x.layout)


def _placed(array: F32, layout: Layout) -> F32:
    """*array* with its axes where the tensor has them, without leading axes of length 1."""
    stored = array[np.newaxis].transpose(layout)
    while stored.ndim > 1 and stored.shape[0] == 1:
        stored = stored[0]
    return np.ascontiguousarray(stored)


def _array(b: Builder, array: F32, layout: Layout, name: str) -> Tensor:
    return b.constant(_placed(array, layout), name)


def _embedding(table: F32, x: Value, b: Builder) -> Value:
    """``Gather`` of rows; the numbers come as floats, like all inputs."""
    x = relayout(b, x, natural(x.rank))
    numbers = b.op("Cast", x.tensor, attributes={"to": onnx.TensorProto.INT64})
    rows = b.op("Gather", b.constant(table, "table"), numbers, attributes={"axis": 0})
    return Value(rows, natural(x.rank + 1))


def _unit_normalize(op: UnitNormalize, x: Value, b: Builder) -> Value:
    squares = Value(b.op("Mul", x.tensor, x.tensor), x.layout)
    total = reduction.reduce(Reduce("sum", op.axes, True), squares, b).tensor
    inverse = _inverse_root(b, b.op("Max", total, b.scalar(op.epsilon)))
    return Value(b.op("Mul", x.tensor, inverse), x.layout)


def _joint_softmax(axes: tuple[int, ...], x: Value, b: Builder) -> Value:
    """The quotient of ``Softmax``; a logarithm has no operator that is exact near 1."""
    highest = reduction.reduce(Reduce("max", axes, True), x, b).tensor
    powers = Value(b.op("Exp", b.op("Sub", x.tensor, highest)), x.layout)
    total = reduction.reduce(Reduce("sum", axes, True), powers, b).tensor
    return Value(b.op("Div", powers.tensor, total), x.layout)


def _inverse_root(b: Builder, x: Tensor) -> Tensor:
    # Of a constant 1 divided by something and multiplied ONNX Runtime makes one division.
    return b.op("Div", hidden_one(b), b.op("Sqrt", x))


def _layer_normalization(op: LayerNormalization, x: Value, shape: Shape, b: Builder) -> Value:
    """The operator of that name over the last axes, or the operations of TensorFlow's program."""
    lengths = [n for axis in op.axes if (n := shape[axis]) is not None]
    last = op.fused and op.axes == tuple(range(x.rank - len(op.axes), x.rank))
    if last and len(lengths) == len(op.axes) and b.opset >= _LAYER_NORMALIZATION:
        return _operator(op, x, tuple(lengths), b)
    return _moments(op, x, b)


def _operator(op: LayerNormalization, x: Value, lengths: tuple[int, ...], b: Builder) -> Value:
    x = relayout(b, x, natural(x.rank))
    gamma = np.ones(lengths, np.float32) if op.gamma is None else op.gamma.reshape(lengths)
    arrays = [b.constant(gamma, "gamma")]
    if op.beta is not None:
        arrays.append(b.constant(op.beta.reshape(lengths), "beta"))
    attributes = {"axis": op.axes[0], "epsilon": op.epsilon}
    return Value(b.op("LayerNormalization", x.tensor, *arrays, attributes=attributes), x.layout)


def _moments(op: LayerNormalization, x: Value, b: Builder) -> Value:
    mean = reduction.reduce(Reduce("mean", op.axes, True), x, b).tensor
    centred = b.op("Sub", x.tensor, mean)
    squares = Value(b.op("Mul", centred, centred), x.layout)
    variance = reduction.reduce(Reduce("mean", op.axes, True), squares, b).tensor
    inverse = _inverse_root(b, b.op("Add", variance, b.scalar(op.epsilon)))
    gamma = None if op.gamma is None else _array(b, op.gamma, x.layout, "gamma")
    beta = None if op.beta is None else _array(b, op.beta, x.layout, "beta")
    if op.fused:
        y = b.op("Mul", centred, inverse)
        y = y if gamma is None else b.op("Mul", y, gamma)
        return Value(y if beta is None else b.op("Add", y, beta), x.layout)
    inverse = inverse if gamma is None else b.op("Mul", inverse, gamma)
    offset = b.op("Mul", mean, inverse)
    offset = b.op("Neg", offset) if beta is None else b.op("Sub", beta, offset)
    return Value(b.op("Add", b.op("Mul", x.tensor, inverse), offset), x.layout)


def _reshaped(x: Value, shape: Shape, b: Builder) -> Value:
    """The first axis, and no other, is of unknown length."""
    x = relayout(b, x, natural(x.rank))
    sizes = b.integers([-1 if n is None else n for n in shape], "shape")
    return move(b, x, natural(len(shape)), lambda tensor: b.op("Reshape", tensor, sizes))
