"""Means over windows of what a convolution returns, inside of its integer kernel."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Output
from qconvert.ir.ops import BatchNormalization, Conv, Op, Pool, Quantize, Relu
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate

from .conftest import Make, Run

NIBBLE = Quantize(QuantizedRelu(4, 2))
FINE = Quantize(QuantizedRelu(8, 2))
SIGNED = Quantize(QuantizedBits(8, 1, alpha=1.0))
SHIFTED = BatchNormalization(
    np.linspace(-1, 1, 4, dtype=np.float32), np.full(4, 0.7, np.float32), None, None, 1e-3
)


def conv(
    *shape: int,
    strides: Sequence[int] = (),
    dilations: Sequence[int] = (),
    padding: int = 0,
    groups: int = 1,
    off: float = 0.0,
) -> Conv:
    """A kernel of *shape* (*window, inputs / groups, outputs), its bias *off* the grid."""
    random, rank = np.random.default_rng(1), len(shape) - 2
    kernel = (random.integers(-5, 6, shape) / 8).astype(np.float32)
    bias = (random.integers(-9, 9, shape[-1]) / 8 + off).astype(np.float32)
    ones = (1,) * rank
    strides, dilations = tuple(strides) or ones, tuple(dilations) or ones
    return Conv(kernel, bias, strides, dilations, ((padding, padding),) * rank, groups)


def mean(*window: int, stride: int | None = None, padding: int = 0) -> Pool:
    strides = window if stride is None else (stride,) * len(window)
    return Pool("mean", window, strides, ((padding, padding),) * len(window))


def chain(make: Make, op: Conv, *behind: Op, first: Op = NIBBLE, size: int = 13) -> Graph:
    names = ["q", "conv", *(f"op{i}" for i in range(len(behind) - 1)), "act"]
    steps = zip(names, (first, op, *behind), ["x", *names[:-1]], strict=True)
    shape = *[size] * len(op.strides), op.kernel.shape[-2] * op.groups
    return make({"x": shape}, [(name, each, [read]) for name, each, read in steps])


def drawn(graph: Graph) -> F32:
    shape = [n or 20 for n in graph.inputs[0].shape]
    return np.random.default_rng(0).normal(0, 2, shape).astype(np.float32)


def operators(run: Run, graph: Graph) -> list[str]:
    """Those of the graph that runs, whose results are the reference's."""
    x = drawn(graph)
    ran, expected = run(graph, x), evaluate(graph, {"x": x})
    for result, output in zip(ran.deployed, graph.outputs, strict=True):
        np.testing.assert_array_equal(result, expected[output.value])
    return ran.operators


@pytest.mark.parametrize(
    ("op", "behind"),
    [
        (conv(3, 3, 2, 4), (mean(2, 2), NIBBLE)),
        (conv(3, 3, 2, 4, padding=1), (mean(2, 2), FINE)),
        (conv(3, 3, 2, 4, padding=1), (mean(3, 3), SIGNED)),
        (conv(3, 2, 2, 4), (mean(2, 3), FINE)),
        (conv(5, 5, 2, 4), (mean(3, 3, stride=2), FINE)),
        (conv(3, 3, 2, 4, strides=(2, 1), padding=1), (mean(2, 2), FINE)),
        (conv(3, 3, 2, 4, dilations=(2, 1)), (mean(2, 2), FINE)),
        (conv(1, 1, 2, 4), (mean(2, 2), FINE)),
        (conv(3, 2, 4), (mean(2), FINE)),
        (conv(3, 3, 1, 16, groups=16), (mean(2, 2), FINE)),
        (conv(3, 3, 2, 4), (mean(2, 2), Relu(), FINE)),
        (conv(3, 3, 2, 4), (mean(2, 2), SHIFTED, NIBBLE)),
        (conv(3, 3, 2, 4), (mean(3, 3), SHIFTED, Pool("max", (2, 2), (1, 1), ()), NIBBLE)),
    ],
)
def test_the_mean_is_in_the_kernel(make: Make, run: Run, op: Conv, behind: tuple[Op, ...]) -> None:
    behind = tuple(
        replace(each, padding=((0, 0),) * 2)
        if isinstance(each, Pool) and not each.padding
        else each
        for each in behind
    )
    found = operators(run, chain(make, op, *behind))
    assert found.count("QLinearConv") == 1
    assert not {"AveragePool", "QLinearAveragePool", "Conv", "ConvInteger"}.intersection(found)


@pytest.mark.parametrize(
    ("op", "behind"),
    [
        # More products than without.
        (conv(3, 3, 2, 4), (mean(3, 3, stride=1), FINE)),
        # More weights than there were bytes of floats.
        (conv(1, 1, 2, 4), (mean(3, 3), FINE)),
        # At borders windows have fewer elements.
        (conv(3, 3, 2, 4), (mean(3, 3, padding=1), FINE)),
        # Each of the four results is rounded.
        (conv(3, 3, 2, 4, off=0.1), (mean(2, 2), FINE)),
        # What is between both is computed of each result.
        (conv(3, 3, 2, 4), (Relu(), mean(2, 2), FINE)),
        (conv(3, 3, 2, 4), (SHIFTED, mean(2, 2), FINE)),
        (conv(3, 3, 2, 4), (mean(2, 2), mean(2, 2), FINE)),
    ],
)
def test_other_means_are_computed(make: Make, run: Run, op: Conv, behind: tuple[Op, ...]) -> None:
    found = operators(run, chain(make, op, *behind))
    assert {"AveragePool", "QLinearAveragePool"}.intersection(found)


def test_sums_that_float32_does_not_hold_stay_by_themselves(make: Make) -> None:
    """Of four results each, of which float32 holds one."""
    graph = chain(make, conv(3, 3, 512, 4), mean(2, 2), FINE, first=FINE)
    assert "AveragePool" not in [node.op_type for node in to_onnx(graph).graph.node]
    large = replace(conv(3, 3, 512, 4), bias=np.full(4, 2.0**13, np.float32))
    graph = chain(make, large, mean(2, 2), FINE, first=FINE)
    assert "AveragePool" in [node.op_type for node in to_onnx(graph).graph.node]


def test_results_that_others_read_are_computed(make: Make, run: Run) -> None:
    graph = chain(make, conv(3, 3, 2, 4), mean(2, 2), FINE)
    for name in ("conv", "op0"):
        others = (Output(name, name), *graph.outputs)
        operators(run, replace(graph, outputs=others))
