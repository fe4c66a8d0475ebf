"""Layers that a model has and none of its outputs depends on."""

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Final

from qconvert.ir.graph import Graph

NOTE: Final = "no output of the model depends on it, and the file does not compute it"


def with_idle_noted(graph: Graph, results: Mapping[str, Set[str]]) -> Graph:
    """*graph*, where each layer tells if none of its *results*, by its path, is needed.

    One that returns what it is given, such as ``Dropout``, has that of another layer.
    """
    idle = {path for path, values in results.items() if values.isdisjoint(graph.needed)}
    if not idle:
        return graph
    layers = (
        replace(layer, notes=(*layer.notes, NOTE)) if layer.name in idle else layer
        for layer in graph.layers
    )
    return replace(graph, layers=tuple(layers))
