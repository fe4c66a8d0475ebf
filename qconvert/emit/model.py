"""A whole graph as an ONNX model."""

from importlib.metadata import version

import onnx

from qconvert.emit.builder import Builder
from qconvert.emit.dialects import DIALECTS, Dialect
from qconvert.emit.lowering import lower, lower_chain
from qconvert.emit.metadata import (
    CodesTensor,
    LayerTensor,
    ModelMetadata,
    OutputTensor,
    add_metadata,
)
from qconvert.emit.requantization import chains
from qconvert.emit.values import Value, natural, relayout
from qconvert.errors import UsageError
from qconvert.ir import Graph, Input, Layer, Node, Output

#: Per-channel dequantization came with the oldest; the newest is what ONNX Runtime 1.32 runs.
_OLDEST_OPSET, _NEWEST_OPSET = 13, 26


def to_onnx(graph: Graph, *, dialect: str = "qdq", opset: int = 21) -> onnx.ModelProto:
    """Export *graph*; the same graph gives the same bytes.

    Inputs and outputs are float32 in Keras's layout and have Keras's names, except an input that
    is also an output, whose name the metadata tells; the batch axis is called ``batch``.
    `UsageError` if there is no such dialect or opset.
    """
    newest = min(_NEWEST_OPSET, onnx.defs.onnx_opset_version())
    if dialect not in DIALECTS:
        raise UsageError(f"there is no dialect {dialect!r}, only {', '.join(DIALECTS)}")
    if not _OLDEST_OPSET <= opset <= newest:
        raise UsageError(f"opset {opset} is not between {_OLDEST_OPSET} and {newest}")
    b = Builder(opset, _names(graph))
    values, hidden = _emit(graph, b, DIALECTS[dialect])
    outputs = tuple(_output(graph, output, b, values[output.value]) for output in graph.outputs)
    model = b.model(graph.name, ("qconvert", version("qconvert")))
    add_metadata(model, ModelMetadata(_layers(graph, b, values, hidden), outputs, dialect))
    return model


def _names(graph: Graph) -> list[str]:
    """The names that mean something to the user, which no intermediate tensor may take."""
    named: tuple[Input | Node | Output, ...] = (*graph.inputs, *graph.nodes, *graph.outputs)
    return [each.name for each in named]


def _emit(graph: Graph, b: Builder, dialect: Dialect) -> tuple[dict[str, Value], dict[str, str]]:
    """The values of the file, and by value that it has not the one inside of which it is."""
    values = {
        source.name: Value(b.input(source.name, source.shape), natural(len(source.shape)))
        for source in graph.inputs
    }
    known = chains(graph) if dialect.integer_kernels else {}
    hidden: dict[str, str] = {}
    for node in graph.nodes:
        if node.name in values or node.name in hidden:
            continue
        inputs = tuple(values[name] for name in node.inputs)
        chain = known.get(node.name)
        y = None if chain is None else lower_chain(chain, inputs[0], b, dialect)
        if chain is None or y is None:
            b.scope = node.name
            y = lower(node.op, inputs, node.shape, b, dialect)
        else:
            node = chain.end
            hidden |= dict.fromkeys(chain.hidden, node.name)
        values[node.name] = y
        b.rename(y.tensor, _float_name(graph, b, node, y))
    return values, hidden


def _output(graph: Graph, output: Output, b: Builder, value: Value) -> OutputTensor:
    b.scope = output.name
    keras = relayout(b, value, natural(value.rank))
    return OutputTensor(
        output.name, b.output(keras.tensor, output.name, graph.shapes[output.value])
    )


def _float_name(graph: Graph, b: Builder, node: Node, value: Value) -> str:
    """The node's name, unless that is the name of an output which is another tensor."""
    outputs = [output for output in graph.outputs if output.name == node.name]
    in_order = value.layout == natural(value.rank)
    if all(output.value == node.name and in_order for output in outputs):
        return node.name
    return b.fresh(f"{node.name}/stored")


def _layers(
    graph: Graph, b: Builder, values: dict[str, Value], hidden: dict[str, str]
) -> tuple[LayerTensor, ...]:
    alive = b.live()
    opaque = graph.opaque
    owners = {layer.value: layer.name for layer in reversed(graph.layers)}
    return tuple(
        LayerTensor(
            layer.name,
            layer.class_name,
            None,
            None,
            None,
            notes=layer.notes,
            inside=owners[hidden[layer.value]],
        )
        if layer.value in hidden
        else _layer(layer, values[layer.value], b, alive, opaque.get(layer.name))
        for layer in graph.layers
    )


def _layer(
    layer: Layer, value: Value, b: Builder, alive: set[str], converter: str | None
) -> LayerTensor:
    codes = value.codes
    kept = codes is not None and codes.tensor in alive
    return LayerTensor(
        layer.name,
        layer.class_name,
        b.name_of(value.tensor) if value.tensor in alive else None,
        _perm(value),
        CodesTensor(b.name_of(codes.tensor), codes.exp, codes.zero) if codes and kept else None,
        converter,
        layer.notes,
    )


def _perm(value: Value) -> tuple[int, ...] | None:
    perm = tuple(map(value.axis, range(value.rank)))
    return None if perm == natural(value.rank) else perm
