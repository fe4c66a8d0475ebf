"""How many bits a layer computes with, for people to read."""

from typing import assert_never

from qconvert.ir import Graph, Layer, Quantizer
from qconvert.ir.ops import Quantize
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
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
        case (
            QuantizedBits(bits=bits)
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
    nodes = {node.name: node for node in graph.nodes}
    node = nodes.get(layer.value)
    while node is not None and isinstance(node.op, UnfoldTime):
        node = nodes.get(node.inputs[0])
    return node.op.quantizer if node is not None and isinstance(node.op, Quantize) else None
