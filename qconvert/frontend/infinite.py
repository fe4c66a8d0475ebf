"""Weights that are no finite numbers: of a training that went wrong, or of a broken file."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from qconvert.ir.graph import Graph, Layer


def with_infinite_noted(graph: Graph) -> Graph:
    """*graph*, where each layer tells how many of its weights are not finite."""
    layers = tuple(_noted(layer) for layer in graph.layers)
    return graph if layers == graph.layers else replace(graph, layers=layers)


def _noted(layer: Layer) -> Layer:
    notes = tuple(_notes(layer))
    return replace(layer, notes=(*layer.notes, *notes)) if notes else layer


def _notes(layer: Layer) -> Iterator[str]:
    for role, weight in layer.weights.items():
        count = weight.effective.size - int(np.count_nonzero(np.isfinite(weight.effective)))
        if count:
            yield f"{count:,} of {weight.effective.size:,} numbers of {role} are NaN or infinite"
