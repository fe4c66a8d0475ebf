import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32, Graph, Input, Node, Output
from qconvert.ir.ops import Dense, Merge, Op, Quantize, Relu, Scale
from qconvert.ir.quantizers import QuantizedRelu
from qconvert.reference import apply, evaluate


def f32(*values: float) -> F32:
    return np.array([values], np.float32)


def test_merges_of_three_go_from_left_to_right() -> None:
    """2**24 + 1 + 1 loses both ones; 2**-100 * 2**-100 is 0 in float32."""
    big = 2.0**24
    assert apply(Merge("add"), f32(big), f32(1), f32(1)).item() == big
    assert apply(Merge("add"), f32(1), f32(1), f32(big)).item() == big + 2
    tiny, huge = f32(2.0**-100), f32(2.0**100)
    assert apply(Merge("multiply"), tiny, tiny, huge).item() == 0
    assert apply(Merge("multiply"), tiny, huge, tiny).item() == 2.0**-100


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("subtract", [4, -10]),
        ("maximum", [5, 8]),
        ("minimum", [1, -2]),
        ("average", [3, 3]),
    ],
)
def test_merge_of_two(kind: str, expected: list[float]) -> None:
    op = Merge(kind)  # type: ignore[arg-type]
    assert_array_equal(apply(op, f32(5, -2), f32(1, 8)), f32(*expected))


def test_average_divides_the_sum_once() -> None:
    """7 / 3 is not 7 * (1 / 3), nor a sum of thirds."""
    y = apply(Merge("average"), f32(7), f32(0), f32(0))
    assert_array_equal(y, f32(7) / np.float32(3))


def test_merge_broadcasts() -> None:
    x = np.ones((2, 3, 4), np.float32)
    scale = np.array([1, 2, 3], np.float32).reshape(1, 3, 1)
    assert_array_equal(apply(Merge("multiply"), x, scale), x * scale)


def test_scale_rounds_its_factor_to_float32() -> None:
    x = f32(*range(100))
    assert_array_equal(apply(Scale(0.1), x), x * np.float32(0.1))


@pytest.mark.parametrize(
    "op", [Scale(0.1), Relu(0.3, 0.1, 5.0), Merge("average"), Dense(f32(1).T, f32(1)[0])]
)
def test_results_are_float32(op: Op) -> None:
    assert apply(op, f32(1)).dtype == np.float32


def test_quantize_applies_its_quantizer() -> None:
    op = Quantize(QuantizedRelu(bits=2, integer=1))
    assert_array_equal(apply(op, f32(-1, 0.6, 9)), f32(0, 0.5, 1.5))


def test_evaluate_keeps_every_value_and_feeds_inputs_by_name() -> None:
    graph = Graph(
        "two inputs",
        (Input("a", (None, 1)), Input("b", (None, 1))),
        (
            Node("difference", Merge("subtract"), ("b", "a"), (None, 1)),
            Node("scaled", Scale(10.0), ("difference",), (None, 1)),
        ),
        (Output("scaled", "scaled"),),
        (),
    )
    values = evaluate(graph, {"a": f32(1), "b": f32(3)})
    assert {name: value.item() for name, value in values.items()} == {
        "a": 1,
        "b": 3,
        "difference": 2,
        "scaled": 20,
    }
