"""A normalization between exact sums and a quantizer: one product and one sum in float32.

Its own program takes up to six operations, half of them on float64. What makes the sums is of no
concern: floats, or integers that become some. In front of these there may be a sum more.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import LARGEST_CODE, Integers, lowest_bits, on_grid
from qconvert.emit.dialects import Dialect
from qconvert.emit.lowering.dense_sums import holds, lined, shifted
from qconvert.emit.normalization import normalization
from qconvert.emit.requantization import Chain, FloatLine, line_of, own_steps, reach
from qconvert.emit.shield import unfolded
from qconvert.emit.values import Value, per_channel
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Grid, Node, Op, Shape
from qconvert.ir.ops import BatchNormalization, Conv, Dense, Pool, Quantize, Relu

Lower: TypeAlias = Callable[[Op, tuple[Value, ...], Shape, Builder, Dialect], Value]

#: How much finer than products the steps of a bias may be.
_MOST_BITS: Final = 24
#: The exponents of steps of which float32 has 2**24.
_LEAST, _MOST = -126, 103


def lower_line(
    chain: Chain, weight: Weight, x: Value, y: Value, b: Builder, dialect: Dialect, lower: Lower
) -> Value | None:
    """The value at the end of *chain*, of which *y* are the sums of products of *x* and a *weight*.

    ``None`` if these may be rounded, nothing is gained, or some channel has no such numbers.
    """
    line = _line(chain, weight, x, y) if _pays(chain, y) else None
    if line is None:
        return None
    if y.sums is not None and line.shift is None and not holds(y.sums.exps, line.factor):
        return None
    b.scope = chain.between[-1].name
    y = _applied(line, y, b)
    for node in (*chain.moves, chain.end):
        b.scope = node.name
        y = lower(node.op, (y,), node.shape, b, dialect)
    return y


def _pays(chain: Chain, y: Value) -> bool:
    """Whether the program has more operations, or others than runtimes make a part of a product."""
    first = chain.between[0].op if chain.between else None
    # In front of a pool there would be more numbers to compute with.
    if not isinstance(first, BatchNormalization) or not chain.in_order:
        return False
    return y.sums is not None or _is_long(chain.between)


def _is_long(between: Sequence[Node]) -> bool:
    """Whether what begins with a normalization is more than one product and one sum."""
    first = between[0].op
    assert isinstance(first, BatchNormalization)
    return len(between) > 1 or normalization(first).mean is not None


def _line(chain: Chain, weight: Weight, x: Value, y: Value) -> FloatLine | None:
    op, quantize = chain.linear.op, chain.end.op
    if not isinstance(op, Conv | Dense) or not isinstance(quantize, Quantize):
        return None
    if not all(isinstance(node.op, Pool) for node in chain.moves):
        return None
    ops = [node.op for node in chain.between]
    if x.grid is None or any(isinstance(each, Relu) for each in ops):
        return None
    numbers = _numbers(op, weight, x.grid)
    if numbers is None:
        return None
    # What runtimes make a part of a convolution would be another bias than the file's, beside one.
    shifts = _is_long(chain.between) and (y.sums is not None or op.bias is None)
    return line_of(ops, quantize.quantizer, *numbers, shifts=shifts)


def _numbers(
    op: Conv | Dense, weight: Weight, x: Grid
) -> tuple[Integers, Integers, Integers] | None:
    """The steps of the results of *op*, as exponents, and the ends of these, by channel.

    ``None`` where float32 does not hold every partial sum.
    """
    found = (weight if isinstance(op, Conv) else weight.transposed()).codes
    if found is None:
        return None
    codes, steps = own_steps(found)
    lo, hi = reach(codes, x.lo, x.hi)
    exps = np.resize(steps + x.exp, len(codes))
    bias = np.zeros(len(exps), np.int64)
    if op.bias is not None:
        finer = exps - np.minimum(exps, lowest_bits(op.bias))
        own = on_grid(op.bias, exps - finer)
        if own is None or np.any(finer > _MOST_BITS):
            return None
        lo, hi, exps, bias = lo << finer, hi << finer, exps - finer, own
    largest = np.maximum(np.maximum(bias, 0) + hi, np.maximum(-bias, 0) - lo)
    exact = np.all(largest <= LARGEST_CODE) and np.all((exps >= _LEAST) & (exps <= _MOST))
    return (exps, lo + bias, hi + bias) if exact else None


def _applied(line: FloatLine, x: Value, b: Builder) -> Value:
    if x.sums is not None and line.shift is None:
        return Value(lined(b, x.sums, line.factor, line.addend), x.layout)
    tensor = x.tensor if line.shift is None else _shifted(line.shift, x, b)
    # Else ONNX Runtime makes a part of a convolution's weights of it, and rounds them.
    factor = unfolded(b, per_channel(line.factor, x.layout), "line")
    addend = b.constant(per_channel(line.addend, x.layout), "line")
    return Value(b.op("Add", b.op("Mul", tensor, factor), addend), x.layout)


def _shifted(shift: F32, x: Value, b: Builder) -> Tensor:
    if x.sums is not None:
        return shifted(b, x.sums, shift)
    return b.op("Add", x.tensor, b.constant(per_channel(shift, x.layout), "shift"))
