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
from qconvert.ir import Graph, Grid, Node, Op
from qconvert.ir.ops import (
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Merge,
    Pad,
    Pool,
    Reshape,
    Slice,
    Transpose,
    UpSample,
)

_BYTE: Final = 255


def multiplied(graph: Graph) -> frozenset[str]:
    """The values that products are computed of, but for movements in between, and nothing else."""
    seen = {output.value for output in graph.outputs}
    found: set[str] = set()
    for node in reversed(graph.nodes):
        readers = graph.readers[node.name]
        alone = bool(readers) and node.name not in seen
        if alone and all(_multiplies(reader, found) for reader in readers):
            found.add(node.name)
    return frozenset(found)


def _multiplies(reader: Node, found: set[str]) -> bool:
    match reader.op:
        case Conv() | ConvTranspose() | Dense():
            return True
        case Pool(kind="max") | Reshape() | Transpose() | UpSample() | Slice() | Pad():
            return reader.name in found
        case _:
            return False


def gathered(op: Op, inputs: Sequence[Value], y: Value, b: Builder) -> Value:
    """*y*, which is *op* of the *inputs*, with codes if it has none and bytes hold all of them."""
    codes = [x.codes for x in inputs if x.codes is not None and x.integer]
    if y.codes is not None or len(codes) < len(inputs):
        return y
    grid = _grid(op, codes)
    if grid is None or not bytes_hold(grid):
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
