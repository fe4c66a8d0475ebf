"""How far correct float32 programs may lie apart on one batch: a derived bound, not a tolerance.

A witness's layer is evaluated anew by the reference, from the witness's own inputs to it. Beside
every value goes a radius: no program that computes the same operations in float32, in any order
of summation, returns a value farther from the reference's. It is 0 wherever arithmetic is exact
or every program rounds once and alike, so a difference there is always a fault.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.checking.quantizer_rounding import quantizer_cause
from qconvert.checking.radius import Radius
from qconvert.checking.rounding_ops import Radii, propagated, with_body
from qconvert.ir import F32, Graph, Layer, Node, Op
from qconvert.ir.graph import in_order
from qconvert.ir.ops import (
    BatchNormalization,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Opaque,
    Pool,
    Quantize,
    Reduce,
    Softmax,
)
from qconvert.ir.stock import JointSoftmax, LayerNormalization, MatMul, Power, UnitNormalize
from qconvert.runners.traces import NOTHING, Trace

Mask: TypeAlias = npt.NDArray[np.bool_]

_NONE: Final[Radii] = MappingProxyType({})
_SUMS: Final = "sums of more than 24 bits"
#: Of a layer that rounds nothing, or always alike.
INHERITED: Final = "in what it is computed from"


@dataclass(frozen=True, slots=True, eq=False)
class Misfits:
    """Where a witness's results are not what rounding makes of its own earlier results.

    By layer and by output; ``None`` is nowhere.
    """

    layers: Mapping[str, Mask | None]
    outputs: Mapping[str, Mask | None]


def misfits(
    graph: Graph,
    inputs: Mapping[str, F32],
    found: Trace,
    reference: Trace,
    forced: Mapping[str, F32] = NOTHING,
) -> Misfits:
    """Judge every layer of a witness by the reference evaluated on the witness's own inputs to it.

    Errors do not add up over the layers this way, so that a bound stays one layer's rounding.
    *reference* is the reference's own trace; where the witness agrees with it nothing is computed.
    *forced* are the results that both computed with instead of their own.
    """
    own, theirs = dict(inputs), dict(inputs)
    layers: dict[str, Mask | None] = {}
    for layer in in_order(graph):
        if layer.name in found.layers:
            y, expected = found.layers[layer.name], reference.layers.get(layer.name)
            layers[layer.name] = _misfit(graph, layer.value, y, own, theirs, expected)
            own.setdefault(layer.value, forced.get(layer.name, y))
        if layer.name in reference.layers:
            theirs.setdefault(layer.value, forced.get(layer.name, reference.layers[layer.name]))
    outputs = {
        output.name: _misfit(
            graph,
            output.value,
            found.outputs[output.name],
            own,
            theirs,
            reference.outputs.get(output.name),
        )
        for output in graph.outputs
        if output.name in found.outputs
    }
    return Misfits(layers, outputs)


def _misfit(
    graph: Graph,
    value: str,
    y: F32,
    own: Mapping[str, F32],
    theirs: Mapping[str, F32],
    expected: F32 | None,
) -> Mask | None:
    nodes = _cone(graph, value, own)
    read = {name for node in nodes for name in node.inputs if name in own} or {value}
    agrees = expected is not None and np.array_equal(y, expected)
    if agrees and all(n in theirs and np.array_equal(own[n], theirs[n]) for n in read):
        return None
    if any(own[name].shape != theirs[name].shape for name in read & own.keys() & theirs.keys()):
        return np.ones(y.shape, np.bool_)
    computed, radius = expectation(graph, value, own)
    if computed.shape != y.shape:
        return np.ones(y.shape, np.bool_)
    fits = explained(y, computed, radius)
    return None if fits.all() else ~fits


def expectation(
    graph: Graph, value: str, own: Mapping[str, F32], around: Radii = _NONE
) -> tuple[F32, Radius]:
    """What a program that has its *own* values makes of them, and how far it may be from it.

    It may itself be so far from them as the radii *around* some tell.
    """
    nodes = _cone(graph, value, own)
    owned = {layer.value for layer in graph.layers} | around.keys()
    unseen = any(node.name in owned for node in nodes[:-1])
    unseen |= any(name in around for node in nodes for name in node.inputs)
    return evaluate_bounded(nodes, value, own, around, capped=unseen)


def explained(y: F32, computed: F32, radius: Radius) -> Mask:
    """Where *y* is no farther from what was *computed* than rounding takes it."""
    with np.errstate(invalid="ignore"):
        fits: Mask = (y == computed) | (np.isnan(y) & np.isnan(computed))
        fits |= (np.abs(y.astype(np.float64) - computed) <= radius) & np.isfinite(radius)
    return fits


def _cone(graph: Graph, value: str, known: Mapping[str, F32]) -> list[Node]:
    """The nodes between *known* values and *value*, in order; none if it is known itself."""
    wanted, nodes = {value} - known.keys(), []
    for node in reversed(graph.nodes):
        if node.name in wanted:
            nodes.append(node)
            wanted |= set(node.inputs) - known.keys()
    return nodes[::-1]


def evaluate_bounded(
    nodes: Sequence[Node],
    value: str,
    known: Mapping[str, F32],
    around: Radii = _NONE,
    *,
    capped: bool = False,
) -> tuple[F32, Radius]:
    """*value* from *known* ones, and how far other programs may be from it.

    They may have other known values, within the radii *around* these.

    *capped* keeps every radius, but a quantizer's steps, below `LEAST_INFORMATIVE`.
    """
    radii_of_known = {name: around.get(name) for name in known}
    values, radii = propagated(nodes, known, radii_of_known, capped=capped)
    radius = radii[value]
    return values[value], np.zeros(1) if radius is None else radius


def rounding_in(graph: Graph, layer: Layer) -> str:
    """Which operations of *layer* correct programs may round differently, in words."""
    ops = (op for node in graph.by_layer[layer.name] for op in with_body(node.op))
    found = dict.fromkeys(cause for op in ops if (cause := _cause(op)))
    return ", ".join(found) or INHERITED


def _cause(op: Op) -> str | None:
    match op:
        case Dense() | Conv() | ConvTranspose() | MatMul():
            return _SUMS
        case Pool(kind="mean") | Reduce(kind="mean" | "sum"):
            return _SUMS
        case BatchNormalization():
            return "the constants of the normalization"
        case Softmax() | JointSoftmax() | Elementwise():
            return "exponentials and their kin"
        case Opaque():
            return "the operations of an opaque layer"
        case Quantize(quantizer=quantizer):
            return quantizer_cause(quantizer)
        case Power():
            return "powers"
        case LayerNormalization():
            return "the mean and variance of a sample"
        case UnitNormalize():
            return "the norm of a sample"
        case _:
            return None
