"""Sums of dense layers that stay integers up to what multiplies them by channel."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.effects import without_effect
from qconvert.emit.metadata import read_metadata
from qconvert.ir import F32, Graph, Op
from qconvert.ir.ops import Affine, BatchNormalization, Dense, Quantize, Relu
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu

from .conftest import Make, Run, Step, execute

Codes = Callable[..., F32]

INPUTS, CHANNELS = 24, 6
BYTE = Quantize(QuantizedRelu(8, 2))
SIGNED = Quantize(QuantizedBits(8, 2, alpha=1.0))
RANDOM = np.random.default_rng(3)
FACTOR, OFFSET = RANDOM.normal(0, 1, (2, CHANNELS)).astype(np.float32)
EXPS = np.arange(CHANNELS)
FUSED = "MatMulIntegerToFloat"


@pytest.fixture
def kernel(codes: Codes) -> F32:
    """Of eight bits, with steps of its own in each channel."""
    exps = np.array([0, -1, -3, 0, -2, -1])
    scaled: F32 = np.ldexp(codes(-127, 127, -7, INPUTS, CHANNELS), exps).astype(np.float32)
    return scaled


def behind(make: Make, kernel: F32, *steps: Step, source: Quantize = BYTE) -> Graph:
    """A quantizer, a dense layer, and what follows it."""
    dense: Step = ("dense", Dense(kernel, None), ["q"])
    return make({"x": (INPUTS,)}, [("q", source, ["x"]), dense, *steps])


def normalization() -> BatchNormalization:
    mean, beta = RANDOM.normal(0, 1, (2, CHANNELS)).astype(np.float32)
    variance = RANDOM.uniform(0.2, 3, CHANNELS).astype(np.float32)
    return BatchNormalization(mean, variance, FACTOR, beta, 1e-3, fused=False)


@pytest.mark.parametrize("source", [BYTE, SIGNED])
@pytest.mark.parametrize("op", [Affine(FACTOR, OFFSET), Affine(FACTOR, None), normalization()])
def test_a_product_with_what_multiplies_it_is_one_operator(
    make: Make, run: Run, codes: Codes, kernel: F32, op: Op, source: Quantize
) -> None:
    graph = behind(make, kernel, ("by", op, ["dense"]), ("act", BYTE, ["by"]), source=source)
    ran = run(graph, codes(-512, 511, -6, 300, INPUTS))
    assert ran.operators.count(FUSED) == 1
    assert not {"MatMul", "MatMulInteger", "Cast"}.intersection(ran.operators)


def test_each_float_operation_is_rounded_as_in_tensorflow(
    make: Make, run: Run, codes: Codes, kernel: F32
) -> None:
    graph = behind(make, kernel, ("by", Affine(FACTOR, OFFSET), ["dense"]))
    x = codes(0, 255, -6, 300, INPUTS)
    exact = (x.astype(np.float64) @ kernel.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(run(graph, x).deployed[0], exact * FACTOR + OFFSET)


@pytest.mark.parametrize("vnni", [False, True])
@pytest.mark.parametrize(("factor", "rounds"), [(FACTOR, True), (np.float32(2) ** -EXPS, False)])
def test_what_is_added_to_a_rounded_product_is_rounded_apart_unless_no_arm_is_meant(
    make: Make, kernel: F32, factor: F32, rounds: bool, vnni: bool
) -> None:
    """There the operator rounds product and sum together; the file says so where it has it."""
    graph = behind(make, kernel, ("by", Affine(factor, OFFSET), ["dense"]))
    model = to_onnx(graph, vnni=vnni)
    metadata = read_metadata(model)
    assert metadata is not None
    assert any("ARM" in text for text in metadata.requires.cpu) is (rounds and vnni)
    assert ("Sum" in kinds(model)) is (rounds and not vnni)
    idle = [text.split()[0] for text in without_effect(model, packed=False, vnni=vnni)]
    assert idle == ["--vnni"] * (vnni and model == to_onnx(graph))


def test_a_bias_off_the_grid_is_part_of_the_operator(
    make: Make, run: Run, codes: Codes, kernel: F32
) -> None:
    """Products with powers of two are not rounded, so that ARM's sum is everyone's."""
    dense: Step = ("dense", Dense(kernel, OFFSET), ["q"])
    graph = make({"x": (INPUTS,)}, [("q", BYTE, ["x"]), dense, ("act", BYTE, ["dense"])])
    x = codes(0, 255, -6, 300, INPUTS)
    model = to_onnx(graph)
    ran = execute(model, x)
    assert ran.operators.count(FUSED) == 1 and "Sub" not in ran.operators
    exact = (x.astype(np.float64) @ kernel.astype(np.float64)).astype(np.float32)
    codes_of = np.clip(np.rint((exact + OFFSET) * np.float32(64)), 0, 255)
    np.testing.assert_array_equal(ran.deployed[0], codes_of / np.float32(64))


@pytest.mark.parametrize("channels", [1, 2])
def test_a_few_channels_are_right_too(
    make: Make, run: Run, codes: Codes, kernel: F32, channels: int
) -> None:
    by = Affine(FACTOR[:channels], OFFSET[:channels])
    graph = behind(make, kernel[:, :channels].copy(), ("by", by, ["dense"]))
    x = codes(0, 255, -6, 30, INPUTS)
    exact = (x.astype(np.float64) @ kernel[:, :channels].astype(np.float64)).astype(np.float32)
    expected = exact * FACTOR[:channels] + OFFSET[:channels]
    np.testing.assert_array_equal(run(graph, x).deployed[0], expected)


def kinds(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


def test_what_several_read_is_a_float(make: Make, kernel: F32) -> None:
    by: Step = ("by", Affine(FACTOR, OFFSET), ["dense"])
    graph = behind(make, kernel, by, ("other", Relu(), ["dense"]))
    assert "MatMulInteger" not in kinds(to_onnx(graph))


def test_an_output_is_a_float(make: Make, kernel: F32) -> None:
    steps: list[Step] = [
        ("q", BYTE, ["x"]),
        ("dense", Dense(kernel, None), ["q"]),
        ("by", Affine(FACTOR, OFFSET), ["dense"]),
    ]
    graph = make({"x": (INPUTS,)}, steps, outputs=["dense", "by"])
    assert "MatMulInteger" not in kinds(to_onnx(graph))


@pytest.mark.parametrize(
    ("exps", "factor", "integer"),
    [
        ((-118, -118), 1.0, True),
        ((-118, -121), 1.0, False),
        ((-118, -118), 1.1, True),
        # With the step, less than the smallest number of all bits.
        ((-118, -118), 0.1, False),
        ((-118, -118), 0.0, True),
        ((112, 109), 1e-30, True),
        # Before the least step multiplies it, more than the largest number.
        ((-100, 10), 1e6, False),
    ],
)
def test_steps_that_float32_may_not_hold_stay_floats(
    make: Make, exps: tuple[int, int], factor: float, integer: bool
) -> None:
    """Of sums, by themselves and times the factor; those of the codes in front are 2**-6."""
    ones = np.ldexp(np.ones((INPUTS, 2), np.float32), exps).astype(np.float32)
    by = Affine(np.full(2, factor, np.float32), OFFSET[:2])
    graph = behind(make, ones, ("by", by, ["dense"]))
    assert ("MatMulInteger" in kinds(to_onnx(graph))) is integer


def test_sums_that_float32_may_not_hold_stay_floats(make: Make, codes: Codes) -> None:
    """255 * 127 * 519 passes 2**24, and 518 products do not."""
    for inputs, integer in ((518, True), (519, False)):
        dense = Dense(np.full((inputs, 2), 127 / 128, np.float32), None)
        steps: list[Step] = [("q", BYTE, ["x"]), ("dense", dense, ["q"])]
        by = Affine(FACTOR[:2], OFFSET[:2])
        graph = make({"x": (inputs,)}, [*steps, ("by", by, ["dense"])])
        assert ("MatMulInteger" in kinds(to_onnx(graph))) is integer


def test_layers_that_are_multiplied_alike_have_operators_of_their_own(
    make: Make, run: Run, codes: Codes
) -> None:
    """As those of a network whose normalizations have learned nothing yet."""
    kernel = codes(-127, 127, -7, CHANNELS, CHANNELS)
    steps: list[Step] = []
    for name, before in (("a", "x"), ("b", "na")):
        steps += [
            (f"q{name}", SIGNED, [before]),
            (name, Dense(kernel, None), [f"q{name}"]),
            (f"n{name}", Affine(FACTOR, OFFSET), [name]),
        ]
    ran = run(make({"x": (CHANNELS,)}, steps), codes(-512, 511, -6, 300, CHANNELS))
    assert ran.operators.count(FUSED) == 2
