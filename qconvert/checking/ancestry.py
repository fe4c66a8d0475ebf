"""Which layers a difference comes from: the graph between the values that were compared."""

from collections.abc import Mapping

from qconvert.ir import Graph
from qconvert.ir.graph import in_order


def sources(graph: Graph) -> dict[str, tuple[str, ...]]:
    """For every layer, the layers whose outputs it computes from."""
    owner: dict[str, str] = {}
    result: dict[str, tuple[str, ...]] = {}
    readers = {node.name: node.inputs for node in graph.nodes}
    for layer in in_order(graph):
        earlier = owner.get(layer.value)
        # A layer that does nothing has the value of the layer before it.
        found = [earlier] if earlier else _owners(readers.get(layer.value, ()), owner, readers)
        result[layer.name] = tuple(dict.fromkeys(found))
        owner[layer.value] = layer.name
    return result


def layers_behind(graph: Graph, value: str) -> set[str]:
    """The layers that *value*, which is one's, is computed by."""
    before = sources(graph)
    owner = next((layer.name for layer in in_order(graph)[::-1] if layer.value == value), None)
    pending, seen = [owner] if owner else [], set[str]()
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += before[name]
    return seen


def _owners(
    values: tuple[str, ...], owner: Mapping[str, str], readers: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """The layers behind *values*, through values that belong to no layer."""
    found: list[str] = []
    seen: set[str] = set()
    pending = list(reversed(values))
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if value in owner:
            found.append(owner[value])
        else:
            pending.extend(reversed(readers.get(value, ())))
    return found


def origins(
    name: str,
    differing: Mapping[str, bool],
    sources: Mapping[str, tuple[str, ...]],
    known: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """The layers that the difference of layer *name* was inherited from; empty if it is its own.

    *differing* tells which layers differ for one pair of witnesses; a layer that is not in it
    was not compared, so its own sources are looked at. *known* has the origins of the layers
    before *name*.
    """
    found: list[str] = []
    pending = dict.fromkeys(sources[name])
    seen = 0
    while seen < len(pending):
        source = list(pending)[seen]
        seen += 1
        if source not in differing:
            pending |= dict.fromkeys(sources[source])
        elif differing[source]:
            found.extend(known.get(source) or (source,))
    return tuple(dict.fromkeys(found))
