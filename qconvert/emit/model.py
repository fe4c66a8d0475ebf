"""A whole graph as an ONNX model."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import replace
from importlib.metadata import version
from types import MappingProxyType

import onnx

from qconvert.emit.builder import Builder
from qconvert.emit.dialects import DIALECTS, Dialect
from qconvert.emit.interface import (
    Meaning,
    input_codes,
    input_value,
    output_codes,
    returned_codes,
)
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
from qconvert.emit.metadata import (
    CodesTensor,
    InputTensor,
    InterfaceCodes,
    LayerTensor,
    ModelMetadata,
    OutputTensor,
    add_metadata,
)
from qconvert.emit.packing import PACKED_OPSET
from qconvert.emit.reaches import reaches
from qconvert.emit.requantization import Chain, Join, chains, joins, means_for_products
from qconvert.emit.requirements import requirements
from qconvert.emit.values import Value, natural, relayout
from qconvert.emit.weights import Weight, weight_of
from qconvert.errors import UsageError
from qconvert.ir import Graph, Input, Layer, Node, Output

#: Per-channel dequantization came with the oldest; the newest is what ONNX Runtime 1.32 runs.
_OLDEST_OPSET, _NEWEST_OPSET = 13, 26
#: The dialects whose values have codes.
_WITH_CODES = frozenset({"qdq"})


def to_onnx(
    graph: Graph,
    *,
    dialect: str = "qdq",
    opset: int = 21,
    source: str | None = None,
    quantized_io: bool = False,
    meanings: Mapping[str, Meaning] = MappingProxyType({}),
    packed: bool = False,
    vnni: bool = False,
) -> onnx.ModelProto:
    """Export *graph*; the same graph gives the same bytes.

    *source* is the SHA-256 of the file that it was read from, which the metadata tells. Inputs and
    outputs are float32 in Keras's layout and have Keras's names, except an input that is also an
    output, whose name the metadata tells; the batch axis is called ``batch``. *quantized_io* makes
    them integers where a quantizer, or *meanings* of inputs, say what these stand for, which the
    metadata tells, too; *packed* stores weights of up to 4 bits in as many; with *vnni* those of 8
    may be such that x86 CPUs without it saturate. `UsageError` if there is no such dialect or
    opset, or nothing to quantize.
    """
    _require_usable(dialect, opset, quantized_io=quantized_io, packed=packed)
    returned = returned_codes(graph) if quantized_io else frozenset()
    b = Builder(opset, _names(graph), packed=packed, vnni=vnni, returned=returned)
    coded = input_codes(graph, meanings, opset) if quantized_io else {}
    emitted = _Emission(graph, b, DIALECTS[dialect], coded, quantized_io)
    values = emitted.values
    outputs = tuple(
        _output(graph, output, b, values[output.value], quantized_io) for output in graph.outputs
    )
    if quantized_io and not coded and not any(output.codes for output in outputs):
        raise _nothing_quantized(graph)
    producer = "qconvert", version("qconvert")
    inputs = tuple(_input(x, b, values[x.name], coded.get(x.name)) for x in graph.inputs)
    layers = _layers(graph, b, values, emitted.fused)
    model = b.model(graph.name, producer)
    either_way = frozenset(map(b.name_of, b.either_way))
    needs = requirements(model.graph, vnni=bool(b.need_vnni), either_way=either_way)
    add_metadata(model, ModelMetadata(layers, outputs, dialect, inputs, source, producer[1], needs))
    return model


def _require_usable(dialect: str, opset: int, *, quantized_io: bool, packed: bool) -> None:
    """`UsageError` for options that do not exist, or not together."""
    newest = min(_NEWEST_OPSET, onnx.defs.onnx_opset_version())
    if dialect not in DIALECTS:
        raise UsageError("QC003", f"there is no dialect {dialect!r}, only {', '.join(DIALECTS)}")
    if not isinstance(opset, int):
        raise UsageError("QC003", f"the opset is a whole number, not {opset!r}")
    if not _OLDEST_OPSET <= opset <= newest:
        raise UsageError("QC003", f"opset {opset} is not between {_OLDEST_OPSET} and {newest}")
    if quantized_io and dialect not in _WITH_CODES:
        raise UsageError("QC002", f"the dialect {dialect!r} has no integers for inputs and outputs")
    if packed and dialect not in _WITH_CODES:
        raise UsageError("QC002", f"the dialect {dialect!r} has no integers for packed weights")
    if packed and opset < PACKED_OPSET:
        raise UsageError(
            "QC002", f"packed weights need opset {PACKED_OPSET} or later, and this is {opset}"
        )


def _nothing_quantized(graph: Graph) -> UsageError:
    domains = (shlex.quote(f"{each.name}=uint8/255") for each in graph.inputs)
    return UsageError(
        "QC002",
        "no input and no output is quantized to 8 bits, or with opset 21 to 16, and nothing "
        "says what integers would stand for: name the domains of inputs, which for pixels "
        f"divided by 255 takes {' '.join(f'--domain {each}' for each in domains)}",
    )


def _names(graph: Graph) -> list[str]:
    """The names that mean something to the user, which no intermediate tensor may take."""
    named: tuple[Input | Node | Output, ...] = (*graph.inputs, *graph.nodes, *graph.outputs)
    return [each.name for each in named]


class _Emission:
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
        for node in self._graph.nodes:
            if node.name in names:
                self._node(node)

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


def _input(source: Input, b: Builder, value: Value, codes: InterfaceCodes | None) -> InputTensor:
    held = {value.tensor, *([value.codes.tensor] if value.codes else [])} & b.live()
    numbers = {b.name_of(tensor) for tensor in held} - {source.name}
    return InputTensor(source.name, source.name, codes, tuple(sorted(numbers)))


def _output(
    graph: Graph, output: Output, b: Builder, value: Value, quantized_io: bool
) -> OutputTensor:
    b.scope = output.name
    keras, shape = relayout(b, value, natural(value.rank)), graph.shapes[output.value]
    codes = output_codes(keras) if quantized_io else None
    if codes is None or keras.codes is None:
        return OutputTensor(output.name, b.output(keras.tensor, output.name, shape))
    name = b.output(keras.codes.tensor, output.name, shape, codes.type)
    return OutputTensor(output.name, name, codes)


def _float_name(graph: Graph, b: Builder, node: Node, value: Value, quantized_io: bool) -> str:
    """The node's name, unless that is the name of an output which is another tensor."""
    outputs = [output for output in graph.outputs if output.name == node.name]
    same = value.layout == natural(value.rank) and not (quantized_io and value.codes)
    if all(output.value == node.name and same for output in outputs):
        return node.name
    return b.fresh(f"{node.name}/stored")


def _layers(
    graph: Graph, b: Builder, values: dict[str, Value], fused: dict[str, str]
) -> tuple[LayerTensor, ...]:
    alive = b.live()
    opaque = graph.opaque
    owners = graph.owners
    return tuple(
        LayerTensor(
            layer.name,
            layer.class_name,
            None,
            None,
            None,
            notes=layer.notes,
            fused_into=owners[fused[layer.value]].name,
        )
        if layer.value in fused
        else _layer(layer, values[layer.value], b, alive, opaque.get(layer.name))
        for layer in graph.layers
    )


def _layer(
    layer: Layer, value: Value, b: Builder, alive: set[str], converter: str | None
) -> LayerTensor:
    return LayerTensor(
        layer.name,
        layer.class_name,
        b.name_of(value.tensor) if value.tensor in alive else None,
        _perm(value),
        _codes(value, b, alive),
        converter,
        layer.notes,
    )


def _codes(value: Value, b: Builder, alive: set[str]) -> CodesTensor | None:
    codes, sums = value.codes, value.sums
    if codes is not None and codes.tensor in alive:
        return CodesTensor(b.name_of(codes.tensor), codes.exp, codes.zero)
    if sums is None or sums.tensor not in alive or value.tensor in alive:
        return None
    exp = sums.exps[0] if len(set(sums.exps)) == 1 else sums.exps
    return CodesTensor(b.name_of(sums.tensor), exp, 0)


def _perm(value: Value) -> tuple[int, ...] | None:
    perm = tuple(map(value.axis, range(value.rank)))
    return None if perm == natural(value.rank) else perm
