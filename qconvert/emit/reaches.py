"""Grids that hold every number that a value can be, where quantizers and weights tell one.

Sums may be rounded: what float32 makes of a multiple of a power of two is one, too.
"""

import math
from dataclasses import replace

import numpy as np

from qconvert.emit.codes import encode
from qconvert.ir import F32, Graph, Grid, Op, Quantizer, grid_of
from qconvert.ir.ops import (
    Conv,
    ConvTranspose,
    Dense,
    Pad,
    Pool,
    Quantize,
    Reshape,
    Slice,
    Transpose,
    UpSample,
)
from qconvert.ir.quantizers import QuantizedPo2, QuantizedReluPo2
from qconvert.numerics import quantize_body

#: Beyond it float32 has no steps to speak of.
_MOST_BITS = 64


def reaches(graph: Graph) -> dict[str, Grid]:
    """By value the grid of its numbers, for those that have a known one."""
    found: dict[str, Grid] = {}
    for node in graph.nodes:
        grid = _reach(node.op, [found.get(name) for name in node.inputs])
        if grid is not None and max(-grid.lo, grid.hi).bit_length() <= _MOST_BITS:
            found[node.name] = grid
    return found


def _reach(op: Op, inputs: list[Grid | None]) -> Grid | None:
    x = inputs[0] if inputs else None
    match op:
        case Quantize(quantizer=quantizer):
            return _image(quantizer)
        case Dense() | Conv() | ConvTranspose():
            return None if x is None else _sums(op, x)
        case Pool(kind="max") | Reshape() | Transpose() | UpSample() | Slice() | Pad():
            # Padded with 0, which may be beyond the ends.
            return None if x is None else Grid(min(x.lo, 0), max(x.hi, 0), x.exp)
        case _:
            return None


def _image(q: Quantizer) -> Grid | None:
    if isinstance(q, QuantizedPo2 | QuantizedReluPo2):
        return _powers(q) if q.qnoise_factor == 1 else None
    return grid_of(q)


def _powers(q: QuantizedPo2 | QuantizedReluPo2) -> Grid:
    """The least power is that of 0, and the largest that of the largest numbers."""
    ends = np.array([0, np.finfo(np.float32).max, np.finfo(np.float32).min], np.float32)
    least, *others = np.abs(quantize_body(replace(q, use_ste=False), ends)).tolist()
    exp = math.frexp(least)[1] - 1
    most = math.ceil(math.ldexp(max(least, *others), -exp))
    return Grid(-most, most, exp)


def _sums(op: Dense | Conv | ConvTranspose, x: Grid) -> Grid | None:
    """Of products of weights and multiples of the step of *x*, and a bias."""
    bias = np.zeros(1, np.float32) if op.bias is None else op.bias
    exps = [_exp(op.kernel), _exp(bias)]
    if exps[0] is None or exps[1] is None:
        return None
    exp = min(exps[0] + x.exp, exps[1])
    # Exact up to 2**53 of their steps, and as good as that beyond.
    total = float(np.abs(op.kernel).sum(dtype=np.float64))
    largest = total * max(-x.lo, x.hi) * x.step
    # Twice, for sums that are rounded.
    most = math.ceil(math.ldexp(2 * (largest + float(abs(bias).max())), -exp))
    return Grid(-most, most, exp)


def _exp(array: F32) -> int | None:
    """Of the largest power of two that all numbers are multiples of."""
    found = encode(array, array.ndim - 1)
    return None if found is None else int(found.exps.min())
