"""Products of matrices of bytes as the integers that they are, and what multiplies these.

A sum of codes becomes a float once, and is multiplied once: by its step and by the factor that
stands behind it, a power of two and a float32, whose product is exact. So every runtime rounds as
TensorFlow does. ONNX Runtime has one operator, ``MatMulIntegerToFloat``, for all of that and an
``Add`` behind it, if the factor is a product that it does not compute when it loads the file. On
ARM that operator rounds product and sum together, so that by default only products that are not
rounded get an ``Add``.
"""

from collections import Counter

import numpy as np
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import LARGEST_CODE, WeightCodes, encode
from qconvert.emit.packing import stored_codes, type_of_weights
from qconvert.emit.shield import shielded
from qconvert.emit.values import Codes, Sums, Value, natural, relayout
from qconvert.ir import F32, Graph, Node
from qconvert.ir.ops import Affine, BatchNormalization, Dense

_BYTE = 8
#: Of the smallest normal float32, and of its reciprocal.
_LEAST = -126


def summed(graph: Graph) -> frozenset[str]:
    """Products of matrices that nothing sees but one function that multiplies them by channel."""
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    reads.update(output.value for output in graph.outputs)
    products = {x.name for x in graph.nodes if isinstance(x.op, Dense) and x.op.bias is None}
    multiplied = {node.inputs[0] for node in graph.nodes if _multiplies(node)}
    return frozenset(name for name in products & multiplied if reads[name] == 1)


def _multiplies(node: Node) -> bool:
    match node.op:
        case BatchNormalization(fused=fused):
            # The other program subtracts first.
            return not fused
        case Affine(factor=factor):
            return factor is not None
        case _:
            return False


def sums(op: Dense, x: Value, b: Builder) -> Value | None:
    """The products of *op*, without its bias, as integers; ``None`` where they are none of bytes.

    Or where they may pass 2**24, beyond which float32 does not hold all of them, or their steps
    the powers of two that it has.
    """
    found = encode(op.kernel, 1)
    if x.codes is None or not x.integer or found is None or found.bits > _BYTE:
        return None
    exps = np.resize(found.exps + x.codes.exp, op.kernel.shape[1])
    if _widest(found, x.codes) > LARGEST_CODE or exps.min() < _LEAST or np.ptp(exps) > -_LEAST:
        return None
    x = relayout(b, x, natural(x.rank))
    assert x.codes is not None
    kind, origin = type_of_weights(b, found, x.codes)
    product = b.op(
        "MatMulInteger",
        x.codes.tensor,
        stored_codes(b, (found.codes + origin).astype(kind), "kernel"),
        b.constant(np.array(x.codes.zero, x.codes.dtype), "zero"),
        b.constant(np.array(origin, kind), "zero"),
    )
    steps = b.constant(np.ldexp(np.float32(1), exps).astype(np.float32), "steps")
    whole = Sums(product, tuple(exps.tolist()))
    return Value(b.op("Mul", _float(b, whole), steps), x.layout, sums=whole)


def biased(b: Builder, x: Sums, bias: F32) -> Tensor:
    """The sums in float, with a bias by channel."""
    steps = np.ldexp(np.float32(1), np.array(x.exps) - min(x.exps)).astype(np.float32)
    return b.op("Add", _scaled(b, x, b.constant(steps, "steps")), b.constant(bias, "bias"))


def normalized(b: Builder, x: Sums, factor: F32, addend: F32 | None) -> Tensor:
    """The sums in float, multiplied by channel, and something added."""
    product = _times(b, x, factor)
    if addend is None:
        return product
    b.needs_x86 |= b.vnni
    # Of a Sum ONNX Runtime makes no part of another operator.
    return b.op("Add" if b.vnni else "Sum", product, b.constant(addend, "offset"))


def _times(b: Builder, x: Sums, factor: F32) -> Tensor:
    exps, least = np.array(x.exps), min(x.exps)
    each = b.constant(factor, "factor")
    if np.any(exps != least):
        more = np.ldexp(np.float32(1), exps - least).astype(np.float32)
        each = b.op("Mul", b.constant(more, "steps"), each)
    return _scaled(b, x, each)


def _scaled(b: Builder, x: Sums, factor: Tensor) -> Tensor:
    """The sums multiplied by their least step and a factor."""
    # ONNX Runtime makes no part of its operator of a factor that it has computed beforehand.
    step = shielded(b, b.scalar(2.0 ** min(x.exps)))
    return b.op("Mul", _float(b, x), b.op("Mul", step, factor))


def _float(b: Builder, x: Sums) -> Tensor:
    return b.op("Cast", x.tensor, attributes={"to": onnx.TensorProto.FLOAT})


def _widest(weights: WeightCodes, x: Codes) -> int:
    """How far the sums of a channel may be apart, those of no products included."""
    up = np.maximum(weights.codes, 0).sum(axis=0)
    down = np.maximum(-weights.codes, 0).sum(axis=0)
    lo, hi = min(x.ends[0], 0), max(x.ends[1], 0)
    return int(((up + down) * (hi - lo)).max(initial=0))
