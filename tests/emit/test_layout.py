"""Keras is channels-last, ONNX channels-first: odd sizes, so that no mixed-up axis fits."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.ir import F32, Op
from qconvert.ir.ops import (
    Concat,
    Conv,
    Merge,
    Pad,
    Pool,
    Quantize,
    Reduce,
    Reshape,
    Slice,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.ir.quantizers import QuantizedBits

from .conftest import Make, Run, Step

Codes = Callable[..., F32]

MergeKind = Literal["add", "subtract", "multiply", "average", "maximum", "minimum"]

SHAPE = (5, 7, 3)
QUANTIZE = Quantize(QuantizedBits(8, 0, alpha=1.0))
WIDE = Quantize(QuantizedBits(16, 8, alpha=1.0))
#: The identity, for which a value has to be stored channels-first.
CONV = Conv(
    np.eye(3, dtype=np.float32)[np.newaxis, np.newaxis], None, (1, 1), (1, 1), ((0, 0),) * 2
)


def shift(x: F32) -> F32:
    return np.roll(x, 1, axis=-1)


MOVES: dict[str, tuple[Op, Callable[[F32], F32]]] = {
    "flatten": (Reshape((-1,)), lambda x: x.reshape(len(x), -1)),
    "reshape": (Reshape((3, -1, 5)), lambda x: x.reshape(len(x), 3, 7, 5)),
    "transpose": (Transpose((0, 3, 1, 2)), lambda x: x.transpose(0, 3, 1, 2)),
    "permute": (Transpose((0, 2, 3, 1)), lambda x: x.transpose(0, 2, 3, 1)),
    "pad": (
        Pad(((1, 0), (0, 2), (3, 1))),
        lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2), (3, 1))),
    ),
    "slice": (
        Slice((1, None, 0), (None, -1, None), (1, 2, 1)),
        lambda x: x[:, 1:, :-1:2],
    ),
    "reverse": (
        Slice((None, 5, -1), (None, 1, None), (-1, -2, -1)),
        lambda x: x[:, ::-1, 5:1:-2, ::-1],
    ),
    "pick": (
        Slice((2, None, -1), (3, None, None), (1, 1, 1), (1, 3)),
        lambda x: x[:, 2, :, -1],
    ),
    "up": (UpSample((2, 3)), lambda x: x.repeat(2, 1).repeat(3, 2)),
    "max": (Reduce("max", (1, 2), False), lambda x: x.max((1, 2))),
    "min": (Reduce("min", (3,), True), lambda x: x.min(3, keepdims=True)),
    "sum": (Reduce("sum", (2,), False), lambda x: x.sum(2)),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize(
    "before", [[], ["q"], ["conv"], ["q", "conv"], ["q", "conv", "q"], ["w", "conv", "w"]]
)
@pytest.mark.parametrize("opset", [13, 21])
def test_data_moves_as_in_keras_wherever_the_channels_are_stored(
    make: Make, run: Run, codes: Codes, name: str, before: Sequence[str], opset: int
) -> None:
    op, expected = MOVES[name]
    ops: dict[str, Op] = {"q": QUANTIZE, "conv": CONV, "w": WIDE}
    steps: list[Step] = []
    last = "x"
    for i, key in enumerate(before):
        steps.append((f"{key}{i}", ops[key], [last]))
        last = steps[-1][0]
    graph = make({"x": SHAPE}, [*steps, ("y", op, [last])])
    x = codes(-128, 127, -7, 2, *SHAPE)
    for batch in (x, x[:1]):
        ran = run(graph, batch, opset=opset)
        np.testing.assert_array_equal(ran.plain[0], expected(batch))
        assert ran.plain[0].flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("kind", get_args(MergeKind))
def test_merged_values_meet_in_one_layout(
    make: Make, run: Run, codes: Codes, kind: MergeKind
) -> None:
    x, z = codes(-128, 127, -7, 2, *SHAPE), codes(-128, 127, -7, 2, *SHAPE, seed=1)
    graph = make(
        {"x": SHAPE, "z": SHAPE},
        [("c", CONV, ["x"]), ("q", QUANTIZE, ["z"]), ("y", Merge(kind), ["c", "q"])],
    )
    expected = {
        "add": x + z,
        "subtract": x - z,
        "multiply": x * z,
        "average": (x + z) / 2,
        "maximum": np.maximum(x, z),
        "minimum": np.minimum(x, z),
    }
    np.testing.assert_array_equal(run(graph, x, z).plain[0], expected[kind])


def test_average_of_three_adds_from_the_left_then_divides(make: Make, run: Run) -> None:
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal((50, 3), dtype=np.float32) for _ in range(3))
    graph = make({"a": (3,), "b": (3,), "c": (3,)}, [("y", Merge("average"), ["a", "b", "c"])])
    np.testing.assert_array_equal(run(graph, a, b, c).plain[0], (a + b + c) / np.float32(3))


def test_merge_broadcasts_along_keras_axes(make: Make, run: Run, codes: Codes) -> None:
    x, z = codes(-128, 127, -7, 2, *SHAPE), codes(-128, 127, -7, 2, 1, 1, 3)
    steps = [("c", CONV, ["x"]), ("d", CONV, ["z"]), ("y", Merge("multiply"), ["c", "d"])]
    graph = make({"x": SHAPE, "z": (1, 1, 3)}, steps)
    np.testing.assert_array_equal(run(graph, x, z).plain[0], x * z)


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("quantizers", [(QUANTIZE, QUANTIZE), (QUANTIZE, WIDE), (None, QUANTIZE)])
def test_concatenation_joins_the_axis_that_keras_means(
    make: Make,
    run: Run,
    codes: Codes,
    axis: int,
    quantizers: tuple[Quantize | None, Quantize],
) -> None:
    x, z = codes(-128, 127, -7, 2, *SHAPE), codes(-128, 127, -7, 2, *SHAPE, seed=1)
    first, second = quantizers
    steps: list[Step] = [("a", first, ["x"])] if first else []
    steps += [("c", CONV, ["z"]), ("b", second, ["c"])]
    graph = make(
        {"x": SHAPE, "z": SHAPE}, [*steps, ("y", Concat(axis), ["a" if first else "x", "b"])]
    )
    np.testing.assert_array_equal(run(graph, x, z).plain[0], np.concatenate([x, z], axis))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_softmax_sums_to_one_along_its_axis(make: Make, codes: Codes, run: Run, axis: int) -> None:
    graph = make({"x": SHAPE}, [("c", CONV, ["x"]), ("y", Softmax(axis), ["c"])])
    y = run(graph, codes(-3, 3, 0, 2, *SHAPE)).plain[0]
    assert np.abs(y.sum(axis) - 1).max() < 1e-6


@pytest.mark.parametrize("quantized", [True, False])
@pytest.mark.parametrize("kind", ["max", "mean"])
def test_padding_takes_no_part_in_pooling(
    make: Make, run: Run, codes: Codes, quantized: bool, kind: Literal["max", "mean"]
) -> None:
    """All numbers are negative, so that a padded 0 would win and dilute."""
    op = Pool(kind, (3, 2), (2, 1), ((1, 1), (1, 0)))
    steps = [("q", QUANTIZE, ["x"])] if quantized else []
    graph = make({"x": SHAPE}, [*steps, ("y", op, ["q" if quantized else "x"])])
    x = codes(-128, -100, -7, 2, *SHAPE)
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 0), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 2), (1, 2))[:, ::2]
    count = np.isfinite(windows).sum((-1, -2))
    means = np.nansum(windows, (-1, -2)).astype(np.float32) / count.astype(np.float32)
    expected = np.nanmax(windows, (-1, -2)) if kind == "max" else means
    np.testing.assert_array_equal(run(graph, x).plain[0], expected)


@pytest.mark.parametrize("axes", [(1, 2), (3,)])
def test_mean_is_the_sum_divided_once(
    make: Make, run: Run, codes: Codes, axes: tuple[int, ...]
) -> None:
    x = codes(-128, 127, -7, 20, *SHAPE)
    steps = [("q", QUANTIZE, ["x"]), ("c", CONV, ["q"]), ("r", QUANTIZE, ["c"])]
    graph = make({"x": SHAPE}, [*steps, ("y", Reduce("mean", axes, False), ["r"])])
    n = np.float32(np.prod([x.shape[axis] for axis in axes]))
    np.testing.assert_array_equal(run(graph, x).plain[0], x.sum(axes) / n)


def test_convolutional_network_transposes_at_its_ends_only(make: Make) -> None:
    steps: list[Step] = [("q", QUANTIZE, ["x"])]
    for i in range(3):
        steps.append((f"c{i}", CONV, [steps[-1][0]]))
        steps.append((f"p{i}", Pool("max", (1, 2), (1, 1), ((0, 0), (0, 0))), [steps[-1][0]]))
        steps.append((f"s{i}", Merge("add"), [steps[-1][0], steps[-1][0]]))
        steps.append((f"a{i}", QUANTIZE, [steps[-1][0]]))
    steps.append(("flat", Reshape((-1,)), [steps[-1][0]]))
    model = to_onnx(make({"x": SHAPE}, steps))
    assert [node.op_type for node in model.graph.node].count("Transpose") == 2


def test_transposes_that_cancel_leave_nothing(make: Make) -> None:
    steps = [
        ("a", Transpose((0, 3, 1, 2)), ["x"]),
        ("b", Transpose((0, 2, 3, 1)), ["a"]),
        ("y", CONV, ["b"]),
    ]
    model = to_onnx(make({"x": SHAPE}, steps))
    assert [node.op_type for node in model.graph.node].count("Transpose") == 2


def test_value_used_by_two_convolutions_is_transposed_once(make: Make) -> None:
    steps = [("a", CONV, ["x"]), ("b", CONV, ["x"]), ("y", Concat(3), ["a", "b"])]
    model = to_onnx(make({"x": SHAPE}, steps))
    assert [node.op_type for node in model.graph.node].count("Transpose") == 2


def test_codes_of_one_meaning_are_concatenated_as_integers(make: Make, codes: Codes) -> None:
    steps = [("a", QUANTIZE, ["x"]), ("b", QUANTIZE, ["z"]), ("y", Concat(3), ["a", "b"])]
    model = to_onnx(make({"x": SHAPE, "z": SHAPE}, steps))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == ["QuantizeLinear", "QuantizeLinear", "Concat", "DequantizeLinear"]
