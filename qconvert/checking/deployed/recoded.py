"""Codes that a file makes of others where the model has no quantizer: nothing may be rounded.

`emit` joins and adds codes of several steps as codes of the finest one. Samples need not show where
these end, or a number between two of them; what is known of all numbers of the layer does.
"""

from typing import Final

import numpy as np

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import Remark
from qconvert.checking.deployed.kernels import called
from qconvert.checking.deployed.rounded_grid import rounded_grid
from qconvert.checking.proof import own_nodes
from qconvert.exactness import Analysis, Reach
from qconvert.ir import Graph, Grid, Layer
from qconvert.ir.ops import Quantize

#: How many times a step may hold that of codes, as a power of two.
_MOST_BITS: Final = 16


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
        for grid in [rounded_grid(node, file.cones[layer.name], file.graph)]
        if not _holds(grid, conversion.analysis, layer.value)
    )


def _quantizes(graph: Graph, layer: Layer) -> bool:
    """Whether a quantizer is part of *layer*, or of another one with the same value."""
    first = graph.owners[layer.value]
    return any(isinstance(node.op, Quantize) for node in own_nodes(graph, first))


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
