"""Kernels some of whose channels have ties, and others a bias off the grid of their sums."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.requantization.epilogue import Epilogue, Integers, stairs
from qconvert.emit.requantization.exact import exact, scaled
from qconvert.ir import F32, Grid, Op
from qconvert.ir.ops import Affine, BatchNormalization, Conv, Quantize, Scale
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu, QuantizedSigmoid
from qconvert.reference import evaluate

from .conftest import Make, Run, execute
from .test_requantization import NIBBLE, NO_PADDING, checked, normalization

Codes = Callable[..., F32]

#: Steps of 1, in which sums of quarters have ties.
WHOLE = Quantize(QuantizedRelu(4, 4))


def epilogue(exp: int, bias: float, *between: BatchNormalization) -> Epilogue:
    quantizer, numbers = QuantizedRelu(4, 4), np.array([bias], np.float32)
    return Epilogue(np.array([exp]), 1, numbers, between, quantizer, Grid(0, 15, 0))


def ends(lo: int, hi: int) -> tuple[Integers, Integers]:
    return np.array([lo]), np.array([hi])


@pytest.mark.parametrize(
    ("exp", "bias", "factor"), [(-2, 0.75, 1), (-2, 0.125, 2), (0, 0.5, 2), (0, 0.0, 1), (0, 3, 1)]
)
def test_the_least_factor_that_makes_an_integer_of_the_bias(
    exp: int, bias: float, factor: int
) -> None:
    behind = epilogue(exp, bias)
    kernels = stairs(behind, *ends(-99, 99))
    (found,) = exact(behind, kernels, behind.grid)
    assert found is not None
    assert (found.factor, found.bias) == (factor, bias * factor / 2.0**exp)
    larger = scaled(kernels[0], found, 8)
    assert larger is not None
    assert larger.factor == 8
    assert larger.bias * larger.multiplier == found.bias * found.multiplier == bias


def test_a_bias_of_too_many_bits_has_no_integer() -> None:
    behind = epilogue(0, 2.0**-40)
    assert exact(behind, stairs(behind, *ends(-99, 99)), behind.grid) == [None]


def test_accumulators_that_32_bits_do_not_hold_are_not_scaled() -> None:
    behind = epilogue(0, 1.0)
    kernels = stairs(behind, *ends(0, 1 << 23))
    (found,) = exact(behind, kernels, behind.grid)
    assert found is not None
    assert scaled(kernels[0], found, 128) is not None
    assert scaled(kernels[0], found, 256) is None


def test_more_than_that_rounding_is_left_to_the_search() -> None:
    behind = epilogue(0, 1.0, normalization(1))
    assert exact(behind, stairs(behind, *ends(-99, 99)), behind.grid) == [None]


def test_ties_beside_a_finer_bias(make: Make, run: Run, codes: Codes) -> None:
    """Ternary weights, as they are usual with a bias of eight bits."""
    bias = codes(-127, 127, -7, 16)
    bias[::2] = np.rint(bias[::2] * 4) / 4
    conv = Conv(codes(-1, 1, 0, 3, 3, 8, 16), bias, (1, 1), (1, 1), NO_PADDING)
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("a", WHOLE, ["c"])]
    graph = make({"x": (12, 12, 8)}, steps)
    assert "Conv" not in checked(run, graph, codes(-20, 99, -4, 50, 12, 12, 8))


def test_sums_that_are_ties_one_and_all(make: Make, run: Run, codes: Codes) -> None:
    bias = np.array([0.125, -0.125, 0.625, 0.25], np.float32)
    conv = Conv(codes(-3, 3, 0, 3, 3, 4, 4), bias, (1, 1), (1, 1), NO_PADDING)
    end = Quantize(QuantizedBits(6, 3, alpha=1.0))
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("a", end, ["c"])]
    graph = make({"x": (9, 9, 4)}, steps)
    assert "Conv" not in checked(run, graph, codes(-20, 40, -4, 50, 9, 9, 4))


def test_exact_numbers_are_shifted_with_their_neighbours(
    make: Make, run: Run, codes: Codes
) -> None:
    """Weights of eight bits leave no factor, but four bits of codes some above them."""
    kernel, bias = codes(-127, 127, -7, 3, 3, 4, 6), codes(-99, 99, -9, 6)
    kernel[0, 0, 0] = 127 / 128
    bias[:2] += np.float32(2**-10)
    conv = Conv(kernel, bias, (1, 1), (1, 1), NO_PADDING)
    end = Quantize(QuantizedBits(8, -2, alpha=1.0))
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("a", end, ["c"])]
    graph = make({"x": (9, 9, 4)}, steps)
    operators = checked(run, graph, codes(-20, 99, -4, 50, 9, 9, 4))
    assert "BitShift" in operators and "Conv" not in operators


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("packed", [False, True])
def test_any_biases(make: Make, seed: int, packed: bool) -> None:
    random = np.random.default_rng(seed)
    most, exp = int(random.choice([1, 3, 7, 127])), -int(random.integers(0, 5))
    kernel = random.integers(-most, most, (3, 3, 4, 8), endpoint=True) * 2.0**exp
    finer = random.choice([0, 0, 1, 3, 6], 8)
    bias = np.rint(random.normal(0, 2, 8) * 2.0 ** (2 + finer)) * 2.0 ** (exp - 2 - finer)
    conv = Conv(
        kernel.astype(np.float32), bias.astype(np.float32), (1, 1), (1, 1), ((1, 1), (1, 1))
    )
    end = Quantize(QuantizedBits(int(random.integers(2, 9)), int(random.integers(0, 5)), alpha=1.0))
    graph = make({"x": (8, 8, 4)}, [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("a", end, ["c"])])
    x = (random.integers(-20, 80, (20, 8, 8, 4)) / 16).astype(np.float32)
    ran = execute(to_onnx(graph, packed=packed), x)
    (output,) = graph.outputs
    expected = evaluate(graph, {"x": x})[output.value]
    np.testing.assert_array_equal(ran.plain[0], expected)
    np.testing.assert_array_equal(ran.deployed[0], expected)


@pytest.mark.parametrize(("inputs", "alike"), [(2, True), (8, False)])
def test_too_few_weights_to_be_packed_are_as_by_default(
    make: Make, inputs: int, alike: bool
) -> None:
    """With one multiplier for channels whose steps differ, which takes more than four bits."""
    steps = 2.0 ** -(np.arange(8) % 4)
    kernel = (np.full((3, 3, inputs, 8), 5) * steps).astype(np.float32)
    conv = Conv(kernel, None, (1, 1), (1, 1), NO_PADDING)
    graph = make(
        {"x": (8, 8, inputs)}, [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("a", WHOLE, ["c"])]
    )
    assert (to_onnx(graph, packed=True) == to_onnx(graph)) is alike


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize(
    "between",
    [
        (),
        (Scale(0.5),),
        (Affine(np.array([0.5, 2, 1, 0.25], np.float32), np.array([1, 0, -0.5, 2], np.float32)),),
        (Affine(None, np.array([0.25], np.float32)), Scale(2.0)),
    ],
)
def test_ties_of_what_a_hard_sigmoid_rounds(
    make: Make, run: Run, codes: Codes, between: Sequence[Op], bits: int
) -> None:
    """Half of the sum and a half, behind other products and sums that do not round."""
    conv = Conv(codes(-7, 7, -3, 3, 3, 2, 4), codes(-9, 9, -4, 4), (1, 1), (1, 1), NO_PADDING)
    names = ["c", *(f"op{i}" for i in range(len(between)))]
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"])]
    steps += [(name, op, [read]) for name, op, read in zip(names[1:], between, names, strict=False)]
    end = Quantize(QuantizedSigmoid(bits))
    graph = make({"x": (7, 7, 2)}, [*steps, ("a", end, [names[-1]])])
    assert "Conv" not in checked(run, graph, codes(-20, 99, -4, 50, 7, 7, 2))
