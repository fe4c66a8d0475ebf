"""What is computed in float between sums, or codes, and the quantizer that rounds it.

A linear operator can be an integer kernel, and all that is behind it in float: a normalization for
which no integers were found, or a mean. It is read off the graph that ONNX Runtime made.
"""

from collections import Counter
from typing import Final

import onnx

from qconvert.checking.deployed.casting import MOVING
from qconvert.checking.deployed.drawn_file import DrawnFile
from qconvert.checking.deployed.kernels import LINEAR, called, is_integer, kind_of
from qconvert.checking.deployed.obstacles import POOLED_FIRST, falls_behind_pool
from qconvert.checking.deployed.onnx_graph import OnnxGraph

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
#: What makes no number another one: casts between types that both hold it, and movements, also
#: those into and out of blocks of channels.
_NO_STEP: Final = MOVING | {"Cast", "ReorderInput", "ReorderOutput"}


def float_steps(file: DrawnFile, made: OnnxGraph) -> dict[str, list[tuple[str, str]]]:
    """By layer of the file what it computes in float, as counted operators, and between which."""
    found: dict[str, list[tuple[str, str]]] = {}
    for quantizer in made.nodes:
        if quantizer.op_type != _QUANTIZE or made.constant(quantizer.input[0]) is not None:
            continue
        by_layer: dict[str, list[onnx.NodeProto]] = {}
        steps, starts = _before(quantizer, made)
        for node in (node for node in steps if node.op_type not in _NO_STEP):
            by_layer.setdefault(min(file.layers_of(node, made), default=""), []).append(node)
        if starts:
            why = f": {POOLED_FIRST}" if falls_behind_pool(steps, made) else ""
            text = f"behind {', '.join(starts)}, in front of {called(quantizer)}{why}"
            for layer, nodes in by_layer.items():
                found.setdefault(layer, []).append((_counted(nodes), text))
    return found


def _before(end: onnx.NodeProto, made: OnnxGraph) -> tuple[list[onnx.NodeProto], list[str]]:
    """The operators that compute what *end* reads, and the sums and codes that they begin with."""
    pending, steps, starts = [end.input[0]], dict[int, onnx.NodeProto](), dict[str, None]()
    while pending:
        node = made.maker(pending.pop())
        if node is None or id(node) in steps:
            continue
        if kind_of(node) in LINEAR:
            starts[f"the sums of {called(node)}"] = None
        elif node.op_type == _DEQUANTIZE or is_integer(node):
            starts["codes"] = None
        else:
            steps[id(node)] = node
            pending += [name for name in node.input if name and made.constant(name) is None]
    return [node for node in made.nodes if id(node) in steps], sorted(starts)


def _counted(nodes: list[onnx.NodeProto]) -> str:
    counts = Counter(node.op_type for node in nodes)
    return ", ".join(name if n == 1 else f"{n} {name}" for name, n in counts.items())
