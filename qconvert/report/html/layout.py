"""Where the layers of a graph are drawn: by longest path from top to bottom, in columns."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final


@dataclass(frozen=True, slots=True)
class Cell:
    """The size of every node, and the free space between two; ``rows`` fit into a column."""

    width: int
    height: int
    gap: int
    gutter: int
    rows: int


#: With room for a name, and with room for a letter: both fit on a phone 390 pixels wide.
NAMED: Final = Cell(148, 26, 12, 28, 22)
SMALL: Final = Cell(19, 16, 6, 10, 25)
#: Layers of a graph whose nodes have names.
MOST_NAMED: Final = 40


@dataclass(frozen=True, slots=True)
class Drawing:
    """The upper left corners of nodes of one size, and a path of the edges between them."""

    cell: Cell
    width: int
    height: int
    corners: tuple[tuple[int, int], ...]
    edges: str


def drawn(sources: Sequence[Sequence[int]]) -> Drawing:
    """The graph in which layer ``i`` computes from the layers ``sources[i]``, all before it."""
    cell = NAMED if len(sources) <= MOST_NAMED else SMALL
    ranks = ranks_of(sources)
    lanes = _lanes(sources, ranks)
    widths = [0] * (1 + max(ranks, default=0) // cell.rows)
    for rank, lane in zip(ranks, lanes, strict=True):
        column = rank // cell.rows
        widths[column] = max(widths[column], lane + 1)
    across, down = cell.width + cell.gutter, cell.height + cell.gap
    left = [1, *accumulate((n * across for n in widths), initial=1)][1:]
    corners = tuple(
        (left[rank // cell.rows] + lane * across, 1 + rank % cell.rows * down)
        for rank, lane in zip(ranks, lanes, strict=True)
    )
    edges = "".join(
        _edge(cell, corners[source], corners[i], ranks[i] - ranks[source])
        for i, of_layer in enumerate(sources)
        for source in of_layer
    )
    height = min(cell.rows, 1 + max(ranks, default=0)) * down
    return Drawing(cell, left[-1], height, corners, edges)


def ranks_of(sources: Sequence[Sequence[int]]) -> list[int]:
    """How many layers lie before each one on the longest way to it."""
    ranks: list[int] = []
    for of_layer in sources:
        ranks.append(max((ranks[source] + 1 for source in of_layer), default=0))
    return ranks


def _lanes(sources: Sequence[Sequence[int]], ranks: Sequence[int]) -> list[int]:
    """By layer its place beside those of the same rank: below what it computes from, if free."""
    members: dict[int, list[int]] = defaultdict(list)
    for layer, rank in enumerate(ranks):
        members[rank].append(layer)
    lanes = [0] * len(ranks)
    for rank in sorted(members):
        wanted = {
            layer: min((lanes[source] for source in sources[layer]), default=0)
            for layer in members[rank]
        }
        free = 0
        for layer in sorted(wanted, key=lambda layer: (wanted[layer], layer)):
            lanes[layer] = max(free, wanted[layer])
            free = lanes[layer] + 1
    return lanes


def _edge(cell: Cell, above: tuple[int, int], below: tuple[int, int], ranks: int) -> str:
    """To the next rank straight down; past others, or to another column, through the gutters."""
    (x, y), (to_x, to_y) = above, below
    middle, half = cell.width // 2, cell.height // 2
    if ranks == 1 and to_y > y:
        return f"M{x + middle} {y + cell.height}L{to_x + middle} {to_y}"
    right, bend = x + cell.width, cell.gutter - 1
    start, level = f"M{right} {y + half}C{right + bend} {y + half}", to_y + half
    if to_y > y and to_x <= x:
        return f"{start} {right + bend} {level} {to_x + cell.width} {level}"
    return f"{start} {to_x - bend} {level} {to_x} {level}"
