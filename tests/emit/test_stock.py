"""The ops of stock layers in ONNX Runtime against the reference, in several layouts and opsets."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.emit import to_onnx
from qconvert.ir import F32, Op
from qconvert.ir.ops import Conv, Dense, Pool, Quantize
from qconvert.ir.quantizers import QuantizedBits
from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
    JointSoftmax,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    StepMask,
    UnfoldTime,
    UnitNormalize,
    Where,
    WithConstant,
)
from qconvert.reference import apply

from .conftest import Make, Run, execute

IMAGE = (4, 6, 3)
#: Stored channels first, so that what follows meets another layout.
POOL = Pool("max", (1, 1), (1, 1), ((0, 0), (0, 0)))


def floats(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


EXACT: list[Op] = [
    WithConstant("add", floats(1, 1, 3)),
    WithConstant("subtract", floats(4, 1, 1)),
    WithConstant("subtract", floats(1, 6, 3), first=True),
    WithConstant("multiply", floats(4, 6, 3)),
    WithConstant("divide", floats(1, 1, 1)),
    WithConstant("divide", floats(1, 1, 3), first=True),
    WithConstant("maximum", floats(1, 6, 1)),
    WithConstant("minimum", floats(4, 1, 3)),
    PRelu(floats(1, 1, 3)),
    PRelu(floats(4, 6, 1)),
    Resize((4, 6), (7, 5), "nearest"),
    Resize((4, 6), (9, 4), "bilinear"),
    FoldTime(),
    StepMask(0.0),
]


@pytest.mark.parametrize("op", EXACT, ids=str)
@pytest.mark.parametrize("opset", [13, 21])
def test_results_are_the_references(make: Make, run: Run, op: Op, opset: int) -> None:
    x = floats(5, *IMAGE, seed=1)
    graph = make({"x": IMAGE}, [("p", POOL, ["x"]), ("y", op, ["p"])])
    for dialect in ("qdq", "float"):
        ran = run(graph, x, dialect=dialect, opset=opset)
        assert_array_equal(ran.plain[0], apply(op, x))


CLOSE: list[Op] = [
    LayerNormalization((3,), floats(1, 1, 3), floats(1, 1, 3, seed=2), 1e-3, True),
    LayerNormalization((2, 3), None, floats(1, 6, 3), 1e-3, True),
    LayerNormalization((1,), floats(4, 1, 1), None, 1e-6, False),
    LayerNormalization((1, 3), None, None, 1e-3, False),
    UnitNormalize((3,), 1e-12),
    UnitNormalize((1, 2), 1e-12),
    Power(2.0),
]


@pytest.mark.parametrize("op", CLOSE, ids=str)
@pytest.mark.parametrize("opset", [13, 17, 21])
def test_last_bits_are_nobodys(make: Make, op: Op, opset: int) -> None:
    x = floats(5, *IMAGE, seed=1)
    graph = make({"x": IMAGE}, [("p", POOL, ["x"]), ("y", op, ["p"])])
    expected = apply(op, x)
    for y in execute(to_onnx(graph, opset=opset), x)[:2]:
        assert np.abs(y[0] - expected).max() <= 4e-6 * np.abs(expected).max()


@pytest.mark.parametrize("op", [op for op in CLOSE if not isinstance(op, Power)], ids=str)
@pytest.mark.parametrize("opset", [13, 21])
def test_both_runs_have_the_same_last_bits(make: Make, run: Run, op: Op, opset: int) -> None:
    """Of many numbers: `run` compares all bits."""
    graph = make({"x": IMAGE}, [("p", POOL, ["x"]), ("y", op, ["p"])])
    run(graph, floats(500, *IMAGE, seed=1), opset=opset)


def test_the_operator_of_that_name_is_used_where_there_is_one(make: Make) -> None:
    op = LayerNormalization((3,), None, None, 1e-3, True)
    graph = make({"x": IMAGE}, [("y", op, ["x"])])
    kinds = [[n.op_type for n in to_onnx(graph, opset=k).graph.node] for k in (16, 17)]
    assert "LayerNormalization" not in kinds[0]
    assert kinds[1] == ["LayerNormalization"]


def test_two_tensors(make: Make, run: Run, codes: Callable[..., F32]) -> None:
    x, y = codes(-8, 8, -2, 5, 4, 6), codes(1, 8, -2, 5, 6, 4, seed=1)
    graph = make({"x": (4, 6), "y": (6, 4)}, [("z", MatMul(), ["x", "y"])])
    assert_array_equal(run(graph, x, y).plain[0], x @ y)
    graph = make({"x": (4, 6), "y": (4, 6)}, [("z", Divide(), ["x", "y"])])
    other = y.reshape(5, 4, 6)
    assert_array_equal(run(graph, x, other).plain[0], x / other)


def test_rows_of_a_table(make: Make, run: Run) -> None:
    op = Embedding(floats(7, 3))
    x = np.array([[0, 6.5], [3, 2]], np.float32)
    graph = make({"x": (2,)}, [("y", op, ["x"])])
    assert_array_equal(run(graph, x).plain[0], apply(op, x))


def test_steps_of_time_stay_integers(make: Make, run: Run, codes: Callable[..., F32]) -> None:
    """The fold and its inverse move the codes, so that the product runs on bytes."""
    quantizer, kernel = Quantize(QuantizedBits(8, 0)), codes(-8, 7, -3, 6, 4)
    steps: list[tuple[str, Op, list[str]]] = [
        ("q", quantizer, ["x"]),
        ("f", FoldTime(), ["q"]),
        ("d", Dense(kernel, None), ["f"]),
        ("r", quantizer, ["d"]),
        ("y", UnfoldTime(3), ["r"]),
    ]
    x = floats(5, 3, 6)
    ran = run(make({"x": (3, 6)}, steps), x)
    assert "QGemm" in ran.operators
    q = apply(quantizer, x)
    assert_array_equal(ran.plain[0], apply(quantizer, apply(Dense(kernel, None), q)))


@pytest.mark.parametrize("kind", ["multiply", "add"])
def test_no_optimizer_folds_a_constant_into_a_convolution(
    make: Make, run: Run, codes: Callable[..., F32], kind: Literal["multiply", "add"]
) -> None:
    """It is exact: three times the input, and a bias; tiny weights meet zeros only.

    They keep the kernel off every grid of integers, so that it may be folded.
    """
    x, bias = codes(-999, 999, -8, 5, 4, 6, 8), codes(-99, 99, -8, 8, seed=1)
    matrix = np.concatenate([3 * np.eye(8), np.full((8, 8), 2.0**-40)]).astype(np.float32)
    kernel = matrix[np.newaxis, np.newaxis]
    conv = Conv(kernel, bias, (1, 1), (1, 1), ((0, 0), (0, 0)))
    op = WithConstant(kind, floats(1, 1, 8))
    padded = np.concatenate([x, np.zeros_like(x)], axis=-1)
    ran = run(make({"x": (4, 6, 16)}, [("c", conv, ["x"]), ("y", op, ["c"])]), padded)
    assert_array_equal(ran.plain[0], apply(op, 3 * x + bias))


@pytest.mark.parametrize("axes", [(1, 2), (2, 3), (1, 2, 3)])
def test_a_softmax_over_axes_sums_up_to_one(make: Make, run: Run, axes: tuple[int, ...]) -> None:
    """Far numbers, whose powers would overflow; behind channels that are stored first."""
    x = 200 * floats(5, *IMAGE, seed=4)
    op = JointSoftmax(axes)
    for steps in ([("y", op, ["x"])], [("p", POOL, ["x"]), ("y", op, ["p"])]):
        found = run(make({"x": IMAGE}, steps), x).plain[0]
        assert (abs(found.astype(np.float64).sum(axis=axes) - 1) < 72 * 2.0**-24).all()
        assert_array_equal(found.argmax(axis=axes[0]), apply(op, x).argmax(axis=axes[0]))


@pytest.mark.parametrize("opset", [13, 21])
def test_masks_choose_in_every_layout(make: Make, run: Run, opset: int) -> None:
    x = floats(5, *IMAGE, seed=1)
    x[:, 1] = x[2, :, 3] = 0
    x[0, 1, 2, 1] = 1
    steps: list[tuple[str, Op, list[str]]] = [
        ("p", POOL, ["x"]),
        ("mask", StepMask(0.0), ["p"]),
        ("or", Where(), ["mask", "p", "x"]),
        ("y", Where(), ["mask", "or"]),
    ]
    graph = make({"x": IMAGE}, steps, ("mask", "or", "y"))
    mask = np.any(x != 0, axis=-1, keepdims=True)
    ran = run(graph, x, opset=opset)
    for found, expected in zip(ran.plain, (mask, x, np.where(mask, x, 0)), strict=True):
        assert_array_equal(found, expected)
