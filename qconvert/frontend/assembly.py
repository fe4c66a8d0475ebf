"""Puts together a graph that is a part of a layer."""

from collections.abc import Iterable, Mapping

from qconvert.frontend.problems import Malformed
from qconvert.ir.graph import Graph, Input, Node, Output
from qconvert.ir.ops import Op
from qconvert.ir.shapes import Shape, infer_shape


class Assembly:
    """Collects nodes; values are referred to by names that it gives them."""

    def __init__(self, inputs: Mapping[str, Shape]) -> None:
        self._inputs = tuple(Input(name, shape) for name, shape in inputs.items())
        self._nodes: list[Node] = []
        self._shapes: dict[str, Shape] = dict(inputs)

    def add(self, op: Op, *inputs: str) -> str:
        """The name of ``op(*inputs)``; `Malformed` if they do not fit."""
        shapes = [self._shapes[name] for name in inputs]
        try:
            shape = infer_shape(op, *shapes)
        except ValueError as error:
            raise Malformed(f"does not fit inputs of shapes {shapes}: {error}") from None
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

    def graph(self, name: str, outputs: Iterable[str]) -> Graph:
        """What was collected, with these results."""
        results = tuple(Output(f"output_{i}", value) for i, value in enumerate(outputs))
        return Graph(name, self._inputs, tuple(self._nodes), results, ())
