"""The ONNX form of every op, as one match."""

from collections.abc import Sequence

from qconvert.emit.builder import Builder
from qconvert.emit.dialects import Dialect
from qconvert.emit.lowering import (
    conv_sums,
    dense_sums,
    elementwise,
    groups,
    linear,
    lined,
    movement,
    opaque,
    recurrence,
    reduction,
    requantized,
    rounding,
)
from qconvert.emit.lowering.linear_layer import LinearLayer
from qconvert.emit.lowering.requantized import Write
from qconvert.emit.lowering.stock import lower_stock
from qconvert.emit.requantization import Chain, Join
from qconvert.emit.values import Value
from qconvert.emit.weights import Weight, conv_transpose_weight, conv_weight, dense_weight
from qconvert.ir import Node, Op, Shape
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Merge,
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


def lower(op: Op, inputs: tuple[Value, ...], shape: Shape, b: Builder, dialect: Dialect) -> Value:
    """Emit *op*; *shape* is its result's in Keras's order."""
    x = inputs[0]
    match op:
        case Quantize(quantizer=quantizer):
            return dialect.quantize(b, x, quantizer)
        case Dense():
            return linear.dense(op, dense_weight(op), x, b, dialect)
        case Conv():
            return linear.conv(op, conv_weight(op), x, b, dialect)
        case ConvTranspose():
            return linear.conv_transpose(op, conv_transpose_weight(op), x, b, dialect)
        case BatchNormalization():
            return linear.batch_normalization(op, x, b, dialect)
        case Pool():
            return reduction.pool(op, x, shape[-1] or 1, b)
        case Reduce():
            return reduction.reduce(op, x, b)
        case Softmax():
            return reduction.softmax(op, x, b)
        case Scale():
            return elementwise.scale(op, x, b, dialect)
        case Affine():
            return linear.affine(op, x, b, dialect)
        case Relu():
            return elementwise.relu(op, x, b)
        case Elementwise():
            return elementwise.function(op, x, b)
        case Merge():
            return elementwise.merge(op, inputs, b)
        case Concat():
            return movement.concat(op, inputs, b)
        case Reshape():
            return movement.reshape(x, shape, b)
        case Transpose():
            return movement.transpose(op, x)
        case Pad():
            return movement.pad(op, x, b)
        case Slice():
            return movement.take(op, x, b)
        case UpSample():
            return movement.up_sample(op, x, shape, b)
        case Recurrence():
            return recurrence.scan(op, inputs, b, dialect, lower)
        case Opaque():
            return opaque.spliced(op, inputs, b, dialect)
        case _:
            return lower_stock(op, inputs, shape, b, dialect)


def lower_chain(
    chain: Chain, weight: Weight | None, x: Value, b: Builder, dialect: Dialect
) -> Value | None:
    """Emit a whole chain behind *x* as one integer kernel; ``None`` if it cannot be one."""
    return requantized.lower_chain(chain, weight, x, b, dialect, lower)


def lower_branch(branch: Chain | str, write: Write, b: Builder, dialect: Dialect) -> Value:
    """Emit a branch of a join as codes, by what `kernels_of` says of it."""
    return requantized.written(branch, write, b, dialect, lower)


def lower_join(join: Join, branches: Sequence[Value], b: Builder, dialect: Dialect) -> Value:
    """Emit what is behind the *branches* of a join, which are codes."""
    return requantized.lower_join(join, branches, b, dialect, lower)


def lower_mean(node: Node, x: Value, b: Builder) -> Value | None:
    """Emit a mean over windows of the codes *x* as codes; ``None`` where these do not hold it."""
    assert isinstance(node.op, Pool)
    return rounding.mean_of_codes(node.op, node.shape, x, b)


def lower_line(
    chain: Chain, weight: Weight, x: Value, y: Value, b: Builder, dialect: Dialect
) -> Value | None:
    """Emit what is behind the sums *y* of a chain, of *x*, as one product and one sum.

    ``None`` if it cannot be that, or need not.
    """
    return lined.lower_line(chain, weight, x, y, b, dialect, lower)


def lower_linear(layer: LinearLayer, x: Value, b: Builder, dialect: Dialect) -> Value:
    """Emit *layer* with sums of integers that become floats, or of floats where these are as fast.

    Or as it is, if runtimes may know better.
    """
    op, weight, chain = layer.node.op, layer.weight, layer.chain
    match op:
        case Conv() if chain is not None and groups.in_floats(chain, weight, x):
            return linear.conv_of_floats(op, weight, x, b, dialect)
        case Conv() if chain is not None and requantized.fuses(chain, weight, x):
            return linear.conv(op, weight, x, b, dialect)
        case Conv():
            y = conv_sums.conv_sums(op, layer, x, b)
            return linear.conv_of_floats(op, weight, x, b, dialect) if y is None else y
        case Dense():
            factor = layer.factor
            y = None if factor is None else dense_sums.dense_sums(weight, factor, x, b)
            return linear.dense(op, weight, x, b, dialect) if y is None else y
        case ConvTranspose():
            return linear.conv_transpose(op, weight, x, b, dialect)
        case _:
            raise AssertionError("it has no weight")
