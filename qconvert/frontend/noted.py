"""What a layer tells that shows in the whole model alone, or in the numbers of its weights."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from typing import Final

import numpy as np

from qconvert.ir.graph import Graph, Layer

IDLE: Final = "no output of the model depends on it, and the file does not compute it"


def noted(graph: Graph, results: Mapping[str, Set[str]]) -> Graph:
    """*graph*, where each layer tells if none of its *results*, by its path, is needed.

    One that returns what it is given, such as ``Dropout``, has that of another layer. It tells,
    too, how many of its weights are no finite numbers, as a negative variance makes them.
    """
    idle = {path for path, values in results.items() if values.isdisjoint(graph.needed)}
    notes = {layer.name: tuple(_notes(layer, layer.name in idle)) for layer in graph.layers}
    if not any(notes.values()):
        return graph
    layers = (replace(x, notes=(*x.notes, *notes[x.name])) for x in graph.layers)
    return replace(graph, layers=tuple(layers))


def _notes(layer: Layer, idle: bool) -> Iterator[str]:
    if idle:
        yield IDLE
    for role, weight in layer.weights.items():
        count = weight.effective.size - int(np.count_nonzero(np.isfinite(weight.effective)))
        if count:
            yield f"{count:,} of {weight.effective.size:,} numbers of {role} are NaN or infinite"
