"""What a model consists of: layers, quantizers, grids and sizes, for ``qconvert inspect``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from qconvert.ir import Graph, Grid, Layer, Quantizer, Quotients, Shape, Weight, grid_of
from qconvert.ir.bits import activation_quantizer, bits_of
from qconvert.ir.graph import in_order
from qconvert.ir.quantizers import HardFunction
from qconvert.weighing.costs import Cost, costs, total
from qconvert.weighing.weights import Weighed, weigh

if TYPE_CHECKING:
    # Of ONNX files, which load what a check consists of; a Keras model needs none of it.
    from qconvert.checking.deployed.by_layer import LayerKernels
    from qconvert.emit.metadata import ModelMetadata
    from qconvert.emit.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Codes:
    """How numbers are quantized; ``grid`` is ``None`` where they lie on no uniform one."""

    quantizer: str
    bits: int | None
    grid: Grid | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A weight; ``bytes`` is what it takes as the file stores it.

    ``weighed`` counts the numbers that a layer computes with, or that an ONNX file stores.
    """

    name: str
    shape: Shape
    type: str
    bytes: int
    codes: Codes | None = None
    weighed: Weighed | None = None


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer; ``activation`` is what quantizes its output, ``tensor`` carries it in ONNX.

    An ONNX file has none of what is ``fused_into`` another layer's operators.
    ``converter`` is the other program that converted it, if one did; ``notes`` tell what QKeras
    does there that its user may not expect. ``cost`` is what its products take, if it has any.
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
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Of the whole model; a count that is not known of one layer is not known of all.

    ``elements``, ``zeros`` and ``bytes`` are those of the weights, as wide as their quantizers say.
    """

    multiplications: int | None
    bit_operations: int | None
    elements: int
    zeros: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A model, from Keras or in ONNX; all behind ``totals`` is of ONNX only.

    ``stamped`` says whether ``stamp`` is about this very file; ``kernels`` are what ONNX Runtime
    makes of it, if that was asked for.
    """

    format: str
    name: str
    inputs: tuple[tuple[str, Shape], ...]
    outputs: tuple[tuple[str, Shape], ...]
    layers: tuple[LayerSummary, ...]
    totals: Totals
    tensors: tuple[Tensor, ...] = ()
    operators: tuple[tuple[str, int], ...] = ()
    metadata: ModelMetadata | None = None
    stamp: Stamp | None = None
    stamped: bool = False
    kernels: tuple[LayerKernels, ...] | None = None

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """Of all layers, or of the file."""
        return (*(tensor for layer in self.layers for tensor in layer.weights), *self.tensors)

    @property
    def bytes(self) -> int:
        """What all weights take."""
        return sum(tensor.bytes for tensor in self.weights)


def of_graph(graph: Graph, domains: Mapping[str, Grid | Quotients] | None = None) -> Summary:
    """The summary of a Keras model; weights are float32 in its file, whatever their bits.

    Inputs are any floats, or lie on *domains*, which bound sums.
    """
    shapes, found, opaque = graph.shapes, costs(graph, domains), graph.opaque
    layers = tuple(
        _layer(graph, layer, shapes[layer.value], found.get(layer.name), opaque.get(layer.name))
        for layer in in_order(graph)
    )
    return Summary(
        "Keras",
        graph.name,
        tuple((source.name, source.shape) for source in graph.inputs),
        tuple((output.name, shapes[output.value]) for output in graph.outputs),
        layers,
        totals_of(
            total(cost.multiplications for cost in found.values()),
            total(cost.bit_operations for cost in found.values()),
            [weight for layer in layers for weight in layer.weights],
        ),
    )


def totals_of(
    multiplications: int | None, bit_operations: int | None, weights: Sequence[Tensor]
) -> Totals:
    """With the sums over *weights*."""
    weighed = [tensor.weighed for tensor in weights if tensor.weighed]
    return Totals(
        multiplications,
        bit_operations,
        sum(each.elements for each in weighed),
        sum(each.zeros for each in weighed),
        -(-sum(each.total_bits for each in weighed) // 8),
    )


def _layer(
    graph: Graph, layer: Layer, shape: Shape, cost: Cost | None, converter: str | None
) -> LayerSummary:
    return LayerSummary(
        layer.name,
        layer.class_name,
        shape,
        _codes(activation_quantizer(graph, layer)),
        tuple(tensor_of(role, weight) for role, weight in layer.weights.items()),
        converter=converter,
        notes=layer.notes,
        cost=cost,
    )


def tensor_of(role: str, weight: Weight) -> Tensor:
    """A weight of a Keras model."""
    raw, codes = weight.raw, _codes(weight.quantizer)
    return Tensor(role, raw.shape, str(raw.dtype), raw.nbytes, codes, weigh(weight))


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
