"""A network whose quantizer reads a batch normalization, as those of real models do."""

import numpy as np

from qconvert.ir import Graph, Input, Layer, Node, Output
from qconvert.ir.ops import BatchNormalization, Dense, Merge, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu

SHAPE = (None, 6)


def normalization(seed: int, *, fused: bool = False) -> BatchNormalization:
    random = np.random.default_rng(seed)
    mean, beta = random.normal(0, 1, (2, 6)).astype(np.float32)
    variance = random.uniform(0.1, 4, 6).astype(np.float32)
    gamma = random.normal(0, 1, 6).astype(np.float32)
    return BatchNormalization(mean, variance, gamma, beta, 1e-3, fused)


def kernel(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    codes = np.random.default_rng(seed).integers(-7, 8, (20, 6))
    return (codes / 8).astype(np.float32)


def plain() -> Graph:
    """``x -> quantize -> dense -> normalize -> quantize``: q, dense, bn, act."""
    nodes = (
        Node("v1", Quantize(QuantizedBits(8, 0, alpha=1.0)), ("x",), (None, 20)),
        Node("v2", Dense(kernel(0), None), ("v1",), SHAPE),
        Node("v3", normalization(1), ("v2",), SHAPE),
        Node("v4", Quantize(QuantizedRelu(6, 2)), ("v3",), SHAPE),
    )
    names = (("q", "v1"), ("dense", "v2"), ("bn", "v3"), ("act", "v4"))
    return _graph(nodes, names, "v4")


def merged() -> Graph:
    """Two such branches, added before the quantizer."""
    nodes = (
        Node("v1", Quantize(QuantizedBits(3, 0, alpha=1.0)), ("x",), (None, 20)),
        Node("v2", Dense(kernel(0), None), ("v1",), SHAPE),
        Node("v3", normalization(1), ("v2",), SHAPE),
        Node("v4", Dense(kernel(2), None), ("v1",), SHAPE),
        Node("v5", normalization(3), ("v4",), SHAPE),
        Node("v6", Merge("add"), ("v3", "v5"), SHAPE),
        Node("v7", Quantize(QuantizedRelu(3, 2)), ("v6",), SHAPE),
    )
    names = (("q", "v1"), ("a", "v2"), ("na", "v3"), ("b", "v4"), ("nb", "v5"), ("act", "v7"))
    return _graph(nodes, names, "v7")


def _graph(nodes: tuple[Node, ...], names: tuple[tuple[str, str], ...], output: str) -> Graph:
    layers = tuple(Layer(name, "Layer", value) for name, value in names)
    return Graph("g", (Input("x", (None, 20)),), nodes, (Output("y", output),), layers)
