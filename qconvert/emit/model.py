"""A whole graph as an ONNX model."""

import shlex
from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType

import onnx

from qconvert.emit.builder import Builder
from qconvert.emit.dialects import DIALECTS
from qconvert.emit.emission import Emission
from qconvert.emit.interface import (
    Meaning,
    input_codes,
    output_codes,
    returned_codes,
)
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
from qconvert.emit.requirements import requirements
from qconvert.emit.values import Value, natural, relayout
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
    emitted = Emission(graph, b, DIALECTS[dialect], coded, quantized_io)
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
