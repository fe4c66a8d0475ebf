"""Codes of several steps that are joined or added in front of products."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Output
from qconvert.ir.ops import Concat, Conv, Dense, Merge, Op, Pool, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate

from .conftest import Make, Run, Step

FINE, COARSE = Quantize(QuantizedRelu(4, 1)), Quantize(QuantizedRelu(4, 3))
SIGNED = Quantize(QuantizedBits(4, 1, alpha=1.0))
BYTE, WIDE = Quantize(QuantizedRelu(8, 0)), Quantize(QuantizedRelu(16, 4))
NONE = ((0, 0), (0, 0))
ADD = Merge("add")


def kernel(*shape: int, most: int = 7) -> F32:
    codes = np.random.default_rng(0).integers(-most, most, shape, endpoint=True)
    return (codes / 8).astype(np.float32)


def conv(inputs: int, most: int = 7) -> Conv:
    return Conv(kernel(3, 3, inputs, 5, most=most), None, (1, 1), (1, 1), NONE)


def meeting(make: Make, op: Op, branches: Sequence[Op], *behind: Step) -> Graph:
    """Quantizers of one input that meet in *op*, called ``y``, and what is behind it."""
    names = [f"q{i}" for i in range(len(branches))]
    steps = [(name, branch, ["x"]) for name, branch in zip(names, branches, strict=True)]
    return make({"x": (6, 6, 4)}, [*steps, ("y", op, names), *behind])


def outputs_are_right(graph: Graph, run: Run) -> list[str]:
    """The operators of the optimized graph, whose results are those of the reference."""
    x = np.random.default_rng(1).normal(0, 4, (40, 6, 6, 4)).astype(np.float32)
    # The ends of all quantizers.
    x[:4] = np.array([-99, 99, 0, 1.5], np.float32).reshape(-1, 1, 1, 1)
    ran, expected = run(graph, x), evaluate(graph, {"x": x})
    for result, output in zip(ran.deployed, graph.outputs, strict=True):
        np.testing.assert_array_equal(result, expected[output.value])
    return ran.operators


POOL = Pool("max", (2, 2), (2, 2), NONE)


@pytest.mark.parametrize("most", [7, 127])
@pytest.mark.parametrize(
    ("op", "branches", "kind"),
    [
        (Concat(3), (FINE, COARSE), "QLinearConcat"),
        (Concat(3), (FINE, SIGNED, COARSE), "QLinearConcat"),
        (ADD, (FINE, COARSE), "QLinearAdd"),
        (ADD, (SIGNED, COARSE), "QLinearAdd"),
        (ADD, (FINE, FINE), "QLinearAdd"),
    ],
)
def test_products_behind_are_of_integers(
    make: Make, run: Run, op: Op, branches: Sequence[Op], kind: str, most: int
) -> None:
    channels = 4 * len(branches) if isinstance(op, Concat) else 4
    behind = ("conv", conv(channels, most), ["y"]), ("act", COARSE, ["conv"])
    operators = outputs_are_right(meeting(make, op, branches, *behind), run)
    assert {kind, "QLinearConv"} <= set(operators)
    assert not {"Conv", "Concat", "Add"}.intersection(operators)


def test_movements_may_stand_between(make: Make, run: Run) -> None:
    behind = ("pool", POOL, ["y"]), ("conv", conv(8), ["pool"]), ("act", COARSE, ["conv"])
    operators = outputs_are_right(meeting(make, Concat(3), (FINE, SIGNED), *behind), run)
    assert {"QLinearConcat", "QLinearConv"} <= set(operators)


def test_dense_layers_read_codes_too(make: Make, run: Run) -> None:
    behind = ("dense", Dense(kernel(4, 5), None), ["y"]), ("act", COARSE, ["dense"])
    operators = outputs_are_right(meeting(make, ADD, (FINE, SIGNED), *behind), run)
    assert "QLinearAdd" in operators


PRODUCT: tuple[Step, ...] = (("conv", conv(4), ["y"]), ("act", COARSE, ["conv"]))


@pytest.mark.parametrize(
    ("branches", "behind"),
    [
        # 255 + 120 steps of 1/256, and 16 bits.
        ((BYTE, SIGNED), PRODUCT),
        ((WIDE, FINE), PRODUCT),
        # Three sums that would be rounded one by one, and what no product alone reads.
        ((FINE, FINE, FINE), PRODUCT),
        ((FINE, COARSE), (("act", COARSE, ["y"]),)),
        ((FINE, COARSE), (*PRODUCT, ("last", COARSE, ["y"]))),
    ],
)
def test_other_sums_stay_floats(
    make: Make, run: Run, branches: Sequence[Op], behind: Sequence[Step]
) -> None:
    graph = meeting(make, ADD, branches, *behind)
    outputs_are_right(graph, run)
    assert not gathers(graph)


def test_what_is_a_result_as_well_stays_float(make: Make) -> None:
    graph = meeting(make, ADD, (FINE, COARSE), *PRODUCT)
    assert gathers(graph)
    assert not gathers(replace(graph, outputs=(*graph.outputs, Output("y", "y"))))


def gathers(graph: Graph) -> bool:
    return "y/QuantizeLinear" in [node.name for node in to_onnx(graph).graph.node]


def test_codes_are_for_weights_of_bytes(make: Make) -> None:
    """Beside weights on no grid they would be quantized for nothing."""
    on_grid, act = conv(8), ("act", COARSE, ["conv"])
    off_grid = replace(on_grid, kernel=on_grid.kernel / np.float32(3))
    floats, both = ("conv", off_grid, ["y"]), ("bytes", on_grid, ["y"])
    assert gathers(meeting(make, Concat(3), (FINE, COARSE), ("conv", on_grid, ["y"]), act))
    assert not gathers(meeting(make, Concat(3), (FINE, COARSE), floats, act))
    assert gathers(meeting(make, Concat(3), (FINE, COARSE), floats, act, both))
