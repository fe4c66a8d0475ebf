"""Codes of several steps, joined or added, as codes of the finest one where a byte holds them.

Kernels of integers read one step alone. What is written here rounds nothing: every number is one of
the new codes. ONNX Runtime makes one operator of bytes of each (``QLinearConcat``, ``QLinearAdd``).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from qconvert.emit.builder import Builder
from qconvert.emit.grids import bytes_hold
from qconvert.emit.values import Codes, Value, from_codes
from qconvert.emit.weights import Weight, weight_of
from qconvert.ir import Graph, Grid, Node, Op
from qconvert.ir.ops import (
    Concat,
    Merge,
    Pad,
    Pool,
    Reshape,
    Slice,
    Transpose,
    UpSample,
)

_BYTE: Final = 255


def gathered(graph: Graph, node: Node, inputs: Sequence[Value], y: Value, b: Builder) -> Value:
    """*y*, the *node*'s value, with codes if bytes hold all of them and products are what reads it.

    Without, if it has some already.
    """
    codes = [x.codes for x in inputs if x.codes is not None and x.integer]
    if y.codes is not None or len(codes) < len(inputs):
        return y
    grid = _grid(node.op, codes)
    # Asked last, for it encodes weights.
    if grid is None or not bytes_hold(grid) or not _is_multiplied(graph, node.name):
        return y
    zero = 128 if grid.lo < 0 else 0
    origin = b.constant(np.array(zero, np.uint8), "zero")
    tensor = b.op("QuantizeLinear", y.tensor, b.scalar(grid.step), origin)
    ends = grid.lo + zero, grid.hi + zero
    if ends != (0, _BYTE):
        # Nothing is clipped. It tells how large codes are, and so which weights cannot saturate.
        lo, hi = (b.constant(np.array(end, np.uint8), "end") for end in ends)
        tensor = b.op("Clip", tensor, lo, hi)
    return from_codes(b, Codes(tensor, "uint8", zero, grid.exp, (grid.lo, grid.hi)), y.layout)


def _is_multiplied(graph: Graph, value: str) -> bool:
    """Whether products are all that is computed of a value, but for movements in between.

    And some of them of bytes: beside other weights codes are no more than floats.
    """
    pending, weights = [value], list[Weight]()
    while pending:
        name = pending.pop()
        readers = graph.readers[name]
        if name in graph.returned or not readers:
            return False
        for reader in readers:
            weight = weight_of(reader.op)
            if weight is not None:
                weights.append(weight)
            elif _moves(reader.op):
                pending.append(reader.name)
            else:
                return False
    return any(weight.as_bytes is not None for weight in weights)


def _moves(op: Op) -> bool:
    match op:
        case Pool(kind="max") | Reshape() | Transpose() | UpSample() | Slice() | Pad():
            return True
        case _:
            return False


def _grid(op: Op, codes: Sequence[Codes]) -> Grid | None:
    """That of all results, in the finest step."""
    exp = min(each.exp for each in codes)
    lows, highs = zip(*([end << (x.exp - exp) for end in x.ends] for x in codes), strict=True)
    match op:
        case Concat():
            return Grid(min(lows), max(highs), exp)
        case Merge(kind="add") if len(codes) == 2:
            return Grid(sum(lows), sum(highs), exp)
        case _:
            return None
