"""Codes that a file makes of others where the model has no quantizer: nothing may be rounded.

`emit` joins and adds codes of several steps as codes of the finest one. Samples need not show where
these end, or a number between two of them; what is known of all numbers of the layer does.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import Remark
from qconvert.checking.deployed.kernels import called, input_of
from qconvert.checking.deployed.meaning import meaning_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.proof import own_nodes
from qconvert.exactness import Analysis, Reach
from qconvert.ir import Graph, Grid, Layer
from qconvert.ir.ops import Quantize

#: The mantissa of powers of two, and how many times a step may hold that of codes.
_POWER, _MOST_BITS = 0.5, 16


def rounded_codes(conversion: Conversion) -> tuple[Remark, ...]:
    """The operators that may round, or clip, where the model does not."""
    file, graph = conversion.file, conversion.graph
    held = {x.layer for x in file.layers if not (x.fused_into or x.converter)}
    making = {
        layer: node
        for layer in graph.layers
        if layer.name in held and not _quantizes(graph, layer)
        for node in file.cones[layer.name]
        if node.op_type == "QuantizeLinear"
    }
    return tuple(
        Remark(f"{called(node)} may round what the model does not", frozenset({layer.name}))
        for layer, node in making.items()
        if not _holds(
            _grid(node, file.cones[layer.name], file.graph), conversion.analysis, layer.value
        )
    )


def _quantizes(graph: Graph, layer: Layer) -> bool:
    """Whether a quantizer is part of *layer*, or of another one with the same value."""
    first = graph.owners[layer.value]
    return any(isinstance(node.op, Quantize) for node in own_nodes(graph, first))


def _grid(
    quantizer: onnx.NodeProto, cone: Sequence[onnx.NodeProto], file: OnnxGraph
) -> Grid | None:
    """The numbers that a quantizer and what clips its codes can return, if that is known."""
    meaning, origin = meaning_of(quantizer.output[0], file, {}), file.constant(quantizer.input[2])
    if meaning is None or origin is None:
        return None
    info = np.iinfo(origin.dtype)
    ends = [(int(info.min), int(info.max)), *_clipped(cone, file)]
    mantissa, exp = np.frexp(meaning[0])
    lows, highs = zip(*ends, strict=True)
    known = mantissa == _POWER
    return Grid(max(lows) - meaning[1], min(highs) - meaning[1], int(exp) - 1) if known else None


def _clipped(cone: Sequence[onnx.NodeProto], file: OnnxGraph) -> Iterator[tuple[int, int]]:
    """The ends of the ``Clip`` in a cone; where one is not known, nothing is left."""
    for node in cone:
        if node.op_type == "Clip":
            low, high = (file.constant(input_of(node, place)) for place in (1, 2))
            yield (0, -1) if low is None or high is None else (int(low), int(high))


def _holds(grid: Grid | None, analysis: Analysis, value: str) -> bool:
    """Whether all that *value* can be lies on *grid*."""
    reach = analysis.values.get(value)
    if grid is None or not isinstance(reach, Reach):
        return False
    nothing = (reach.lo == 0) & (reach.hi == 0)
    finer = np.where(nothing, 0, reach.exp - grid.exp)
    if np.any((finer < 0) | (finer > _MOST_BITS)):
        return False
    return bool(np.all(reach.lo << finer >= grid.lo) and np.all(reach.hi << finer <= grid.hi))
