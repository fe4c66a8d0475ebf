from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from qconvert.errors import UsageError
from qconvert.explaining import (
    Agreement,
    Applied,
    Arithmetic,
    Choice,
    Element,
    Explanation,
    Loop,
    Rounded,
    Run,
    Sum,
    Taken,
    WeightElement,
    explain,
    sums,
)
from qconvert.ir import F32, Graph, Grid, Input, Layer, Node, Output, Weight
from qconvert.ir.ops import (
    Affine,
    Conv,
    Dense,
    Merge,
    Opaque,
    Pad,
    Pool,
    Quantize,
    Recurrence,
    Scale,
)
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu, QuantizedSigmoid, QuantizedTanh
from qconvert.ir.stock import Power
from qconvert.numerics import quantize
from tests.explaining.conftest import Prepare
from tests.explaining.recomputed import faults

BITS = QuantizedBits(4, 0, alpha=1.0)


def weight(raw: F32) -> Weight:
    return Weight(raw, quantize(BITS, raw), BITS)


def convolution(padding: int, kernel: F32, bias: F32 | None = None) -> Conv:
    return Conv(kernel, bias, (2, 1), (1, 1), ((padding, padding), (0, 1)))


@pytest.fixture
def conv(prepare: Prepare, random: np.random.Generator) -> Run:
    """A strided convolution of codes with padding, then a quantizer."""
    x = (random.integers(-8, 8, (1, 5, 5, 2)) / 8).astype(np.float32)
    kernel = weight(random.uniform(-1, 1, (3, 2, 2, 3)).astype(np.float32))
    bias = weight(random.uniform(-1, 1, 3).astype(np.float32))
    op = convolution(1, kernel.effective, bias.effective)
    weights = {"kernel": kernel, "bias": bias}
    return prepare(x, op, Quantize(QuantizedRelu(4, 1)), weights=weights, domain=Grid(-8, 7, -3))


def of(explanation: Explanation) -> Sum:
    why = explanation.steps[0].reason
    assert isinstance(why, Sum)
    return why


def test_a_window_is_shown_with_its_padding(conv: Run) -> None:
    terms = of(explain(conv, "y", (0, 4, 1))).terms
    assert [term.x.index for term in terms if term.x.padding] == [
        # Above the first row; and to the right of the last column.
        *((-1, 4, 0), (-1, 4, 1), (-1, 5, 0), (-1, 5, 1)),
        *((0, 5, 0), (0, 5, 1), (1, 5, 0), (1, 5, 1)),
    ]
    assert all(term.product == 0 for term in terms if term.x.padding)


def test_products_and_sums_are_those_of_integers(conv: Run) -> None:
    why = of(explain(conv, "y", (1, 1, 2)))
    assert (why.x_exp, why.exp, why.agreement) == (-3, -6, Agreement.EXACT)
    assert why.proof is not None
    products = [round(t.x.number * 8) * round(number(t.factor) * 8) for t in why.terms]
    assert [term.product for term in why.terms] == products
    assert [term.partial for term in why.terms] == np.cumsum(products).tolist()
    assert why.bias is not None
    assert why.exact == Fraction(sum(products), 64) + Fraction(why.bias.effective)


def number(factor: WeightElement | Element | None) -> float:
    assert isinstance(factor, WeightElement)
    return factor.effective


def test_raw_and_effective_weights_stand_side_by_side(conv: Run) -> None:
    (layer,) = conv.graph.layers
    for term in of(explain(conv, "y", (1, 1, 2))).terms:
        assert isinstance(term.factor, WeightElement)
        kernel = layer.weights[term.factor.role]
        assert term.factor.raw == kernel.raw[term.factor.index]
        assert term.factor.effective == kernel.effective[term.factor.index]


def test_what_get_weights_would_give_is_computed_with_these(conv: Run, prepare: Prepare) -> None:
    (layer,) = conv.graph.layers
    raw = {role: each.raw for role, each in layer.weights.items()}
    ops = convolution(1, raw["kernel"], raw["bias"]), Quantize(QuantizedRelu(4, 1))
    expected = prepare(conv.values["x"], *ops).values["y"]
    found = explain(conv, "y", (1, 1, 2)).raw
    assert found is not None
    assert found.value == expected[0, 1, 1, 2]
    differing = {each.role: (each.differing, each.size) for each in found.weights}
    assert differing == {
        role: (int(np.count_nonzero(each.raw != each.effective)), each.raw.size)
        for role, each in layer.weights.items()
    }


@pytest.mark.parametrize("padding", [0, 2])
def test_a_window_at_another_place_does_not_add_up(
    conv: Run, monkeypatch: pytest.MonkeyPatch, padding: int
) -> None:
    right = sums.conv

    def wrong(op: Conv, *others: object) -> sums.Parts:
        moved = replace(op, padding=((padding, padding), *op.padding[1:]))
        return right(moved, *others)  # type: ignore[arg-type]

    assert not list(faults(explain(conv, "y", (1, 1, 2)).steps))
    monkeypatch.setattr(sums, "conv", wrong)
    assert list(faults(explain(conv, "y", (1, 1, 2)).steps))


def test_another_weight_does_not_add_up(conv: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    right = sums.conv

    def wrong(*given: object) -> sums.Parts:
        parts = right(*given)  # type: ignore[arg-type]
        return replace(parts, factors=parts.factors[::-1])

    monkeypatch.setattr(sums, "conv", wrong)
    assert list(faults(explain(conv, "y", (1, 1, 2)).steps))


def test_a_sum_that_float32_rounds_says_so(prepare: Prepare) -> None:
    x = np.array([[2.0**24, 1.0, 1.0, -(2.0**24)]], np.float32)
    kernel = np.ones((4, 1), np.float32)
    why = of(explain(prepare(x, Dense(kernel, None)), "y"))
    assert why.exact == 2
    assert why.proof is None
    assert why.doubt == "the model's input has no declared domain"
    assert why.agreement is (Agreement.EXACT if x[0] @ kernel[:, 0] == 2 else Agreement.DIFFERENT)


@pytest.mark.parametrize(
    ("quantizer", "x", "code", "saturated", "tie"),
    [
        (QuantizedRelu(4, 0), 0.28125, 4, False, True),
        (QuantizedRelu(4, 0), 0.34375, 6, False, True),
        (QuantizedRelu(4, 0), 0.3, 5, False, False),
        (QuantizedRelu(4, 0), 7.0, 15, True, False),
        (QuantizedRelu(4, 0), -7.0, 0, True, False),
        (BITS, 0.9375, 7, True, False),
        (BITS, 0.9, 7, False, False),
        (QuantizedTanh(4), 0.0625, 0, False, True),
        (QuantizedSigmoid(4), 0.0625, 8, False, True),
        # float32 has no 1/2 + 5e-10, so that this is 8 steps of 1/16.
        (QuantizedSigmoid(4), 1e-9, 8, False, False),
    ],
)
def test_a_quantizer_shows_code_saturation_and_ties(
    prepare: Prepare,
    quantizer: QuantizedRelu | QuantizedBits | QuantizedTanh | QuantizedSigmoid,
    x: float,
    code: int,
    saturated: bool,
    tie: bool,
) -> None:
    run = prepare(np.array([[x]], np.float32), Quantize(quantizer))
    (step,) = explain(run, "y", (0,)).steps
    assert isinstance(step.reason, Rounded)
    found = step.reason
    assert (found.code, found.saturated, found.tie) == (code, saturated, tie)


@pytest.mark.parametrize("x", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("quantizer", [BITS, QuantizedRelu(4, 0), QuantizedTanh(4)])
def test_what_is_not_finite_has_no_code(
    prepare: Prepare, quantizer: QuantizedRelu | QuantizedBits | QuantizedTanh, x: float
) -> None:
    """Behind a sum that overflows; the input of a model is finite."""
    run = prepare(np.array([[x]], np.float32), Quantize(quantizer))
    (step,) = explain(run, "y", (0,)).steps
    assert isinstance(step.reason, Rounded)
    assert (step.reason.code, step.reason.position) == (None, None)


def test_the_place_among_the_codes_rounds_to_the_code(
    prepare: Prepare, random: np.random.Generator
) -> None:
    x = (random.integers(-200, 200, (1, 300)) / 64).astype(np.float32)
    for quantizer in (BITS, QuantizedRelu(3, 1), QuantizedTanh(3), QuantizedSigmoid(5)):
        run = prepare(x, Quantize(quantizer))
        for i in range(x.size):
            assert not list(faults(explain(run, "y", (i,)).steps))


def test_the_winner_of_a_pool_is_shown_and_padding_is_none(prepare: Prepare) -> None:
    x = np.array([[[[-3.0]], [[-1.0]], [[-2.0]]]], np.float32)
    run = prepare(x, Pool("max", (2, 1), (1, 1), ((1, 0), (0, 0))))
    why = explain(run, "y", (0, 0, 0)).steps[0].reason
    assert isinstance(why, Choice)
    assert [each.number for each in why.candidates] == [-3.0]
    why = explain(run, "y", (2, 0, 0)).steps[0].reason
    assert isinstance(why, Choice)
    assert (why.candidates[why.winner].index, why.equal) == ((1, 0, 0), 1)


def test_a_mean_is_divided_by_what_is_no_padding(prepare: Prepare) -> None:
    x = np.array([[[[3.0]], [[1.0]], [[2.0]]]], np.float32)
    run = prepare(x, Pool("mean", (2, 1), (1, 1), ((1, 0), (0, 0))))
    divisors = [of(explain(run, "y", (i, 0, 0))).divisor for i in range(3)]
    assert divisors == [1, 2, 2]


def test_a_zero_that_is_put_there_comes_from_nowhere(prepare: Prepare) -> None:
    run = prepare(np.ones((1, 2), np.float32), Pad(((1, 0),)))
    assert explain(run, "y", (0,)).steps[0].reason == Taken(None)
    assert explain(run, "y", (1,)).steps[0].reason == Taken(Element("x", (0,), 1.0))


def test_numbers_that_are_multiplied_and_added_are_shown(prepare: Prepare) -> None:
    op = Affine(np.array([0.5, 3.0], np.float32), np.array([0.25], np.float32))
    why = explain(prepare(np.array([[2.0, 7.0]], np.float32), op), "y", (1,)).steps[0].reason
    assert isinstance(why, Arithmetic)
    assert [(each.sign, each.number, each.after) for each in why.operations] == [
        ("*", 3.0, 21),
        ("+", 0.25, Fraction(85, 4)),
    ]


def test_a_function_is_named_with_its_operand(prepare: Prepare) -> None:
    why = explain(prepare(np.array([[3.0]], np.float32), Power(2.0)), "y", (0,)).steps[0].reason
    doubt = "an elementary function, which every library rounds in its own way"
    assert why == Applied("x to the power of 2", (Element("x", (0,), 3.0),), (), doubt)


def test_numbers_that_are_not_finite_are_no_sum(prepare: Prepare) -> None:
    x = np.array([[np.inf, 1.0]], np.float32)
    (step,) = explain(prepare(x, Dense(np.ones((2, 1), np.float32), None)), "y").steps
    assert isinstance(step.reason, Applied)
    assert "not finite" in step.reason.function


def test_a_loop_shows_the_states_around_its_step(
    prepare: Prepare, random: np.random.Generator
) -> None:
    kernel, recurrent = (
        weight(np.full((2, 3), 0.3, np.float32)),
        weight(np.eye(3, dtype=np.float32)),
    )
    body = Graph(
        "step",
        (Input("x", (None, 2)), Input("h", (None, 3))),
        (
            Node("new", Dense(kernel.effective, None), ("x",), (None, 3)),
            Node("old", Dense(recurrent.effective, None), ("h",), (None, 3)),
            Node("sum", Merge("add"), ("new", "old"), (None, 3)),
        ),
        (Output("h", "sum"),),
        (),
    )
    x = (random.integers(-8, 8, (1, 4, 2)) / 8).astype(np.float32)
    weights = {"kernel": kernel, "recurrent_kernel": recurrent}
    run = prepare(x, Recurrence(body, reverse=True), weights=weights)
    why = explain(run, "y", (2, 1)).steps[0].reason
    assert isinstance(why, Loop)
    assert (why.step, why.count, why.time) == (2, 4, 1)
    states = run.values["y"][0, :, 1]
    assert [each.number for each in (*why.before, *why.after)] == [states[1], states[2]]
    assert [each.value for each in (*why.before, *why.after)] == ["h", "h"]
    assert [step.operation for step in why.steps] == ["Dense", "Dense", "Merge"]
    raw = explain(run, "y", (2, 1)).raw
    assert raw is not None
    # The recurrent kernel's 1 is 7/8 in the layer, the kernel's 0.3 is 1/4.
    assert raw.value == pytest.approx(0.3 * x[0, 1:].sum(), rel=1e-6)


def test_an_unknown_layer_is_told_with_names_like_it(conv: Run) -> None:
    with pytest.raises(UsageError, match=r"no layer 'x1'; inspect shows its 1 layer"):
        explain(conv, "x1")
    graph = replace(conv.graph, layers=(replace(conv.graph.layers[0], name="conv2d_1"),))
    with pytest.raises(UsageError, match=r"did you mean conv2d_1\?"):
        explain(replace(conv, graph=graph), "conv2d")


@pytest.mark.parametrize("at", [(0, 0), (0, 0, 3), (3, 0, 0), (0, -6, 0), (0, 0, 0, 0)])
def test_an_index_out_of_range_is_told_with_the_shape(conv: Run, at: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"result has the shape \(3, 5, 3\), without the batch"):
        explain(conv, "y", at)


def test_negative_numbers_count_from_the_end(conv: Run) -> None:
    assert explain(conv, "y", (-1, -5, -2)).index == (2, 0, 1)


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        ([[1, 1, 1], [9, -4, 2]], (1, 1)),
        ([[1, 1, 1], [9, 0, 0]], (1, 0)),
        ([[0, 0, 0], [0, 0, 0]], (1, 0)),
    ],
)
def test_without_an_index_it_is_in_the_middle_and_not_clipped(
    prepare: Prepare, rows: list[list[int]], index: tuple[int, ...]
) -> None:
    run = prepare(np.array([rows], np.float32), Scale(1.0))
    explanation = explain(run, "y")
    assert explanation.chosen
    assert explanation.index == index


def test_a_result_without_elements_has_nothing_to_explain(prepare: Prepare) -> None:
    with pytest.raises(UsageError, match="has no elements"):
        explain(prepare(np.ones((1, 0), np.float32), Scale(1.0)), "y")


def test_a_layer_that_does_nothing_has_no_steps(conv: Run) -> None:
    layers = (*conv.graph.layers, Layer("dropout", "Dropout", "y"))
    run = replace(conv, graph=replace(conv.graph, layers=layers))
    assert explain(run, "dropout").steps == ()
    assert len(explain(run, "y").steps) == 2


@pytest.fixture
def twice(prepare: Prepare, random: np.random.Generator) -> Run:
    """A dense layer, called again on its own result, where the weights are copies."""
    kernel = weight(random.uniform(-1, 1, (2, 2)).astype(np.float32))
    again = Dense(kernel.effective.copy(), None)
    run = prepare(
        np.ones((1, 2), np.float32),
        Dense(kernel.effective, None),
        again,
        weights={"kernel": kernel},
    )
    first, second = (
        Layer("y", "QDense", "y:0", run.graph.layers[0].weights),
        Layer("y@1", "QDense", "y"),
    )
    return replace(run, graph=replace(run.graph, layers=(first, second)))


def test_a_further_call_begins_behind_the_call_before(twice: Run) -> None:
    (step,) = explain(twice, "y@1").steps
    assert isinstance(step.reason, Sum)
    assert {term.x.value for term in step.reason.terms} == {"y:0"}


def test_a_further_call_has_the_stored_weights_of_the_first(twice: Run) -> None:
    first, second = (explain(twice, name, (1,)) for name in ("y", "y@1"))
    assert first.raw is not None
    assert second.raw is not None
    assert second.raw.weights == first.raw.weights
    (layer, _) = twice.graph.layers
    assert second.raw.value == (twice.values["y:0"] @ layer.weights["kernel"].raw)[0, 1]


def test_of_an_opaque_layer_nothing_is_claimed(prepare: Prepare, few: Callable[[Run], Run]) -> None:
    x = np.ones((1, 2), np.float32)
    kernel = weight(np.ones((2, 2), np.float32))
    run = few(prepare(x, Dense(kernel.effective, None), weights={"kernel": kernel}))
    explanation = explain(run, "y")
    assert explanation.raw is not None
    assert explanation.raw.value is None


@pytest.fixture
def few() -> Callable[[Run], Run]:
    """A run in which the layer is one that another converter knows."""

    def changed(run: Run) -> Run:
        (node,) = run.graph.nodes
        op = Opaque("Strange", "tf2onnx", b"", ((None, 2),), (None, 2))
        return replace(run, graph=replace(run.graph, nodes=(replace(node, op=op),)))

    return changed
