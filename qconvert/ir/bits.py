"""How many bits a layer computes with, for people to read."""

from typing import assert_never

from qconvert.ir.graph import Graph, Layer
from qconvert.ir.grids import grid_of
from qconvert.ir.ops import Op, Quantize, Recurrence, Slice
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Quantizer,
    Ternary,
)
from qconvert.ir.stock import UnfoldTime


def bits_of(quantizer: Quantizer) -> int | None:
    """The bits that hold a result of *quantizer*; ``None`` for a function without codes."""
    match quantizer:
        case Binary():
            return 1
        case Ternary():
            return 2
        case HardFunction():
            return None
        case QuantizedHswish(rounding=rounding):
            return rounding.bits
        case (
            QuantizedBits(bits=bits)
            | QuantizedLinear(bits=bits)
            | QuantizedUlaw(bits=bits)
            | QuantizedRelu(bits=bits)
            | QuantizedTanh(bits=bits)
            | QuantizedSigmoid(bits=bits)
            | QuantizedPo2(bits=bits)
            | QuantizedReluPo2(bits=bits)
        ):
            return bits
        case _:
            assert_never(quantizer)


def weight_bits(layer: Layer) -> int | None:
    """The most bits of the quantized kernels of *layer*."""
    found = [
        bits
        for role, weight in layer.weights.items()
        if "bias" not in role and weight.quantizer and (bits := bits_of(weight.quantizer))
    ]
    return max(found, default=None)


def activation_quantizer(graph: Graph, layer: Layer) -> Quantizer | None:
    """The quantizer that gives the output of *layer*, if there is one."""
    return _quantizer_of(graph, layer.value)


def _quantizer_of(graph: Graph, value: str) -> Quantizer | None:
    node = graph.makers.get(value)
    match node and node.op:
        case Quantize(quantizer=quantizer):
            return quantizer
        case UnfoldTime() if node:
            return _quantizer_of(graph, node.inputs[0])
        case Slice() if node and isinstance(_op_of(graph, node.inputs[0]), Recurrence):
            return _quantizer_of(graph, node.inputs[0])
        case Recurrence(body=body) if len(body.outputs) == 1:
            return _quantizer_of(body, body.outputs[0].value)
        case _:
            return None


def _op_of(graph: Graph, value: str) -> Op | None:
    node = graph.makers.get(value)
    return None if node is None else node.op


def step_of(graph: Graph, layer: Layer) -> float | None:
    """The distance of neighbouring codes of the layer's results, if these are codes."""
    quantizer = activation_quantizer(graph, layer)
    grid = None if quantizer is None else grid_of(quantizer)
    return None if grid is None else grid.step
