"""By layer of a file the operators that ONNX Runtime runs, and what does not run on integers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import onnx

from qconvert.checking.deployed.casting import MOVING
from qconvert.checking.deployed.drawn_file import DrawnFile, Layers
from qconvert.checking.deployed.float_steps import float_steps
from qconvert.checking.deployed.kernels import LINEAR, called, is_integer, kind_of, operator_of
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.obstacles import obstacles
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.saturation import avoids_saturation

_LINE: Final = ", {} numbers a channel in the place of a normalization"
_UNSIGNED: Final = (
    "its weights are uint8, for as int8 they could saturate on x86 CPUs without VNNI: export "
    "--vnni, or weights of fewer bits, can be faster"
)


@dataclass(frozen=True, slots=True)
class InFloat:
    """A linear operator of the file that no integer kernel computes, and why; empty if unknown.

    Or the steps of a layer that has none such, and which sums or codes they stand behind.
    """

    operator: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LayerKernels:
    """The operators that compute a layer, in order; those of no layer are of ``""``.

    ``own`` are those that no earlier layer has, ``shared_with`` the first layers of the others,
    but for those that only move numbers, if there are any else;
    ``remarks`` tell what an integer kernel takes more time for.
    """

    layer: str
    operators: tuple[str, ...]
    own: tuple[str, ...]
    shared_with: tuple[str, ...]
    in_float: tuple[InFloat, ...]
    remarks: tuple[str, ...]


def kernels_by_layer(drawn: onnx.ModelProto, made: onnx.ModelProto) -> tuple[LayerKernels, ...]:
    """How each layer of the file *drawn* runs in the graph *made* of it.

    An operator that computes for several layers is listed with each of them. Of no layer are those
    that make constants, which layers may share, in every call, and those behind the last layers.
    """
    layered = LayeredFile(drawn)
    file, graph = DrawnFile(layered), OnnxGraph(made.graph)
    names = [layer.layer for layer in layered.layers]
    order = {name: place for place, name in enumerate(names)}
    # With the first of the layers that each computes for.
    operators: dict[str, list[tuple[str, str]]] = {}
    remarks: dict[str, list[str]] = {}
    for outer in graph.nodes:
        owners = () if graph.makes_constants(outer) else file.layers_of(outer, graph)
        layers = sorted(owners or {""}, key=lambda x: order.get(x, -1))
        nested = [(operator_of(node), layers[0]) for node, _ in graph.nested(outer)]
        for layer in layers:
            operators.setdefault(layer, []).extend(nested)
        remarks.setdefault(layers[0], []).extend(_remarks(outer, graph))
    in_float = _in_float(file, graph)
    lines = {x.layer: layered.lines.get(x.fused_into or x.layer) for x in layered.layers}
    for name, steps in float_steps(file, graph).items():
        line = lines.get(name)
        why = "" if line is None else _LINE.format("two" if line.shift is None else "three")
        in_float.setdefault(name, [InFloat(kinds, (places + why,)) for kinds, places in steps])
    return tuple(
        _kernels(name, operators.get(name, ()), in_float.get(name, ()), remarks.get(name, ()))
        for name in (*names, "")
        if name in in_float or name in operators
    )


def _kernels(
    layer: str,
    operators: Sequence[tuple[str, str]],
    in_float: Sequence[InFloat],
    remarks: Sequence[str],
) -> LayerKernels:
    return LayerKernels(
        layer,
        tuple(name for name, _ in operators),
        tuple(name for name, first in operators if first == layer),
        _shared_with(layer, operators),
        tuple(in_float),
        tuple(dict.fromkeys(remarks)),
    )


def _shared_with(layer: str, operators: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Of what only moves numbers for several layers none is computed with another."""
    shared = [(name, first) for name, first in operators if first != layer]
    computing = [first for name, first in shared if name not in MOVING]
    moved = [first for _, first in shared] if len(shared) == len(operators) else []
    return tuple(dict.fromkeys(computing or moved))


def _remarks(outer: onnx.NodeProto, made: OnnxGraph) -> Iterator[str]:
    for node, graph in made.nested(outer):
        if avoids_saturation(node, graph):
            yield _UNSIGNED


def off_integers(drawn: onnx.ModelProto) -> Layers:
    """The layers of a file with a linear operator that no integer kernel can compute."""
    file = DrawnFile(LayeredFile(drawn))
    return frozenset(
        layer
        for outer in file.graph.nodes
        for node, graph in file.graph.nested(outer)
        if kind_of(node) in LINEAR and obstacles(node, graph)
        for layer in file.owners_of(outer)
    )


def _in_float(file: DrawnFile, made: OnnxGraph) -> dict[str, list[InFloat]]:
    """By layer its linear operators that are not computed by integer kernels alone."""
    kinds: dict[str, set[bool]] = {}
    for name, integer in _computed(file.graph, made):
        kinds.setdefault(name, set()).add(integer)
    found: dict[str, list[InFloat]] = {}
    for outer in file.graph.nodes:
        layer = min(file.owners_of(outer), default="")
        for node, graph in file.graph.nested(outer):
            if kind_of(node) in LINEAR and kinds.get(node.output[0]) != {True}:
                found.setdefault(layer, []).append(InFloat(called(node), obstacles(node, graph)))
    return found


def _computed(drawn: OnnxGraph, made: OnnxGraph) -> Iterator[tuple[str, bool]]:
    """The results of linear operators as drawn, with whether one that was made has integers."""
    for node in made.nodes:
        counterparts = drawn.drawn_for(node, made)
        if kind_of(node) in LINEAR:
            yield from ((each.output[0], is_integer(node)) for each in counterparts)
        for body in made.bodies(node):
            bodies = (inner for each in counterparts for inner in drawn.bodies(each))
            yield from (found for inner in bodies for found in _computed(inner, body))
