"""The graph of layers as its nodes are drawn: a letter, a shape and a colour each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size

from qconvert.checking.results import Finding, LayerResult, Verdict
from qconvert.report.escape import printable
from qconvert.report.html.layout import NAMED, Drawing, drawn

#: Letters of a name that a node has room for.
_LETTERS: Final = 17
#: Of a layer that differs because what it computes from does.
INHERITED: Final = "d"


@dataclass(frozen=True, slots=True)
class Node:
    """The layer of a number, its upper left corner, the letter of its verdict, and its name."""

    number: int
    x: int
    y: int
    mark: str
    label: str
    layer: LayerResult


@dataclass(frozen=True, slots=True)
class GraphView:
    """A drawing and what stands in its nodes; with ``named``, names do."""

    drawing: Drawing
    nodes: tuple[Node, ...]
    named: bool


def graph_of(layers: Sequence[LayerResult]) -> GraphView:
    """The graph of *layers*, which come in topological order."""
    numbers = {layer.name: i for i, layer in enumerate(layers)}
    drawing = drawn(
        [
            [numbers[name] for name in layer.sources if numbers.get(name, i) < i]
            for i, layer in enumerate(layers)
        ]
    )
    nodes = tuple(
        Node(i, x, y, mark_of(layer.finding), _shortened(printable(layer.name)), layer)
        for i, ((x, y), layer) in enumerate(zip(drawing.corners, layers, strict=True), 1)
    )
    return GraphView(drawing, nodes, drawing.cell is NAMED)


def mark_of(finding: Finding) -> str:
    """The letter of a verdict; a small one if only what is before it is to blame."""
    inherited = finding.verdict is Verdict.DIFFERS and finding.inherited_from
    return INHERITED if inherited else finding.verdict.value[0]


def _shortened(name: str) -> str:
    """Both ends of a name that is too long: layers of a kind often differ in the last letters."""
    if cell_len(name) <= _LETTERS:
        return name
    half = (_LETTERS - 1) // 2
    begin, end = set_cell_size(name, half), set_cell_size(name[::-1], half)[::-1]
    return f"{begin.strip()}…{end.strip()}"
