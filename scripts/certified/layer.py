"""A small graph with stated inputs, of which the analysis is asked for certificates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qconvert.ir import (
    Graph,
    Grid,
    Input,
    Layer,
    Node,
    Op,
    Output,
    Quantizer,
    infer_shape,
    validate,
)
from qconvert.ir.ops import Concat, Dense, Quantize

#: The node that a layer is named after; others are quantizers and rectifiers around it.
MAIN = "main"


@dataclass(frozen=True, slots=True)
class Source:
    """An input of *shape*, without the batch, of numbers on *grid*, and what quantizes it."""

    shape: tuple[int, ...]
    grid: Grid
    quantizer: Quantizer | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """A layer that is drawn anew from its seed; every value of the graph has a short name."""

    seed: int
    kind: str
    graph: Graph
    domains: Mapping[str, Grid]


def small(
    seed: int, kind: str, sources: Sequence[Source], op: Op, behind: Sequence[Op] = ()
) -> Small:
    """*op* on all *sources*, quantized where they say so, and further ops one after the other.

    A `Dense` takes one value: several sources (vectors) are joined for it.
    """
    inputs = tuple(Input(f"x{i}", (None, *s.shape)) for i, s in enumerate(sources))
    nodes: list[Node] = []

    def append(name: str, op: Op, *read: Input | Node) -> Node:
        shape = infer_shape(op, *(each.shape for each in read))
        nodes.append(Node(name, op, tuple(each.name for each in read), shape))
        return nodes[-1]

    read = [
        x if s.quantizer is None else append(f"q{i}", Quantize(s.quantizer), x)
        for i, (x, s) in enumerate(zip(inputs, sources, strict=True))
    ]
    if isinstance(op, Dense) and len(read) > 1:
        read = [append("joined", Concat(1), *read)]
    last = append(MAIN, op, *read)
    for i, more in enumerate(behind):
        last = append(f"behind{i}", more, last)
    layers = (Layer(last.name, type(op).__name__, last.name),)
    graph = Graph("small", inputs, tuple(nodes), (Output(last.name, last.name),), layers)
    validate(graph)
    return Small(seed, kind, graph, {x.name: s.grid for x, s in zip(inputs, sources, strict=True)})
