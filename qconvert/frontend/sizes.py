"""How large the values of a graph are, before anything is computed with it."""

import math

from qconvert.errors import LimitError
from qconvert.ir import Graph
from qconvert.modelfile import Limits

_BYTES = 4


def require_bounded(graph: Graph, limits: Limits) -> None:
    """`LimitError` for a value that takes too many bytes for one sample, all lengths known."""
    shapes = {value.name: value.shape for value in graph.inputs}
    shapes |= {node.name: node.shape for node in graph.nodes}
    for name, shape in shapes.items():
        if math.prod(n for n in shape if n is not None) * _BYTES > limits.tensor_bytes:
            raise LimitError("QC320", f"{name}: a tensor of {shape}: {limits.of('tensor_bytes')}")
