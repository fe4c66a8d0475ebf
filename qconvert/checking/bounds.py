"""How far correct programs can be from one another in a layer, over all that comes to it."""

from typing import Final

import numpy as np

from qconvert.checking.grounds import Bound
from qconvert.checking.proof import own_nodes
from qconvert.checking.radius import FUNCTION_ULPS, TINY_SOFTMAX, UNIT, gamma
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
    largest = _largest(nodes[-1], graph, analysis)
    # Of an operation that is not certified, no rule says that rounding changes nothing.
    return Bound(largest or None)


def _largest(node: Node, graph: Graph, analysis: Analysis) -> float | None:
    channels = node.shape[-1]
    if channels is None:
        return None
    producers = {each.name: each for each in graph.nodes}
    if isinstance(node.op, Dense | Conv | ConvTranspose):
        own = lattice_of(node.name, channels, analysis.values, producers)
        return None if own is None else 2 * float(own.radius.max(initial=0.0))
    if isinstance(node.op, Softmax):
        before = lattice_of(node.inputs[0], channels, analysis.values, producers)
        count = node.shape[node.op.axis]
        return None if before is None or count is None else _of_softmax(before, count)
    cone = cone_of(node, graph, analysis) if isinstance(node.op, _GROWING) else None
    if cone is None or not all(isinstance(each.op, _GROWING) for each in cone.nodes):
        return None
    uncertain = any(x.radius.any() for x in cone.sources.values())
    if (uncertain or len(cone.nodes) > 1) and _has_function(cone):
        # A function is flattest at the ends of its range, where it hides what comes to it.
        return None
    return _at_the_ends(cone)


def _has_function(cone: Cone) -> bool:
    return any(isinstance(node.op, Elementwise) for node in cone.nodes)


def _at_the_ends(cone: Cone) -> float:
    radii = (
        table(cone, {name: getattr(x, end)[np.newaxis] for name, x in cone.sources.items()})[1]
        for end in ("lo", "hi")
    )
    return max(float(radius.max()) for radius in radii)


def _of_softmax(x: Lattice, count: int) -> float:
    """The rule of `rounding` at its worst: a result of 1, the others as far below as can be."""
    ends = [codes * x.scale / x.divisor + x.offset for codes in (x.lo, x.hi)]
    depth = float(np.max(ends) - np.min(ends))
    relative = 2 * UNIT * depth + gamma(4 * FUNCTION_ULPS + count + 1)
    spread = np.expm1(4 * float(x.radius.max(initial=0.0)))
    return float(2 * (relative + spread) + TINY_SOFTMAX)
