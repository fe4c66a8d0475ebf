"""The nodes of a whole graph, one by one: what is fused, joined, or by itself."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from qconvert.emit.builder import Builder
from qconvert.emit.dialects import Dialect
from qconvert.emit.interface import input_value
from qconvert.emit.lowering import (
    lower,
    lower_branch,
    lower_chain,
    lower_join,
    lower_line,
    lower_linear,
    lower_mean,
)
from qconvert.emit.lowering.dense_sums import multipliers
from qconvert.emit.lowering.gathering import gathered
from qconvert.emit.lowering.linear_layer import LinearLayer
from qconvert.emit.lowering.requantized import kernels_of
from qconvert.emit.metadata import InterfaceCodes
from qconvert.emit.reaches import reaches
from qconvert.emit.requantization import Chain, Join, chains, joins, means_for_products
from qconvert.emit.values import Value, natural
from qconvert.emit.weights import Weight, weight_of
from qconvert.ir import Graph, Node


class Emission:
    """The nodes of *graph* one by one, with what is known of the whole.

    ``values`` are those of the file, and ``fused`` tells of others that it has not into which
    value's operators they are fused.
    """

    def __init__(
        self,
        graph: Graph,
        b: Builder,
        dialect: Dialect,
        coded: Mapping[str, InterfaceCodes],
        quantized_io: bool,
    ) -> None:
        self.values: dict[str, Value] = {}
        self.fused: dict[str, str] = {}
        self._graph, self._b, self._dialect = graph, b, dialect
        self._quantized_io = quantized_io
        self._reaches = reaches(graph)
        self._owned = {layer.value for layer in graph.layers}
        kernels = dialect.integer_kernels
        self._chains = chains(graph) if kernels else {}
        self._factors = multipliers(graph) if kernels else {}
        self._means = means_for_products(graph) if kernels else set[str]()
        found = joins(graph) if kernels else []
        self._joins = {join.concat.name: join for join in found if join.end.name in self._owned}
        for source in graph.inputs:
            b.scope = source.name
            given = input_value(b, source.name, source.shape, coded.get(source.name))
            self.values[source.name] = given
        waiting = {name for join in self._joins.values() for name in join.fused}
        for node in graph.nodes:
            if node.name in self._joins:
                self._join(self._joins[node.name])
            elif node.name not in waiting:
                self._node(node)

    def _join(self, join: Join) -> None:
        """Its branches as codes, if some are kernels that round; else node by node."""
        read = (x if isinstance(x, str) else x.linear.inputs[0] for x in join.branches)
        found = kernels_of(join, [self.values[name] for name in read], self._b)
        if not found:
            self._each(join.fused)
            return
        branches: list[Value] = []
        inside = join.behind_branches
        for branch, name, write in zip(join.branches, join.concat.inputs, found, strict=True):
            if write is None:
                branches.append(self._quantized(branch, name, join.end))
            else:
                branches.append(lower_branch(branch, write, self._b, self._dialect))
                inside |= frozenset() if isinstance(branch, str) else frozenset(branch.fused)
        self.fused |= dict.fromkeys(inside, join.end.name)
        self._keep(join.end, lower_join(join, branches, self._b, self._dialect))

    def _quantized(self, branch: Chain | str, name: str, end: Node) -> Value:
        """What the quantizer at the *end* makes of a branch, whose value is *name*."""
        if isinstance(branch, Chain):
            self._each(branch.fused)
        self._b.scope = end.name
        shape = self._graph.shapes[name]
        return lower(end.op, (self.values[name],), shape, self._b, self._dialect)

    def _each(self, names: Collection[str]) -> None:
        """The nodes of these *names*, in order."""
        for name in sorted(names, key=self._graph.positions.__getitem__):
            self._node(self._graph.makers[name])

    def _node(self, node: Node) -> None:
        if node.name in self.values or node.name in self.fused:
            return
        b, dialect = self._b, self._dialect
        inputs = tuple(self.values[name] for name in node.inputs)
        chain, weight = self._chains.get(node.name), weight_of(node.op)
        if chain is not None and chain.end.name in self._owned:
            y = lower_chain(chain, weight, inputs[0], b, dialect)
            if y is not None:
                self.fused |= dict.fromkeys(chain.fused, chain.end.name)
                self._keep(chain.end, y)
                return
        b.scope = node.name
        y = self._alone(node, inputs, chain, weight)
        self._keep(node, gathered(self._graph, node, inputs, y, b))
        if chain is None or weight is None or not {node.name, chain.end.name} <= self._owned:
            return
        y = lower_line(chain, weight, inputs[0], self.values[node.name], b, dialect)
        if y is not None:
            self.fused |= dict.fromkeys(chain.behind, chain.end.name)
            self._keep(chain.end, y)

    def _alone(
        self, node: Node, inputs: tuple[Value, ...], chain: Chain | None, weight: Weight | None
    ) -> Value:
        """The value of one node."""
        b, dialect = self._b, self._dialect
        if weight is not None and dialect.integer_kernels:
            given = self._graph.shapes[node.inputs[0]]
            layer = LinearLayer(node, weight, given, chain, self._factors.get(node.name))
            return lower_linear(layer, inputs[0], b, dialect)
        y = lower_mean(node, inputs[0], b) if node.name in self._means else None
        return lower(node.op, inputs, node.shape, b, dialect) if y is None else y

    def _keep(self, node: Node, value: Value) -> None:
        self.values[node.name] = replace(value, reach=self._reaches.get(node.name))
        name = _float_name(self._graph, self._b, node, value, self._quantized_io)
        self._b.rename(value.tensor, name)


def _float_name(graph: Graph, b: Builder, node: Node, value: Value, quantized_io: bool) -> str:
    """The node's name, unless that is the name of an output which is another tensor."""
    outputs = [output for output in graph.outputs if output.name == node.name]
    same = value.layout == natural(value.rank) and not (quantized_io and value.codes)
    if all(output.value == node.name and same for output in outputs):
        return node.name
    return b.fresh(f"{node.name}/stored")
