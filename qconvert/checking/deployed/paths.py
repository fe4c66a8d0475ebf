"""What a model has between sums, or means, and a value that a file computes of them at once."""

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from qconvert.emit.metadata import LayerTensor
from qconvert.ir import Graph, Node
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Pad,
    Pool,
    Quantize,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Transpose,
    UpSample,
)
from qconvert.reference import apply
from qconvert.reference.normalization import constants
from qconvert.runners.cutting import tensors_of

#: What has other numbers for each channel.
_BY_CHANNEL: Final = Affine | BatchNormalization


def fusions(graph: Graph, layers: Sequence[LayerTensor]) -> dict[str, str]:
    """By layer the one whose operators compute it, of those that the file says this of rightly.

    Between the sums and the value of that other one, and without tensors of their own.
    """
    values = {layer.name: layer.value for layer in graph.layers}
    held = {layer.layer for layer in layers if any(tensors_of(layer))}
    ends = {layer.layer: layer.fused_into for layer in layers if layer.fused_into}
    inside = {values.get(name) for name in ends}
    within = {
        end: {node.name for path in paths_to(graph, values[end], inside) for node in path[:-1]}
        for end in held & values.keys() & set(ends.values())
    }
    return {
        name: end
        for name, end in ends.items()
        if name not in held and values.get(name) in within.get(end, ())
    }


def paths_to(graph: Graph, end: str, inside: Collection[str | None] = ()) -> list[list[Node]]:
    """All ops from a linear op or a mean to *end*, in order; of all that are joined in between.

    In front of a mean a convolution, if its results are *inside* of the operator. None where these
    make of the largest sum of a channel anything but the largest result.
    """
    behind: list[Node] = []
    name = end
    while (node := graph.makers.get(name)) is not None:
        if isinstance(node.op, Conv | ConvTranspose | Dense) or is_mean(node):
            path = [node, *behind]
            before = graph.makers.get(node.inputs[0])
            within = before is not None and before.name in inside
            if before is not None and within and is_mean(node) and isinstance(before.op, Conv):
                path.insert(0, before)
            return [path] if _keep_channels_and_order(behind) else []
        behind.insert(0, node)
        if isinstance(node.op, Concat):
            return _joined(graph, node, behind, inside)
        if len(node.inputs) != 1:
            return []
        (name,) = node.inputs
    return []


def _joined(
    graph: Graph, concat: Node, behind: Sequence[Node], inside: Collection[str | None]
) -> list[list[Node]]:
    """The paths to all that *concat* reads, each with what is *behind* that."""
    found: list[list[Node]] = []
    first = 0
    for name in concat.inputs:
        paths, last = _ending_at(graph, name, inside), first + (graph.shapes[name][-1] or 0)
        channels = concat.shape[-1] != graph.shapes[name][-1]
        own = [_for_some(node, first, last) for node in behind] if channels else behind
        found += [[*path, *own] for path in paths if len(paths) == 1]
        first = last
    right = all(_keep_channels_and_order(path[1:]) for path in found)
    return found if right and len(found) == len(concat.inputs) else []


def _ending_at(graph: Graph, name: str, inside: Collection[str | None]) -> list[list[Node]]:
    """The paths to a value that is joined; nothing but itself, if another layer has it."""
    if name in graph.makers and name in graph.owners and name not in inside:
        return [[graph.makers[name]]]
    return paths_to(graph, name, inside)


def _for_some(node: Node, first: int, last: int) -> Node:
    """What a *node* does to the channels from the *first* to the one before the *last*."""
    if not isinstance(node.op, _BY_CHANNEL):
        return node
    arrays = {x.name: getattr(node.op, x.name) for x in fields(node.op)}
    some: dict[str, Any] = {
        name: array[first:last]
        for name, array in arrays.items()
        if isinstance(array, np.ndarray) and array.size > 1
    }
    if arrays.get("program"):
        some["program"] = tuple(each[first:last] for each in arrays["program"])
    return replace(node, op=replace(node.op, **some))


def _keep_channels_and_order(behind: Sequence[Node]) -> bool:
    """Whether all behind a pool rises, and nothing by channel is where these may be others.

    And whether zeros that are added stay zeros.
    """
    pooled = rearranged = padded = False
    for node in behind:
        if (pooled and not rises(node)) or (rearranged and isinstance(node.op, _BY_CHANNEL)):
            return False
        if padded and not _keeps_zero(node):
            return False
        pooled |= isinstance(node.op, Pool | Reduce)
        rearranged |= isinstance(node.op, Reduce | Reshape | Slice | Transpose)
        padded |= isinstance(node.op, Pad)
    return True


def _keeps_zero(node: Node) -> bool:
    """Whether it returns zeros for zeros, which others may be put beside behind it as well."""
    if isinstance(node.op, Quantize | Relu | Scale):
        return not apply(node.op, np.zeros((1, 1), np.float32)).any()
    return moves(node)


def rises(node: Node) -> bool:
    """Whether a larger number never becomes a smaller one, in any channel."""
    match node.op:
        case BatchNormalization():
            factors = [array for kind, array in constants(node.op) if kind == "multiply"]
        case Affine(factor=factor):
            factors = [] if factor is None else [factor]
        case Scale(factor=number):
            factors = [np.asarray(number, np.float32)]
        case _:
            return isinstance(node.op, Quantize | Relu) or moves(node)
    return all(bool(np.all(factor >= 0)) for factor in factors)


def is_mean(node: Node) -> bool:
    """Whether a node takes means over windows."""
    return isinstance(node.op, Pool) and node.op.kind == "mean"


def moves(node: Node) -> bool:
    """Whether a node selects elements, and computes nothing."""
    # Said here again: that these commute with rounding is a claim of the exporter's.
    match node.op:
        case Pool(kind="max") | Reduce(kind="max"):
            return True
        case Concat() | Pad() | Reshape() | Slice() | Transpose() | UpSample():
            return True
        case _:
            return False
