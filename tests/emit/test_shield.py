"""Factors behind products stay apart from the weights, where folding would round these.

`run` looks at the graph that ONNX Runtime makes: weights that the file has not are a violation.
"""

import numpy as np
import pytest

from qconvert.ir import F32
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    Dense,
    Elementwise,
    Function,
    Op,
    Quantize,
    Scale,
)
from qconvert.ir.quantizers import HardFunction, QuantizedBits
from qconvert.reference import evaluate

from .conftest import Make, Run

CHANNELS = 4
NUMBERS = np.linspace(0.3, 1.7, CHANNELS).astype(np.float32)
NONE = ((0, 0),)
BYTES = Quantize(QuantizedBits(8, 1, alpha=1.0))


def weights(*shape: int) -> F32:
    """On no grid of few bits, so that the file has them as floats."""
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


PRODUCTS: dict[str, Op] = {
    "conv": Conv(weights(3, 2, CHANNELS), None, (1,), (1,), NONE),
    "depthwise": Conv(weights(3, 1, CHANNELS), None, (1,), (1,), NONE, 2),
    "dense": Dense(weights(2, CHANNELS), None),
}
FACTORS: dict[str, Op] = {
    "normalization": BatchNormalization(NUMBERS, NUMBERS, NUMBERS, NUMBERS, 1e-3),
    "affine": Affine(NUMBERS, NUMBERS),
    "scale": Scale(0.3),
    "hard sigmoid": Elementwise(Function.HARD_SIGMOID),
    "smooth sigmoid": Quantize(HardFunction.SMOOTH_SIGMOID),
}


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_factor_is_not_folded_into_weights(
    make: Make, run: Run, product: str, factor: str, dialect: str
) -> None:
    graph = make({"x": (8, 2)}, [("p", PRODUCTS[product], ["x"]), ("f", FACTORS[factor], ["p"])])
    # One element alone is not 0, so that sums are products, which round alike in every order.
    x = np.zeros((3, 8, 2), np.float32)
    x[[0, 1, 2], [4, 3, 4], [0, 1, 1]] = 3, -5, 0.7
    (found,) = run(graph, x, dialect=dialect).plain
    np.testing.assert_array_equal(found, evaluate(graph, {"x": x})["f"])


@pytest.mark.parametrize(("count", "hidden"), [(1, 1), (2, 2), (3, 1), (6, 1)])
def test_a_number_that_is_hidden_is_computed_once_where_many_read_it(
    make: Make, run: Run, count: int, hidden: int
) -> None:
    """ONNX Runtime dequantizes it for each reader anew, but only what is dequantized is hidden."""
    codes = np.random.default_rng(0).integers(-7, 8, (4, 4))
    dense, name = Dense((codes / 8).astype(np.float32), None), "x"
    steps: list[tuple[str, Op, list[str]]] = []
    for i in range(count):
        steps += [(f"q{i}", BYTES, [name]), (f"d{i}", dense, [f"q{i}"])]
        name = f"n{i}"
        own = NUMBERS + np.float32(i)
        steps.append((name, BatchNormalization(own, own, own, own, 1e-3), [f"d{i}"]))
    graph = make({"x": (4,)}, steps)
    x = np.random.default_rng(1).normal(0, 1, (9, 4)).astype(np.float32)
    ran = run(graph, x)
    np.testing.assert_array_equal(ran.deployed[0], evaluate(graph, {"x": x})[name])
    assert (ran.operators.count("DequantizeLinear"), "Abs" in ran.operators) == (hidden, count > 2)
