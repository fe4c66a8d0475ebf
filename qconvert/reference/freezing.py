"""Scales of activations that depend on the batch, frozen on one batch."""

from collections.abc import Mapping
from dataclasses import replace

from qconvert.errors import Problem, UnsupportedError
from qconvert.ir.graph import Graph, Layer, Node, is_of_batch, validate
from qconvert.ir.ops import Quantize
from qconvert.ir.types import F32
from qconvert.numerics import freeze_scale
from qconvert.reference.evaluate import apply


def freeze(graph: Graph, inputs: Mapping[str, F32]) -> Graph:
    """*graph* with the scales that QKeras computes when it gets all of *inputs* as one batch.

    Each layer with such a scale says so. `UnsupportedError` names those that have none to keep.
    """
    values = dict(inputs)
    nodes: list[Node] = []
    notes: dict[str, str] = {}
    problems: list[Problem] = []
    layers = _owners(graph)
    count = len(next(iter(inputs.values())))
    for node in graph.nodes:
        given = [values[name] for name in node.inputs]
        if isinstance(node.op, Quantize) and is_of_batch(node.op):
            owner = layers[node.name]
            try:
                frozen = freeze_scale(node.op.quantizer, given[0])
                node = replace(node, op=Quantize(frozen.quantizer))
                notes[owner] = _note(count, frozen.empty)
            except ValueError as error:
                problems.append(Problem("QC406", owner, f"freeze_scales: {error}"))
        nodes.append(node)
        values[node.name] = apply(node.op, *given)
    if problems:
        raise UnsupportedError(problems)
    told = tuple(_told(layer, notes.get(layer.name)) for layer in graph.layers)
    result = replace(graph, nodes=tuple(nodes), layers=told)
    validate(result)
    return result


def _owners(graph: Graph) -> dict[str, str]:
    """The layer of each node: the one whose value comes next, for its nodes lie together."""
    of_value = {layer.value: layer.name for layer in reversed(graph.layers)}
    found: dict[str, str] = {}
    owner = ""
    for node in reversed(graph.nodes):
        owner = of_value.get(node.name, owner)
        found[node.name] = owner
    return found


def _note(count: int, empty: int) -> str:
    text = (
        f"its scale is frozen, as QKeras computes it from {count} samples in one batch; from every"
        " other batch QKeras computes another scale, and other results"
    )
    return f"{text}; {empty} channels that are 0 in all of them stay 0" if empty else text


def _told(layer: Layer, note: str | None) -> Layer:
    if note is None:
        return layer
    return replace(layer, notes=(*layer.notes, note), frozen=True)
