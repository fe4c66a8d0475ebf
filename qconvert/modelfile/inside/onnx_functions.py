"""How many nodes an ONNX file has once calls of its own functions are replaced, as runtimes do.

A function that calls another twice, which calls another twice, and so on, is a small file, and
2**30 nodes. So they are counted before anything of onnx's follows the calls.
"""

from __future__ import annotations

from collections import Counter
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from .refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import onnx

#: Domain, name and overload of a function, which the nodes that call it have as well.
Key: TypeAlias = "tuple[str, str, str]"


def require_few_calls(model: onnx.ModelProto, most: int) -> None:
    """Refuse functions that call themselves, and calls that stand for more than *most* nodes.

    Functions that nothing calls are followed by nobody.
    """
    bodies = {(each.domain, each.name, each.overload): each for each in model.functions}
    _require_no_graphs(model, bodies.keys())
    calls = {key: _calls(body.node) for key, body in bodies.items()}
    sizes: dict[Key, int] = {}
    for key in _callees_first(calls):
        # Those without nodes are calls all the same; the numbers themselves would fill the memory.
        made = sum(times * (1 + sizes.get(each, 0)) for each, times in calls[key].items())
        sizes[key] = min(made, most + 1)
    made = sum(times * sizes.get(each, 0) for each, times in _calls(model.graph.node).items())
    if made > most:
        raise RefusalError(
            "QC708", "calls of functions of its own stand for too many nodes", "function_nodes"
        )


def _require_no_graphs(model: onnx.ModelProto, functions: Collection[Key]) -> None:
    """Refuse graphs as attributes of functions, which may put them into any number of nodes."""
    bodies = (model.graph.node, *(each.node for each in model.functions))
    calls = (node for nodes in bodies for node in _all(nodes) if _key_of(node) in functions)
    given = chain.from_iterable(node.attribute for node in calls)
    usual = chain.from_iterable(each.attribute_proto for each in model.functions)
    for attribute in (*given, *usual):
        if attribute.HasField("g") or attribute.graphs:
            name = attribute.name[:200]
            raise RefusalError("QC708", f"a function of its own is given a graph as {name!r}")


def _callees_first(calls: dict[Key, Counter[Key]]) -> Iterable[Key]:
    inner = {key: counted.keys() & calls.keys() for key, counted in calls.items()}
    try:
        return [*TopologicalSorter(inner).static_order()]
    except CycleError as error:
        name = error.args[1][0][1]
        raise RefusalError("QC702", f"its function {name[:200]!r} calls itself") from None


def _calls(nodes: Iterable[onnx.NodeProto]) -> Counter[Key]:
    """How often each function or operator is called by *nodes* and the graphs in them."""
    return Counter(map(_key_of, _all(nodes)))


def _all(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all(graph.node)


def _key_of(node: onnx.NodeProto) -> Key:
    return node.domain, node.op_type, node.overload
