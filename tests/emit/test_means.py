"""Means over windows between two quantizers, as integer kernels that round."""

from dataclasses import replace

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Output
from qconvert.ir.ops import BatchNormalization, Conv, Op, Pool, Quantize, Relu, Scale
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu, QuantizedTanh
from qconvert.reference import evaluate

from .conftest import Make, Run

FINE = Quantize(QuantizedRelu(8, 2))
SIGNED = Quantize(QuantizedBits(8, 1, alpha=1.0))
NIBBLE = Quantize(QuantizedRelu(4, 2))
BOUNDED = Quantize(QuantizedTanh(6))


def mean(*window: int, stride: int = 2, padding: int = 0) -> Pool:
    ends = ((padding, padding),) * len(window)
    return Pool("mean", window, (stride,) * len(window), ends)


def quantized(area: int, part: float) -> tuple[Op, ...]:
    """What `QAveragePooling2D` has behind the mean."""
    return Scale(float(area)), Scale(part)


def chain(make: Make, first: Op, pool: Pool, *others: Op, channels: int = 2) -> Graph:
    """A quantizer, the pool, and others behind it, the last of which is called ``act``."""
    names = ["q", "mean", *(f"op{i}" for i in range(len(others) - 1)), "act"]
    steps = zip(names, (first, pool, *others), ["x", *names[:-1]], strict=True)
    shape = *[9] * len(pool.window), channels
    return make({"x": shape}, [(name, op, [read]) for name, op, read in steps])


def drawn(graph: Graph) -> F32:
    """Numbers for its input."""
    shape = [n or 50 for n in graph.inputs[0].shape]
    return np.random.default_rng(0).normal(0, 2, shape).astype(np.float32)


SHIFTED = BatchNormalization(
    np.array([0.3, 0.9], np.float32), np.array([0.7, 1.3], np.float32), None, None, 1e-3
)


@pytest.mark.parametrize(
    ("first", "pool", "between", "last"),
    [
        (FINE, mean(3, 3), (), NIBBLE),
        (FINE, mean(3, 3), (), FINE),
        (SIGNED, mean(3, 3, stride=1), (), SIGNED),
        (SIGNED, mean(3, 3), (Relu(),), NIBBLE),
        (FINE, mean(2, 3), (), NIBBLE),
        # ONNX Runtime makes a slower integer kernel of these.
        (FINE, mean(2, 2), (), NIBBLE),
        (SIGNED, mean(4, 4), (), FINE),
        (FINE, mean(7, 7), (), FINE),
        (FINE, mean(3), (), FINE),
        (FINE, mean(3, 3), quantized(9, 0.109375), FINE),
        (FINE, mean(2, 2), quantized(4, 0.25), FINE),
        (NIBBLE, mean(7, 7), quantized(49, 0.015625), NIBBLE),
        (SIGNED, mean(3, 3), quantized(9, 0.125), BOUNDED),
        (NIBBLE, mean(3, 3), (SHIFTED,), NIBBLE),
    ],
)
def test_means_are_kernels(
    make: Make, run: Run, first: Op, pool: Pool, between: tuple[Op, ...], last: Op
) -> None:
    graph = chain(make, first, pool, *between, last)
    x = drawn(graph)
    ran = run(graph, x)
    np.testing.assert_array_equal(ran.deployed[0], evaluate(graph, {"x": x})["act"])
    assert "QLinearConv" in ran.operators
    assert not {"AveragePool", "Mul"}.intersection(ran.operators)


@pytest.mark.parametrize(
    ("pool", "between", "last"),
    [
        # At borders windows have fewer elements.
        (mean(3, 3, padding=1), (), NIBBLE),
        # ONNX Runtime has no fast one.
        (mean(3, 3, 3), (), NIBBLE),
        # 49 times a 49th of a sum is another number, where that is a tie.
        (mean(7, 7), quantized(49, 0.0234375), FINE),
    ],
)
def test_other_means_are_pools(
    make: Make, run: Run, pool: Pool, between: tuple[Op, ...], last: Op
) -> None:
    graph = chain(make, FINE, pool, *between, last)
    x = drawn(graph)
    np.testing.assert_array_equal(run(graph, x).deployed[0], evaluate(graph, {"x": x})["act"])
    assert "QLinearConv" not in [node.op_type for node in to_onnx(graph).graph.node]


@pytest.mark.parametrize("channels", [1, 3, 6, 10, 16, 17])
@pytest.mark.parametrize("pool", [mean(2, 2), mean(3, 3), mean(2), mean(3, 2, stride=1)])
def test_few_channels_have_several_means_at_once(
    make: Make, run: Run, pool: Pool, channels: int
) -> None:
    graph = chain(make, FINE, pool, NIBBLE, channels=channels)
    x = drawn(graph)
    np.testing.assert_array_equal(run(graph, x).deployed[0], evaluate(graph, {"x": x})["act"])
    kinds = [node.op_type for node in to_onnx(graph).graph.node]
    assert kinds.count("QLinearConv") == 1
    assert ("Gather" in kinds) == (channels < 16)


def products(channels: int) -> Conv:
    kernel = (np.random.default_rng(2).integers(-7, 8, (1, 1, channels, 4)) / 8).astype(np.float32)
    return Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)))


@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("first", [NIBBLE, Quantize(QuantizedBits(5, 1, alpha=1.0))])
@pytest.mark.parametrize("moved", [(), (Pool("max", (2, 2), (1, 1), ((0, 0), (0, 0))),)])
def test_means_in_front_of_products_stay_codes(
    make: Make, run: Run, first: Op, moved: tuple[Op, ...], channels: int
) -> None:
    graph = chain(make, first, mean(2, 2), *moved, products(channels), NIBBLE, channels=channels)
    x = drawn(graph)
    ran = run(graph, x)
    np.testing.assert_array_equal(ran.deployed[0], evaluate(graph, {"x": x})["act"])
    assert ran.operators.count("QLinearConv") == 2
    assert not {"AveragePool", "Conv"}.intersection(ran.operators)


@pytest.mark.parametrize(
    ("first", "pool", "behind"),
    [
        # Sums take more than a byte.
        (Quantize(QuantizedRelu(7, 2)), mean(2, 2), (products(3), NIBBLE)),
        # They would be rounded.
        (NIBBLE, mean(3, 3), (products(3), NIBBLE)),
        (NIBBLE, mean(2, 2, padding=1), (products(3), NIBBLE)),
        # Nothing multiplies it.
        (NIBBLE, mean(2, 2), (Relu(max_value=1.5),)),
    ],
)
def test_other_means_become_floats(
    make: Make, first: Op, pool: Pool, behind: tuple[Op, ...]
) -> None:
    graph = chain(make, first, pool, *behind, channels=3)
    assert "AveragePool" in [node.op_type for node in to_onnx(graph).graph.node]


def test_a_mean_that_others_read_is_computed(make: Make, run: Run) -> None:
    graph = chain(make, FINE, mean(3, 3), NIBBLE)
    graph = replace(graph, outputs=(Output("mean", "mean"), *graph.outputs))
    x = drawn(graph)
    found = evaluate(graph, {"x": x})
    for result, name in zip(run(graph, x).deployed, ("mean", "act"), strict=True):
        np.testing.assert_array_equal(result, found[name])


def test_one_scale_is_enough_for_equal_channels(make: Make) -> None:
    model = to_onnx(chain(make, FINE, mean(3, 3), NIBBLE, channels=16))
    (kernel,) = (node for node in model.graph.node if node.op_type == "QLinearConv")
    sizes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    assert [sizes[kernel.input[place]] for place in (3, 4, 5)] == [[16, 1, 3, 3], [], []]
