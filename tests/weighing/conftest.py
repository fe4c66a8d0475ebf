from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Quantizer, Weight, infer_shape
from qconvert.ir.types import Shape

#: An operation, with the layer's weights.
Step = tuple[Op, Mapping[str, Weight]]
Chain = Callable[[Shape, Sequence[Step]], Graph]


def floats(*numbers: float) -> F32:
    return np.array(numbers, np.float32)


def weight(effective: F32, quantizer: Quantizer | None = None) -> Weight:
    return Weight(effective, effective, quantizer)


@pytest.fixture
def chain() -> Chain:
    """A graph of layers that are one operation each, called ``layer0`` and so on."""

    def build(shape: Shape, steps: Sequence[Step]) -> Graph:
        nodes: list[Node] = []
        layers: list[Layer] = []
        before = "x"
        for number, (op, weights) in enumerate(steps):
            name = f"layer{number}"
            shape_of = nodes[-1].shape if nodes else shape
            nodes.append(Node(name, op, (before,), infer_shape(op, shape_of)))
            layers.append(Layer(name, type(op).__name__, name, weights))
            before = name
        inputs, outputs = (Input("x", shape),), (Output("y", before),)
        return Graph("chain", inputs, tuple(nodes), outputs, tuple(layers))

    return build
