"""Kernels that a file joins behind them: each is held against its branch of the model."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Final

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Weight, infer_shape
from qconvert.ir.ops import BatchNormalization, Concat, Conv, Pad, Pool, Quantize, Relu
from qconvert.ir.quantizers import QuantizedRelu

from .deployed_models import change, node
from .repairing import check

NIBBLE: Final = Quantize(QuantizedRelu(4, 2))
FEW: Final = Quantize(QuantizedRelu(3, 1))
AROUND: Final = Pad(((1, 0), (0, 1), (0, 0)))
Edit = Callable[[onnx.ModelProto], None]
#: A value's name, what makes it, and what that reads.
Step = tuple[str, Op, list[str]]


def drawn(*shape: int, seed: int) -> F32:
    whole = np.random.default_rng(seed).integers(-5, 6, shape)
    return (whole / 8).astype(np.float32)


def conv(outputs: int, *, seed: int = 0, biased: bool = True) -> Conv:
    bias = drawn(outputs, seed=seed + 9) if biased else None
    return Conv(drawn(3, 3, 2, outputs, seed=seed), bias, (1, 1), (1, 1), ((1, 1), (1, 1)))


def normalization(channels: int) -> BatchNormalization:
    ramp = np.linspace(-1, 1, channels, dtype=np.float32)
    return BatchNormalization(ramp, ramp + 1.5, ramp + 2, ramp / 2, 1e-3)


def model_of(*steps: Step) -> Graph:
    """Every step is a layer, the last one the output."""
    source = Input("x", (None, 6, 6, 2))
    shapes, nodes = {"x": source.shape}, list[Node]()
    for name, op, read in steps:
        shapes[name] = infer_shape(op, *(shapes[each] for each in read))
        nodes.append(Node(name, op, tuple(read), shapes[name]))
    layers = tuple(Layer(x.name, "Layer", x.name, _weights(x.op)) for x in nodes)
    return Graph("m", (source,), tuple(nodes), (Output("act", "act"),), layers)


def _weights(op: Op) -> dict[str, Weight]:
    match op:
        case Conv(kernel=kernel, bias=bias):
            arrays = {"kernel": kernel, "bias": bias}
        case BatchNormalization(gamma=gamma, beta=beta):
            arrays = {"gamma": gamma, "beta": beta}
        case _:
            arrays = {}
    return {role: Weight(a, a, None) for role, a in arrays.items() if a is not None}


BRANCHES: Final[tuple[Step, ...]] = (
    ("q", NIBBLE, ["x"]),
    ("a", conv(3), ["q"]),
    ("b", conv(4, seed=1, biased=False), ["q"]),
)
PLAIN: Final = model_of(*BRANCHES, ("join", Concat(3), ["a", "b"]), ("act", NIBBLE, ["join"]))
NORMALIZED: Final = model_of(
    *BRANCHES,
    ("join", Concat(3), ["a", "b"]),
    ("norm", normalization(7), ["join"]),
    ("act", FEW, ["norm"]),
)
BESIDE: Final = model_of(
    *BRANCHES[:2],
    ("c", Pool("max", (2, 2), (1, 1), ((0, 0), (0, 0))), ["a"]),
    ("pad", AROUND, ["c"]),
    ("b", FEW, ["x"]),
    ("join", Concat(1), ["pad", "b2"]),
    ("act", NIBBLE, ["join"]),
) if False else model_of(
    *BRANCHES[:2],
    ("b", FEW, ["x"]),
    ("join", Concat(3), ["b", "a"]),
    ("pad", AROUND, ["join"]),
    ("act", NIBBLE, ["pad"]),
)
GRAPHS: Final = (PLAIN, NORMALIZED, BESIDE)
