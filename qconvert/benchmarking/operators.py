"""The operators that ONNX Runtime makes of a file, with their time and their layers."""

from collections.abc import Iterable
from typing import Final

import onnx

from qconvert.benchmarking.results import Operator
from qconvert.checking.deployed.drawn_file import DrawnFile
from qconvert.checking.deployed.kernels import LINEAR
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph

#: ONNX Runtime's times say nothing of domains; operators of one name are of one nature.
_INTEGER: Final = {kind: places.integer for (_, kind), places in LINEAR.items()}


def operators_of(
    drawn: onnx.ModelProto, made: onnx.ModelProto, profiled: Iterable[tuple[str, str, float]]
) -> tuple[Operator, ...]:
    """In the order in which they run; *made* is the graph that was made of the file *drawn*.

    Those that run inside of loops belong to the layers of the loop, which is listed as well; those
    that make constants, which layers may share, to none.
    """
    file, graph = DrawnFile(LayeredFile(drawn)), OnnxGraph(made.graph)
    layers = {
        node.name: file.layers_of(node, graph)
        for node in graph.nodes
        if not graph.makes_constants(node)
    }
    return tuple(
        Operator(name, kind, tuple(sorted(layers.get(name, ()))), seconds, _INTEGER.get(kind))
        for name, kind, seconds in profiled
    )
