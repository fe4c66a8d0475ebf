import numpy as np
import pytest

from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Shape, infer_shape
from qconvert.ir.ops import Concat, Dense, Merge, Quantize, Recurrence, Softmax
from qconvert.ir.quantizers import QuantizedBits, QuantizedTanh

BITS = Quantize(QuantizedBits(8, 2, alpha=1.0))
SHAPE: Shape = (None, 5, 4)


def codes(*shape: int) -> F32:
    numbers = np.random.default_rng(3).integers(1, 8, shape)
    return (numbers / 8).astype(np.float32)


def step() -> Graph:
    """A simple recurrent step of four features and as many states."""
    ops: tuple[tuple[str, Op, tuple[str, ...]], ...] = (
        ("hq", BITS, ("h",)),
        ("new", Dense(codes(4, 4), codes(4)), ("x",)),
        ("old", Dense(codes(4, 4), None), ("hq",)),
        ("sum", Merge("add"), ("new", "old")),
        ("out", Quantize(QuantizedTanh(4)), ("sum",)),
    )
    nodes = tuple(Node(name, op, read, (None, 4)) for name, op, read in ops)
    return Graph(
        "step", (Input("x", (None, 4)), Input("h", (None, 4))), nodes, (Output("h", "out"),), ()
    )


@pytest.fixture
def branches() -> Graph:
    """Layers q, loop, total (of both), joined, and share (a softmax): an output for each end."""
    ops: tuple[tuple[str, Op, tuple[str, ...]], ...] = (
        ("q", BITS, ("x",)),
        ("loop", Recurrence(step()), ("q",)),
        ("total", Merge("add"), ("q", "loop")),
        ("joined", Concat(2), ("total", "loop")),
        ("share", Softmax(2), ("joined",)),
    )
    shapes: dict[str, Shape] = {"x": SHAPE}
    nodes = []
    for name, op, read in ops:
        shapes[name] = infer_shape(op, *(shapes[each] for each in read))
        nodes.append(Node(name, op, read, shapes[name]))
    layers = tuple(Layer(node.name, type(node.op).__name__, node.name) for node in nodes)
    return Graph("branches", (Input("x", SHAPE),), tuple(nodes), (Output("y", "share"),), layers)
