"""The graph of an ONNX file: its constants, what lies between tensors, and graphs inside it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

Array: TypeAlias = npt.NDArray[Any]


#: Operators whose results may be of any size, whatever they are computed from.
_GROWING: Final = frozenset(
    {"ConstantOfShape", "Expand", "EyeLike", "OneHot", "Pad", "RandomNormal", "RandomNormalLike"}
    | {"RandomUniform", "RandomUniformLike", "Range", "Resize", "Tile", "Upsample"}
)
#: Elements of a constant: as many float32 numbers as an ONNX file can hold.
_MOST: Final = 1 << 29


class OnnxGraph:
    """A graph with its constants as they are asked for; *outer* is the one that it lies in.

    Constants are evaluated by onnx's own reference, operator by operator, so that quantized
    weights are seen as the numbers that they stand for.
    """

    def __init__(self, graph: onnx.GraphProto, outer: "OnnxGraph | None" = None) -> None:
        self.nodes = tuple(graph.node)
        self._outer = outer
        self._makers = {name: node for node in graph.node for name in node.output}
        self._taken = {value.name for value in graph.input}
        self._results = {value.name for value in graph.output}
        self._order = {id(node): i for i, node in enumerate(self.nodes)}
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._constants: dict[str, Array | None] = {}
        self._types = {value.name: value.type for value in (*graph.input, *graph.value_info)}
        self._fixed = set(self._stored)
        for node in self.nodes:
            if all(self.is_fixed(name) for name in node.input if name):
                self._fixed.update(node.output)

    def constant(self, name: str) -> Array | None:
        """The contents of a tensor that depends on no input."""
        if name not in self._fixed:
            return None if self._outer is None else self._outer.constant(name)
        if name not in self._constants:
            stored = self._stored.get(name)
            self._constants[name] = (
                self._evaluated(self._makers[name])
                if stored is None
                else numpy_helper.to_array(stored)
            )
        return self._constants[name]

    def is_fixed(self, name: str) -> bool:
        """Whether a tensor depends on no input."""
        return name in self._fixed or (self._outer is not None and self._outer.is_fixed(name))

    def makes_constants(self, node: onnx.NodeProto) -> bool:
        """Whether nothing that an operator of this graph returns depends on an input."""
        return all(self.is_fixed(name) for name in node.output if name)

    def shape(self, name: str) -> tuple[int, ...]:
        """The axes of a tensor as far as they are stated, 0 for an unknown one; (0,) if not."""
        if name not in self._types:
            return (0,) if self._outer is None else self._outer.shape(name)
        return tuple(axis.dim_value for axis in self._types[name].tensor_type.shape.dim) or (0,)

    def maker(self, name: str) -> onnx.NodeProto | None:
        """The operator of this graph that computes a tensor."""
        return self._makers.get(name)

    def before(self, name: str) -> list[str]:
        """The tensors that one is computed from."""
        node = self._makers.get(name)
        return [] if node is None else list(node.input)

    def readers(self, name: str) -> list[onnx.NodeProto]:
        """The operators of this graph that read a tensor."""
        return [node for node in self.nodes if name in node.input]

    def returns(self, name: str) -> bool:
        """Whether a tensor is a result of the graph."""
        return name in self._results

    def behind(self, name: str) -> list[str]:
        """The tensors that are computed from one."""
        return [result for node in self.readers(name) for result in node.output]

    def cone(self, ends: list[str], others: set[str]) -> list[onnx.NodeProto]:
        """The nodes between the tensors of *others* and *ends*, in the file's order."""
        pending, nodes = list(ends), dict[int, onnx.NodeProto]()
        while pending:
            name = pending.pop()
            node = self._makers.get(name)
            if node is None or (name in others and name not in ends):
                continue
            place = self._order[id(node)]
            # Once for all of its outputs: their number times that of its inputs has no limit.
            if place not in nodes:
                nodes[place] = node
                pending += node.input
        return [nodes[i] for i in sorted(nodes)]

    def nested(self, node: onnx.NodeProto) -> Iterator[tuple[onnx.NodeProto, "OnnxGraph"]]:
        """An operator and those of the graphs inside it, as of loops, each with its graph."""
        yield node, self
        for inner in self.bodies(node):
            for each in inner.nodes:
                yield from inner.nested(each)

    def bodies(self, node: onnx.NodeProto) -> Iterator["OnnxGraph"]:
        """The graphs that an operator of this one has, as loops do."""
        for attribute in node.attribute:
            graphs = [attribute.g] if attribute.HasField("g") else attribute.graphs
            yield from (OnnxGraph(body, self) for body in graphs)

    def drawn_for(self, node: onnx.NodeProto, made: "OnnxGraph") -> list[onnx.NodeProto]:
        """What an operator of a graph *made* of this one computes, and perhaps others with it.

        The operators of this graph between the nearest tensors that both have.
        """
        ends = self.nearest(node.output, made.behind)
        return self.cone(ends, set(self.nearest(node.input, made.before)))

    def nearest(self, names: Iterable[str], further: Callable[[str], Iterable[str]]) -> list[str]:
        """The first tensors of this graph among *names* and those *further* from each."""
        pending, seen, found = list(names), set[str](), list[str]()
        while pending:
            name = pending.pop()
            if not name or name in seen:
                continue
            seen.add(name)
            if self.computes(name):
                found.append(name)
            else:
                pending += further(name)
        return found

    def computes(self, name: str) -> bool:
        """Whether a tensor of this graph has that name, and is not a stored one."""
        return name in self._makers or name in self._taken

    def _evaluated(self, node: onnx.NodeProto) -> Array | None:
        inputs = {name: self.constant(name) for name in node.input if name}
        arrays = [array for array in inputs.values() if array is not None]
        if len(arrays) < len(inputs) or len(node.output) != 1 or not _is_bounded(node, arrays):
            return None
        try:
            (result,) = ReferenceEvaluator(node).run(None, inputs)
        except Exception:
            # Operators of other domains, or of another opset than the reference assumes.
            return None
        return np.asarray(result)


def _is_bounded(node: onnx.NodeProto, inputs: Sequence[Array]) -> bool:
    """Whether this process may evaluate an operator: a file of anybody could keep or fill it."""
    loops = any(a.HasField("g") or a.graphs for a in node.attribute)
    return not loops and node.op_type not in _GROWING and _largest(inputs) <= _MOST


def _largest(inputs: Sequence[Array]) -> int:
    """How many elements the result of operands can have, if not more than all their products."""
    try:
        return math.prod(np.broadcast_shapes(*(array.shape for array in inputs)))
    except ValueError:
        return math.prod(array.size for array in inputs)
