"""Puts together a graph that is a part of a layer."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from qconvert.frontend.problems import Malformed
from qconvert.ir.graph import Graph, Input, Node, Output
from qconvert.ir.ops import Op
from qconvert.ir.shapes import Shape, infer_shape

_NOTHING: Final[Mapping[str, Shape]] = MappingProxyType({})


def chained(shapes: Sequence[Shape], before: Sequence[Sequence[Op]], ops: Sequence[Op]) -> Graph:
    """A chain of *ops*, whose first takes all inputs, after ``before[i]`` on input ``i``."""
    whole = Assembly.of(shapes)
    values = list(whole.inputs)
    for i, own in enumerate(before):
        values[i] = whole.chain(own, values[i])
    for op in ops:
        values = [whole.add(op, *values)]
    return whole.graph("layer", values[-1:])


class Assembly:
    """Collects nodes; values are referred to by names that it gives them."""

    @classmethod
    def of(
        cls,
        shapes: Sequence[Shape],
        masks: Sequence[Shape | None] = (),
        states: Mapping[str, Shape] = _NOTHING,
    ) -> "Assembly":
        """With inputs of these shapes and masks of some of them, which it names, and *states*."""
        known = {_mask_of(i): shape for i, shape in enumerate(masks) if shape is not None}
        return cls({f"input_{i}": shape for i, shape in enumerate(shapes)} | known | dict(states))

    def __init__(self, inputs: Mapping[str, Shape]) -> None:
        self.inputs = tuple(inputs)
        self._nodes: list[Node] = []
        self._shapes: dict[str, Shape] = dict(inputs)

    def mask(self, number: int) -> str | None:
        """The mask of an input, if it has one."""
        return name if (name := _mask_of(number)) in self.inputs else None

    def add(self, op: Op, *inputs: str) -> str:
        """The name of ``op(*inputs)``; `Malformed` if they do not fit."""
        shapes = [self._shapes[name] for name in inputs]
        try:
            shape = infer_shape(op, *shapes)
        except ValueError as error:
            given = ", ".join(map(str, shapes))
            raise Malformed(f"does not fit its input of shape {given}: {error}", "QC315") from None
        kind = type(op).__name__.lower()
        count = 1 + sum(type(node.op) is type(op) for node in self._nodes)
        name = f"{kind}_{count}" if count > 1 else kind
        self._nodes.append(Node(name, op, inputs, shape))
        self._shapes[name] = shape
        return name

    def chain(self, ops: Iterable[Op], value: str) -> str:
        """One op behind the other."""
        for op in ops:
            value = self.add(op, value)
        return value

    def inline(self, graph: Graph, *inputs: str) -> list[str]:
        """The nodes of *graph* on *inputs*: the names of its results."""
        names = {source.name: name for source, name in zip(graph.inputs, inputs, strict=True)}
        for node in graph.nodes:
            names[node.name] = self.add(node.op, *(names[value] for value in node.inputs))
        return [names[output.value] for output in graph.outputs]

    def graph(self, name: str, outputs: Iterable[str]) -> Graph:
        """What was collected, with these results."""
        inputs = tuple(Input(source, self._shapes[source]) for source in self.inputs)
        results = tuple(Output(f"output_{i}", value) for i, value in enumerate(outputs))
        return Graph(name, inputs, tuple(self._nodes), results, ())


def _mask_of(number: int) -> str:
    return f"mask_{number}"
