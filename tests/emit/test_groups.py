"""Convolutions with groups between two quantizers, in the form that is the fastest."""

from dataclasses import replace

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.lowering.groups import Form, form
from qconvert.ir import F32, Graph, Op
from qconvert.ir.ops import BatchNormalization, Conv, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate

from .conftest import Make, Run

UNSIGNED = Quantize(QuantizedRelu(8, 2))
SIGNED = Quantize(QuantizedBits(8, 1, alpha=1.0))
SIDE = 6


def conv(inputs: int, outputs: int, groups: int, side: int = 3, bits: int = 4) -> Conv:
    """With zeros around its input and a bias on the grid of the products."""
    random = np.random.default_rng(1)
    shape = side, side, inputs // groups, outputs
    most = (1 << (bits - 1)) - 1
    kernel = (random.integers(-most, most, shape, endpoint=True) / 8).astype(np.float32)
    bias = (random.integers(-9, 9, outputs) / 8).astype(np.float32)
    ends = (side // 2, side // 2)
    return Conv(kernel, bias, (1, 1), (1, 1), (ends, ends), groups)


def normalization(channels: int) -> BatchNormalization:
    random = np.random.default_rng(2)
    gains = random.uniform(0.5, 2, (4, channels)).astype(np.float32)
    return BatchNormalization(gains[0], gains[1], gains[2], gains[3], 1e-3)


def between(make: Make, op: Conv, *behind: Op, quantizer: Quantize = UNSIGNED) -> Graph:
    """Two quantizers around *op* and what is *behind* it."""
    ops = (quantizer, op, *behind, Quantize(QuantizedRelu(4, 3)))
    names = ["q", "conv", "norm", "act"] if behind else ["q", "conv", "act"]
    steps = zip(names, ops, ["x", *names[:-1]], strict=True)
    shape = SIDE, SIDE, op.kernel.shape[2] * op.groups
    return make({"x": shape}, [(name, each, [read]) for name, each, read in steps])


def drawn(graph: Graph) -> F32:
    shape = [n or 4 for n in graph.inputs[0].shape]
    return np.random.default_rng(0).normal(0, 2, shape).astype(np.float32)


FORMS = [
    (conv(8, 8, 4), Form.WHOLE),
    (conv(16, 32, 16), Form.WHOLE),
    (conv(4, 4, 2), Form.WHOLE),
    (conv(2, 4, 2), Form.WHOLE),
    (conv(6, 6, 6), Form.WHOLE),
    (conv(2, 2, 2, 13), Form.WHOLE),
    (conv(2, 2, 2, 17), Form.FLOATS),
    (conv(128, 128, 64, 1), Form.FLOATS),
    (conv(80, 80, 2, 1), Form.GROUPS),
    (conv(12, 12, 12), Form.FLOATS),
    (conv(24, 24, 24), Form.GROUPS),
    (conv(24, 24, 24, 5), Form.FLOATS),
    (conv(32, 32, 32, 5), Form.GROUPS),
]


@pytest.mark.parametrize("quantizer", [UNSIGNED, SIGNED])
@pytest.mark.parametrize(("op", "expected"), FORMS)
def test_all_forms_are_exact(
    make: Make, run: Run, op: Conv, expected: Form, quantizer: Quantize
) -> None:
    assert form(op, SIDE, alone=True) is expected
    graph = between(make, op, quantizer=quantizer)
    x = drawn(graph)
    ran = run(graph, x)
    for results in (ran.plain, ran.deployed):
        np.testing.assert_array_equal(results[0], evaluate(graph, {"x": x})["act"])
    assert ("QLinearConv" in ran.operators) is (expected is not Form.FLOATS)
    # What spreads the weights is computed when the file is loaded.
    assert not {"Where", "Gather"} & set(ran.operators)


def test_the_file_holds_no_zeros_between_groups(make: Make) -> None:
    model = to_onnx(between(make, conv(16, 16, 8), normalization(16)))
    (kernel,) = (x for x in model.graph.initializer if x.name.endswith("kernel"))
    # With one behind each row of the window.
    assert np.prod(kernel.dims) == 16 * 2 * 12


@pytest.mark.parametrize("op", [conv(8, 8, 4), conv(12, 12, 12)])
def test_a_normalization_behind_is_computed_exactly(make: Make, run: Run, op: Conv) -> None:
    graph = between(make, op, normalization(op.kernel.shape[-1]))
    x = drawn(graph)
    np.testing.assert_array_equal(run(graph, x).deployed[0], evaluate(graph, {"x": x})["act"])


def test_few_channels_of_rows_of_unknown_length_are_floats() -> None:
    """One place at a time is slower."""
    assert form(conv(4, 4, 2), None, alone=True) is Form.FLOATS
    assert form(conv(6, 6, 6), None, alone=True) is Form.FLOATS
    spread = replace(conv(6, 6, 6), dilations=(2, 2))
    assert form(spread, SIDE, alone=True) is Form.FLOATS


@pytest.mark.parametrize(
    ("inputs", "outputs", "side", "expected"),
    [
        (3, 16, 3, Form.FLOATS),
        (1, 63, 3, Form.FLOATS),
        (8, 8, 3, Form.FLOATS),
        (3, 64, 3, Form.GROUPS),
        (8, 9, 3, Form.GROUPS),
        (3, 16, 1, Form.GROUPS),
    ],
)
def test_few_channels_one_by_one_are_floats(
    make: Make, run: Run, inputs: int, outputs: int, side: int, expected: Form
) -> None:
    op = replace(conv(inputs, outputs, 1, side), dilations=(2, 2))
    assert form(op, SIDE, alone=True) is expected
    assert form(op, SIDE, alone=False) is Form.GROUPS
    assert form(replace(op, dilations=(1, 1)), None, alone=True) is expected
    assert form(replace(op, dilations=(1, 1)), SIDE, alone=True) is Form.GROUPS
    graph = between(make, op)
    x = drawn(graph)
    ran = run(graph, x)
    np.testing.assert_array_equal(ran.deployed[0], evaluate(graph, {"x": x})["act"])
    assert ("QLinearConv" in ran.operators) is (expected is not Form.FLOATS)


def test_what_a_kernel_takes_in_costs_floats_a_pass_of_their_own() -> None:
    """So more channels are left to integer kernels."""
    assert form(conv(20, 20, 20), None, alone=True) is Form.FLOATS
    assert form(conv(20, 20, 20), None, alone=False) is Form.GROUPS
    assert form(conv(96, 96, 24), None, alone=True) is Form.FLOATS
    assert form(conv(96, 96, 24), None, alone=False) is Form.WHOLE


def test_sums_that_floats_may_round_stay_integers(make: Make, run: Run) -> None:
    op = conv(12, 12, 12, bits=8)
    heavy = replace(op, kernel=np.full((37, 37, 1, 12), 127 / 8, np.float32))
    heavy = replace(heavy, padding=((18, 18), (18, 18)), bias=None)
    assert form(heavy, None, alone=True) is Form.FLOATS
    graph = between(make, heavy)
    assert "QLinearConv" in run(graph, drawn(graph)).operators
