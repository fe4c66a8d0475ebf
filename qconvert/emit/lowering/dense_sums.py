"""Products of matrices of bytes as the integers that they are, and what multiplies these.

A sum of codes becomes a float once, and is multiplied once: by its step and by the factor that
stands behind it, a power of two and a float32, whose product is exact. So every runtime rounds as
TensorFlow does. ONNX Runtime has one operator, ``MatMulIntegerToFloat``, for all of that and an
``Add`` behind it, if the factor is a product that it does not compute when it loads the file. On
ARM that operator rounds product and sum together, so that by default only products that are not
rounded get an ``Add``, and those of numbers that are right in either way.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import Integers, WeightCodes
from qconvert.emit.lowering.sums import as_float, powers, steps_of_sums
from qconvert.emit.normalization import normalization
from qconvert.emit.packing import stored_codes, type_of_weights
from qconvert.emit.shield import hidden_one
from qconvert.emit.values import Sums, Value, natural, relayout
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Graph, Op
from qconvert.ir.ops import Affine, BatchNormalization, Conv, Dense

#: The mantissa of powers of two, with which no product is rounded.
_POWER: Final = 0.5


def multipliers(graph: Graph) -> dict[str, F32]:
    """By product that nothing sees but what multiplies it by channel, the factors."""
    readers = graph.readers
    found: dict[str, F32] = {}
    for node in graph.nodes:
        alone = node.name not in graph.returned and len(readers[node.name]) == 1
        if alone and isinstance(node.op, Conv | Dense) and node.op.bias is None:
            factor = _factor(readers[node.name][0].op)
            found |= {} if factor is None else {node.name: factor}
    return found


def _factor(op: Op) -> F32 | None:
    """What an op multiplies by before all else."""
    match op:
        case BatchNormalization():
            steps = normalization(op)
            return steps.factor if steps.mean is None else None
        case Affine(factor=factor):
            return factor
        case _:
            return None


def dense_sums(weight: Weight, factor: F32, x: Value, b: Builder) -> Value | None:
    """The products with *weight*, [in, out], as integers; ``None`` where they are none of bytes.

    Or where float32 does not hold them and what the *factor* behind makes of their steps.
    """
    rows = weight.transposed().codes if x.integer else None
    exps = None if rows is None else exact_steps(rows, factor, x)
    if rows is None or exps is None:
        return None
    x = relayout(b, x, natural(x.rank))
    whole = row_sums(rows, exps, x, b)
    steps = b.constant(powers(exps), "steps")
    return Value(b.op("Mul", as_float(b, whole.tensor), steps), x.layout, sums=whole)


def exact_steps(rows: WeightCodes, factor: F32, x: Value) -> Integers | None:
    """The exponents of the sums of products of *x* with each of the *rows*.

    ``None`` where float32 does not hold all of them, or their steps times the *factor* behind them.
    """
    known = None if x.codes is None else steps_of_sums(rows, x.codes)
    exps = None if known is None else np.resize(known, len(rows.codes))
    return exps if exps is not None and holds(exps, factor) else None


def row_sums(rows: WeightCodes, exps: Integers, x: Value, b: Builder) -> Sums:
    """The products of *x*, in the natural layout, with *rows*, [out, in], in steps of *exps*."""
    assert x.codes is not None
    kind, origin = type_of_weights(b, rows, x.codes)
    product = b.op(
        "MatMulInteger",
        x.codes.tensor,
        stored_codes(b, rows.stored_as(kind, origin).T, "kernel"),
        b.constant(np.array(x.codes.zero, x.codes.dtype), "zero"),
        b.constant(np.array(origin, kind), "zero"),
    )
    return Sums(product, tuple(exps.tolist()))


def holds(exps: npt.ArrayLike, factor: F32) -> bool:
    """Whether float32 holds the numbers that `_times` multiplies, and their products."""
    exps = np.asarray(exps)
    least = exps.min()
    with np.errstate(over="ignore", under="ignore"):
        found = powers(least) * (powers(exps - least) * factor)
    return bool(np.all(found == np.ldexp(factor.astype(np.float64), exps)))


def numbers(b: Builder, x: Sums) -> Tensor:
    """The sums in float."""
    exps = np.array(x.exps[0] if len(set(x.exps)) == 1 else x.exps)
    # Its own, as the factor in `_times`.
    steps = b.own_constant(powers(exps), "steps")
    return b.op("Mul", as_float(b, x.tensor), b.op("Mul", hidden_one(b), steps))


def biased(b: Builder, x: Sums, bias: F32) -> Tensor:
    """The sums in float, with a bias by channel."""
    steps = powers(np.array(x.exps) - min(x.exps))
    return b.op("Add", _scaled(b, x, b.constant(steps, "steps")), b.constant(bias, "bias"))


def normalized(b: Builder, x: Sums, factor: F32, addend: F32 | None) -> Tensor:
    """The sums in float, multiplied by channel, and something added."""
    product = _times(b, x, factor)
    if addend is None:
        return product
    together = b.vnni or bool(np.all(np.frexp(factor)[0] == _POWER))
    # Of a Sum ONNX Runtime makes no part of another operator.
    return b.op("Add" if together else "Sum", product, b.constant(addend, "offset"))


def lined(b: Builder, x: Sums, factor: F32, addend: F32) -> Tensor:
    """The same of numbers that may be rounded together."""
    y = b.op("Add", _times(b, x, factor), b.constant(addend, "offset"))
    b.either_way.add(y)
    return y


def shifted(b: Builder, x: Sums, shift: F32) -> Tensor:
    """The sums in float, and something added by channel without rounding."""
    # A factor by channel: a product by one number that is 1 is none to ONNX Runtime.
    return b.op("Add", _times(b, x, np.ones_like(shift)), b.constant(shift, "shift"))


def _times(b: Builder, x: Sums, factor: F32) -> Tensor:
    exps, least = np.array(x.exps), min(x.exps)
    # Its own: ONNX Runtime makes no part of its operator of a product that several share.
    each = b.own_constant(factor, "factor")
    if np.any(exps != least):
        each = b.op("Mul", b.constant(powers(exps - least), "steps"), each)
    return _scaled(b, x, each)


def _scaled(b: Builder, x: Sums, factor: Tensor) -> Tensor:
    """The sums multiplied by their least step and a factor."""
    # Dequantized: ONNX Runtime makes no part of its operator of a factor that it has folded.
    step = b.hidden(b.scalar(2.0 ** min(x.exps)))
    return b.op("Mul", as_float(b, x.tensor), b.op("Mul", step, factor))
