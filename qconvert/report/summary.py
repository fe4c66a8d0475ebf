"""What a model consists of: layers, quantizers, grids and sizes, for ``qconvert inspect``."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields

import onnx

from qconvert.checking.ancestry import in_order
from qconvert.checking.bits import activation_quantizer, bits_of
from qconvert.checking.deployed.by_layer import LayerKernels, kernels_by_layer
from qconvert.emit.metadata import LayerTensor, ModelMetadata, read_metadata
from qconvert.emit.stamp import Stamp, read_stamp, sha256_of
from qconvert.ir import Graph, Grid, Layer, Quantizer, Shape, Weight, grid_of
from qconvert.ir.quantizers import HardFunction


@dataclass(frozen=True, slots=True)
class Codes:
    """How numbers are quantized; ``grid`` is ``None`` where they lie on no uniform one."""

    quantizer: str
    bits: int | None
    grid: Grid | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A weight; ``bytes`` is what it takes as the file stores it."""

    name: str
    shape: Shape
    type: str
    bytes: int
    codes: Codes | None = None


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer; ``activation`` is what quantizes its output, ``tensor`` carries it in ONNX.

    An ONNX file has none of what is ``fused_into`` another layer's operators.
    ``converter`` is the other program that converted it, if one did; ``notes`` tell what QKeras
    does there that its user may not expect.
    """

    name: str
    class_name: str
    shape: Shape | None
    activation: Codes | None
    weights: tuple[Tensor, ...]
    tensor: str | None = None
    converter: str | None = None
    notes: tuple[str, ...] = ()
    fused_into: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A model, from Keras or in ONNX; all behind ``layers`` is of ONNX only.

    ``stamped`` says whether ``stamp`` is about this very file; ``kernels`` are what ONNX Runtime
    makes of it, if that was asked for.
    """

    format: str
    name: str
    inputs: tuple[tuple[str, Shape], ...]
    outputs: tuple[tuple[str, Shape], ...]
    layers: tuple[LayerSummary, ...]
    tensors: tuple[Tensor, ...] = ()
    operators: tuple[tuple[str, int], ...] = ()
    metadata: ModelMetadata | None = None
    stamp: Stamp | None = None
    stamped: bool = False
    kernels: tuple[LayerKernels, ...] | None = None

    @property
    def bytes(self) -> int:
        """What all weights take."""
        weights = (tensor for layer in self.layers for tensor in layer.weights)
        return sum(tensor.bytes for tensor in (*weights, *self.tensors))


def of_graph(graph: Graph) -> Summary:
    """The summary of a Keras model; weights are float32 in its file, whatever their bits."""
    shapes = graph.shapes
    return Summary(
        "Keras",
        graph.name,
        tuple((source.name, source.shape) for source in graph.inputs),
        tuple((output.name, shapes[output.value]) for output in graph.outputs),
        tuple(_layer(graph, layer, shapes[layer.value]) for layer in in_order(graph)),
    )


def of_onnx(model: onnx.ModelProto, optimized: onnx.ModelProto | None = None) -> Summary:
    """The summary of an ONNX file; it has layers if it was exported by us.

    *optimized* is the graph that ONNX Runtime makes of it.
    """
    metadata, stamp = read_metadata(model), read_stamp(model)
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    graphs = list(_with_inner(graph))
    operators = Counter(node.op_type for each in graphs for node in each.node)
    return Summary(
        "ONNX",
        graph.name,
        tuple((value.name, _shape(value)) for value in graph.input if value.name not in weights),
        tuple((value.name, _shape(value)) for value in graph.output),
        tuple(map(_exported_layer, metadata.layers)) if metadata else (),
        tuple(_initializer(tensor) for each in graphs for tensor in each.initializer),
        tuple(sorted(operators.items())),
        metadata,
        stamp,
        stamp is not None and stamp.file == sha256_of(model),
        None if optimized is None else kernels_by_layer(model, optimized),
    )


def _with_inner(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _with_inner(attribute.g)


def _layer(graph: Graph, layer: Layer, shape: Shape) -> LayerSummary:
    weights = tuple(_weight(role, weight) for role, weight in layer.weights.items())
    codes = _codes(activation_quantizer(graph, layer))
    converter = graph.opaque.get(layer.name)
    return LayerSummary(
        layer.name,
        layer.class_name,
        shape,
        codes,
        weights,
        converter=converter,
        notes=layer.notes,
    )


def _weight(role: str, weight: Weight) -> Tensor:
    raw = weight.raw
    return Tensor(role, raw.shape, str(raw.dtype), raw.nbytes, _codes(weight.quantizer))


def _codes(quantizer: Quantizer | None) -> Codes | None:
    if quantizer is None:
        return None
    return Codes(describe(quantizer), bits_of(quantizer), grid_of(quantizer))


def describe(quantizer: Quantizer) -> str:
    """The quantizer with its options that are not the defaults."""
    if isinstance(quantizer, HardFunction):
        return str(quantizer.value)
    options = ((field, getattr(quantizer, field.name)) for field in fields(quantizer))
    shown = (
        f"{field.name}={value!r}"
        for field, value in options
        if field.name == "bits" or value != field.default
    )
    return f"{type(quantizer).__name__}({', '.join(shown)})"


def _exported_layer(layer: LayerTensor) -> LayerSummary:
    found = layer.codes
    codes = None
    if found is not None:
        text = f"codes in {found.tensor}, zero point {found.zero_point}, step 2**{found.exp}"
        codes = Codes(text, None, None)
    return LayerSummary(
        layer.layer,
        layer.class_name,
        None,
        codes,
        (),
        layer.tensor,
        layer.converter,
        layer.notes,
        layer.fused_into,
    )


def _initializer(tensor: onnx.TensorProto) -> Tensor:
    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    packed = {"INT4": 4, "UINT4": 4, "INT2": 2, "UINT2": 2}
    bits = packed.get(kind) or 8 * _itemsize(tensor.data_type)
    size = -(-math.prod(tensor.dims) * bits // 8)
    return Tensor(tensor.name, tuple(tensor.dims), kind.lower(), size)


def _itemsize(kind: int) -> int:
    return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)


def _shape(value: onnx.ValueInfoProto) -> Shape:
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in dims)
