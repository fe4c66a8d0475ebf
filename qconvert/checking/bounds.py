"""How far correct programs can be from one another in a layer, over all that comes to it."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from qconvert.checking.proof import own_nodes
from qconvert.checking.radius import FUNCTION_ULPS, TINY_SOFTMAX, UNIT, gamma
from qconvert.checking.results import Bound
from qconvert.checking.tables.cones import Cone, cone_of
from qconvert.checking.tables.enumeration import Tables
from qconvert.checking.tables.states import table
from qconvert.exactness import Analysis, Certificate, Lattice, lattice_of
from qconvert.ir import Graph, Layer, Node
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Opaque,
    Relu,
    Scale,
    Softmax,
)

#: Of these, what rounding may change grows with the input's magnitude.
_GROWING: Final = (Affine, BatchNormalization, Elementwise, Relu, Scale)


def bound_of(graph: Graph, analysis: Analysis, tables: Tables, layer: Layer) -> Bound | None:
    """What rounding can change in *layer*; ``None`` if its operations have no known rounding."""
    nodes = own_nodes(graph, layer)
    if layer.frozen or any(isinstance(node.op, Opaque) for node in nodes):
        return None
    if layer.value in tables.bounds:
        return tables.bounds[layer.value]
    if all(isinstance(analysis.certificates[node.name], Certificate) for node in nodes):
        return Bound(0.0)
    producers = {node.name: node for node in graph.nodes}
    return Bound(_largest(nodes[-1], analysis, producers))


def _largest(node: Node, analysis: Analysis, producers: Mapping[str, Node]) -> float | None:
    channels = node.shape[-1]
    if channels is None:
        return None
    if isinstance(node.op, Dense | Conv | ConvTranspose):
        own = lattice_of(node.name, channels, analysis.values, producers)
        return None if own is None else 2 * float(own.radius.max(initial=0.0))
    if isinstance(node.op, Softmax):
        before = lattice_of(node.inputs[0], channels, analysis.values, producers)
        return None if before is None else _of_softmax(before)
    cone = cone_of(node, analysis, producers) if isinstance(node.op, _GROWING) else None
    if cone is None or not all(isinstance(each.op, _GROWING) for each in cone.nodes):
        return None
    return _at_the_ends(cone)


def _at_the_ends(cone: Cone) -> float:
    radii = (
        table(cone, {name: getattr(x, end)[np.newaxis] for name, x in cone.sources.items()})[1]
        for end in ("lo", "hi")
    )
    return max(float(radius.max()) for radius in radii)


def _of_softmax(x: Lattice) -> float:
    """The rule of `rounding` at its worst: a result of 1, the others as far below as can be."""
    ends = [codes * x.scale / x.divisor + x.offset for codes in (x.lo, x.hi)]
    depth = float(np.max(ends) - np.min(ends))
    relative = 2 * UNIT * depth + gamma(4 * FUNCTION_ULPS + len(x.lo) + 1)
    spread = np.expm1(4 * float(x.radius.max(initial=0.0)))
    return float(2 * (relative + spread) + TINY_SOFTMAX)
