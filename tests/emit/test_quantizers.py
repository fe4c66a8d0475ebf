"""Every activation quantizer against the NumPy arithmetic of QKeras, in both dialects."""

from typing import Any

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.thresholds import thresholds
from qconvert.ir import F32, Quantizer, grid_of
from qconvert.ir.ops import Conv, Dense, Quantize, Relu, Scale
from qconvert.ir.quantizers import (
    Binary,
    FrozenScale,
    HardFunction,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Ternary,
)
from qconvert.numerics import quantize
from qconvert.reference import evaluate

from .conftest import Make, Run, Step

QUANTIZERS: list[Quantizer] = [
    *(QuantizedBits(bits, 2, alpha=1.0) for bits in (1, 2, 3, 7, 8, 9, 12, 16, 17, 24, 25, 32)),
    *(QuantizedBits(bits, 0, symmetric=True) for bits in (2, 8, 16)),
    *(QuantizedBits(bits, 1, keep_negative=False) for bits in (1, 4, 8, 15, 16)),
    *(QuantizedBits(4, 0, alpha=alpha) for alpha in (0.5, 2.0, 0.3, 0.7)),
    QuantizedBits(8, 0, alpha=(0.5, 0.3, 2.0)),
    QuantizedBits(4, 0, alpha=(0.5, 0.25, 2.0)),
    QuantizedBits(1, alpha=0.5),
    QuantizedBits(1, alpha=0.3),
    QuantizedBits(6, -2),
    QuantizedBits(6, 9),
    *(QuantizedRelu(bits, 1) for bits in (1, 3, 8, 11, 16, 17, 25, 31)),
    QuantizedRelu(32, 1, negative_slope=0.25),
    QuantizedRelu(31, 1, use_sigmoid=True),
    *(QuantizedTanh(32, symmetric) for symmetric in (False, True)),
    *(QuantizedSigmoid(31, symmetric) for symmetric in (False, True)),
    *(QuantizedRelu(bits, 1, negative_slope=0.25) for bits in (4, 8, 16)),
    QuantizedRelu(4, 1, relu_upper_bound=1.05),
    QuantizedRelu(4, 1, is_quantized_clip=False),
    QuantizedRelu(4, 1, relu_upper_bound=1.05, is_quantized_clip=False),
    QuantizedRelu(4, 1, relu_upper_bound=1.0, is_quantized_clip=False, negative_slope=0.5),
    *(QuantizedRelu(n, 1, negative_slope=-0.5, is_quantized_clip=False) for n in (1, 4, 16)),
    QuantizedRelu(4, 0, use_sigmoid=True),
    QuantizedRelu(5, 1, use_sigmoid=True, negative_slope=0.25),
    *(
        QuantizedBits(bits, 1, alpha=alpha, qnoise_factor=factor, use_ste=use_ste)
        for bits in (1, 4, 12)
        for alpha in (None, 0.3)
        for factor in (0.0, 0.1, 1.0)
        for use_ste in (False, True)
    ),
    *(
        QuantizedBits(4, 1, True, alpha="auto_po2", post_training_scale=scale)
        for scale in (
            FrozenScale((1.0,)),
            FrozenScale((0.3,), (1, 1)),
            FrozenScale((0.5, 0.3, 2.0), (3,)),
        )
    ),
    QuantizedBits(8, 0, True, False, alpha="auto", post_training_scale=FrozenScale((0.5,))),
    QuantizedBits(
        4, 0, True, qnoise_factor=0.5, alpha="auto", post_training_scale=FrozenScale((0.7,))
    ),
    *(
        QuantizedLinear(bits, 1, alpha=a)
        for bits in (1, 2, 8, 12, 16, 20)
        for a in (None, 0.5, 0.3)
    ),
    *(QuantizedLinear(bits, -1, False, False) for bits in (1, 4, 8, 16)),
    QuantizedLinear(8, alpha=(0.5, 0.3, 2.0)),
    QuantizedLinear(4, qnoise_factor=0.1),
    *(QuantizedHswish(QuantizedBits(bits, 2)) for bits in (1, 4, 8, 12, 16)),
    QuantizedHswish(QuantizedBits(6, 2, alpha=0.3), 2.0, 5.0),
    QuantizedHswish(QuantizedBits(6, 2, qnoise_factor=0.3), 2.0, 5.0),
    *(
        QuantizedUlaw(bits, 1, symmetric)
        for bits in (1, 2, 4, 8, 16)
        for symmetric in (False, True)
    ),
    QuantizedUlaw(6, -1, u=10.0),
    *(
        QuantizedRelu(bits, 1, negative_slope=slope, qnoise_factor=factor, use_ste=use_ste)
        for bits in (4, 20)
        for slope in (0.0, 0.25)
        for factor in (0.0, 0.1, 1.0)
        for use_ste in (False, True)
    ),
    QuantizedRelu(4, 1, False, 0.5, 1.05, False, 0.1, False),
    *(QuantizedTanh(bits, symmetric) for bits in (2, 4, 8, 12, 16) for symmetric in (False, True)),
    *(QuantizedSigmoid(bits, symmetric) for bits in (1, 4, 8, 16) for symmetric in (False, True)),
    *(QuantizedPo2(bits) for bits in (2, 4, 5, 8)),
    *(QuantizedPo2(5, value) for value in (0.7, 1.0, 3.0)),
    QuantizedPo2(5, 3.0, log2_rounding="floor"),
    QuantizedPo2(6, quadratic_approximation=True),
    QuantizedPo2(6, 2.0, quadratic_approximation=True, log2_rounding="floor"),
    *(QuantizedReluPo2(bits) for bits in (2, 4, 8)),
    QuantizedReluPo2(6, 2048.0),
    QuantizedReluPo2(4, negative_slope=0.25),
    QuantizedReluPo2(5, 2.0, negative_slope=0.5),
    *(
        kind(4, qnoise_factor=factor, use_ste=use_ste)
        for kind in (QuantizedPo2, QuantizedReluPo2)
        for factor in (0.0, 0.1, 1.0)
        for use_ste in (False, True)
    ),
    *(
        QuantizedTanh(bits, symmetric, True)
        for bits in (1, 2, 4, 8, 12, 16)
        for symmetric in (False, True)
    ),
    *(
        QuantizedSigmoid(bits, symmetric, True)
        for bits in (1, 2, 4, 8, 12)
        for symmetric in (False, True)
    ),
    Binary(),
    Binary(alpha=0.5),
    Binary(alpha=0.3),
    Binary(use_01=True),
    Binary(use_01=True, alpha=2.0),
    Ternary(),
    Ternary(alpha=0.5),
    Ternary(alpha=0.3, threshold=0.5),
    Ternary(threshold=0.0),
    Ternary((0.5, 0.3, 0.0), (0.25, 0.75, 1e-45)),
    Binary(alpha=(0.5, 0.3, 0.0)),
    *HardFunction,
]


@pytest.fixture(scope="module")
def x() -> F32:
    """Ties, their neighbours, range ends, and random numbers; (rows, 3), rows a multiple of 8."""
    rng = np.random.default_rng(0)
    ties = [np.arange(-600, 601) / 2**exp for exp in (1, 4, 5, 8, 9, 12, 16)]
    powers = np.append(2.0 ** np.arange(-30, 8, 0.5), 1e-7)
    random = [rng.standard_normal(2000) * 10.0**exp for exp in (-3, 0, 1)]
    marks = np.concatenate([*ties, powers, -powers, *random, [0.0, 0.33, -0.33]]).astype(np.float32)
    near = [np.nextafter(marks, np.float32(end)) for end in (-np.inf, np.inf)]
    everything = np.concatenate([marks, *near])
    return everything[: everything.size // 24 * 24].reshape(-1, 3)


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=repr)
def test_quantizer_gives_qkeras_bits(
    make: Make, run: Run, x: F32, quantizer: Quantizer, dialect: str
) -> None:
    graph = make({"x": (3,)}, [("y", Quantize(quantizer), ["x"])])
    ran = run(graph, x, dialect=dialect)
    np.testing.assert_array_equal(ran.plain[0], quantize(quantizer, x))
    grid = grid_of(quantizer)
    if dialect == "qdq" and grid is not None and grid.hi < 1 << 8:
        # README.md promises so of integers; QKeras's zeros have no sign either.
        assert not np.signbit(ran.plain[0][ran.plain[0] == 0]).any()


@pytest.mark.parametrize(
    "quantizer",
    [
        *(QuantizedBits(16, integer, symmetric=True) for integer in (-7, -8, -13)),
        *(QuantizedBits(12, integer) for integer in (-27, -28)),
        *(QuantizedRelu(15, integer) for integer in (-24, -25)),
    ],
    ids=repr,
)
def test_the_clip_of_a_small_range_stays(
    make: Make, run: Run, quantizer: QuantizedBits | QuantizedRelu
) -> None:
    """ONNX Runtime drops a Clip that it takes for the whole range of the integers behind it."""
    x = np.array([[-8, -1, -0.75, 0.5, 1, 2]], np.float32) * np.float32(2.0**quantizer.integer)
    graph = make({"x": (6,)}, [("moved", Scale(2.0), ["x"]), ("y", Quantize(quantizer), ["moved"])])
    np.testing.assert_array_equal(run(graph, x).deployed[0], quantize(quantizer, 2 * x))


@pytest.mark.parametrize("opset", [13, 17, 26])
@pytest.mark.parametrize(
    "quantizer",
    [QuantizedBits(8, 0), QuantizedBits(12, 2), QuantizedRelu(16), QuantizedPo2(4)],
    ids=repr,
)
def test_quantizer_gives_the_same_bits_in_every_opset(
    make: Make, run: Run, x: F32, quantizer: Quantizer, opset: int
) -> None:
    graph = make({"x": (3,)}, [("y", Quantize(quantizer), ["x"])])
    ran = run(graph, x, opset=opset)
    np.testing.assert_array_equal(ran.plain[0], quantize(quantizer, x))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("integers", [(0, 3), (3, 0), (0, 0), (1, 0)])
@pytest.mark.parametrize("between", [None, Relu()])
def test_quantizing_twice_rounds_twice(
    make: Make, run: Run, x: F32, bits: int, integers: tuple[int, int], between: Relu | None
) -> None:
    """ONNX Runtime merges adjacent pairs of one type into one, and rounds differently."""
    first, second = (QuantizedBits(bits, integer) for integer in integers)
    steps: list[Step] = [("a", Quantize(first), ["x"])]
    steps += [("r", between, ["a"])] if between else []
    graph = make({"x": (3,)}, [*steps, ("y", Quantize(second), [steps[-1][0]])])
    middle = quantize(first, x)
    middle = np.maximum(middle, np.float32(0)) if between else middle
    np.testing.assert_array_equal(run(graph, x).plain[0], quantize(second, middle))


@pytest.mark.parametrize("first", [Binary(), Ternary(), QuantizedBits(1, alpha=1.0)], ids=repr)
@pytest.mark.parametrize("second", [QuantizedBits(8, 0), QuantizedRelu(2), Ternary()], ids=repr)
def test_few_numbers_need_no_clip_and_are_quantized_again(
    make: Make, run: Run, x: F32, first: Quantizer, second: Quantizer
) -> None:
    steps: list[Step] = [("a", Quantize(first), ["x"]), ("y", Quantize(second), ["a"])]
    assert not any(
        node.op_type == "Clip" for node in to_onnx(make({"x": (3,)}, steps[:1])).graph.node
    )
    ran = run(make({"x": (3,)}, steps), x)
    expected = quantize(second, quantize(first, x))
    np.testing.assert_array_equal(ran.plain[0], expected)
    np.testing.assert_array_equal(ran.deployed[0], expected)


def test_numbers_per_channel_follow_the_stored_axis(make: Make, run: Run) -> None:
    quantizer = QuantizedBits(4, 0, alpha=(0.3, 0.5, 0.7))
    conv = Conv(np.eye(3, dtype=np.float32)[np.newaxis], None, (1,), (1,), ((0, 0),))
    x = np.random.default_rng(0).standard_normal((2, 5, 3), dtype=np.float32)
    graph = make({"x": (5, 3)}, [("c", conv, ["x"]), ("y", Quantize(quantizer), ["c"])])
    np.testing.assert_array_equal(run(graph, x).plain[0], quantize(quantizer, x))


REAL: list[QuantizedTanh | QuantizedSigmoid] = [
    *(QuantizedTanh(bits, use_real_tanh=True) for bits in (4, 8, 16)),
    *(QuantizedSigmoid(bits, use_real_sigmoid=True) for bits in (4, 8)),
]


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("quantizer", REAL, ids=repr)
def test_real_functions_have_qkeras_codes_next_to_every_tie(
    make: Make, run: Run, quantizer: QuantizedTanh | QuantizedSigmoid, dialect: str
) -> None:
    """All numbers on which the codes change, to and fro, and their neighbours."""
    changes = thresholds(quantizer)[0]
    assert len(changes) > 2**quantizer.bits
    offsets = np.arange(-4, 4, dtype=np.int32)
    x = (changes.view(np.int32)[:, np.newaxis] + offsets).view(np.float32)
    graph = make({"x": (8,)}, [("y", Quantize(quantizer), ["x"])])
    expected = quantize(quantizer, x)
    np.testing.assert_array_equal(run(graph, x, dialect=dialect).plain[0], expected)
    assert not np.array_equal(np.sort(expected.ravel()), expected.ravel())


@pytest.mark.parametrize(
    "quantizer",
    [
        QuantizedUlaw(5, 1),
        QuantizedPo2(4, qnoise_factor=0.5),
        QuantizedReluPo2(4, 2.0, 0.25),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "before", [QuantizedBits(8, 3), QuantizedRelu(8, 2), QuantizedBits(6, 5)], ids=repr
)
def test_codes_are_looked_up(
    make: Make, run: Run, quantizer: Quantizer, before: QuantizedBits | QuantizedRelu
) -> None:
    """For every code that can come, and without any other operation."""
    grid = grid_of(before)
    assert grid is not None
    codes = np.arange(grid.lo, grid.hi + 1, dtype=np.float32) * np.float32(grid.step)
    graph = make({"x": (1,)}, [("a", Quantize(before), ["x"]), ("y", Quantize(quantizer), ["a"])])
    ran = run(graph, codes[:, np.newaxis])
    np.testing.assert_array_equal(ran.plain[0][:, 0], quantize(quantizer, codes))
    assert "Gather" in ran.operators
    assert not {"Tanh", "Sigmoid", "Log", "GreaterOrEqual"} & set(ran.operators)


def test_codes_next_to_ties_of_a_real_function_are_looked_up(make: Make, run: Run) -> None:
    before, sigmoid = QuantizedBits(8, 0), QuantizedSigmoid(8, use_real_sigmoid=True)
    codes = np.arange(-128, 128, dtype=np.float32)[:, np.newaxis] * np.float32(2.0**-7)
    graph = make({"x": (1,)}, [("a", Quantize(before), ["x"]), ("y", Quantize(sigmoid), ["a"])])
    ran = run(graph, codes)
    np.testing.assert_array_equal(ran.plain[0], quantize(sigmoid, codes))
    assert "Gather" in ran.operators and "Sigmoid" not in ran.operators


def test_a_frozen_scale_a_channel_follows_the_stored_axis(make: Make, run: Run) -> None:
    scale = FrozenScale((0.3, 0.5, 0.7), (1, 3))
    quantizer = QuantizedBits(4, 0, True, alpha="auto", post_training_scale=scale)
    conv = Conv(np.eye(3, dtype=np.float32)[np.newaxis], None, (1,), (1,), ((0, 0),))
    x = np.random.default_rng(0).standard_normal((2, 5, 3), dtype=np.float32)
    graph = make({"x": (5, 3)}, [("c", conv, ["x"]), ("y", Quantize(quantizer), ["c"])])
    np.testing.assert_array_equal(run(graph, x).plain[0], quantize(quantizer, x))


@pytest.mark.parametrize(
    "quantizer",
    [
        QuantizedBits(4, qnoise_factor=0.5),
        QuantizedBits(4, qnoise_factor=0.5, use_ste=False),
        QuantizedRelu(4, negative_slope=0.25, qnoise_factor=0.0),
        QuantizedReluPo2(4, negative_slope=0.25, qnoise_factor=0.0, use_ste=False),
    ],
    ids=repr,
)
def test_mixtures_take_denormal_numbers_for_0(make: Make, run: Run, quantizer: Quantizer) -> None:
    x = np.array([[1e-39, -1e-39, 1.2e-38, 2e-38, -3e-38, 5e-38, 0.0, -0.0]], np.float32)
    graph = make({"x": (8,)}, [("y", Quantize(quantizer), ["x"])])
    expected = quantize(quantizer, x)
    np.testing.assert_array_equal(run(graph, x).plain[0], expected)
    assert not np.array_equal(expected, x / np.float32(2))


@pytest.mark.parametrize(("dialect", "opset"), [("qdq", 21), ("qdq", 17), ("float", 21)])
@pytest.mark.parametrize(
    "quantizer",
    [
        QuantizedBits(16, 0, alpha=1.0),
        QuantizedBits(12, 2, keep_negative=False),
        QuantizedBits(10, 0, alpha=0.5),
        QuantizedRelu(16, 0, is_quantized_clip=False),
    ],
    ids=str,
)
def test_residues_beyond_the_range_are_qkerass(
    make: Make, run: Run, quantizer: Quantizer, dialect: str, opset: int
) -> None:
    """``x + (q(x) - x)`` of a large x is not q(x)."""
    x = np.random.default_rng(0).standard_normal((500, 4), dtype=np.float32)
    x = x * np.float32(2) ** np.arange(-8, 24, 8, dtype=np.float32)
    expected = quantize(quantizer, x)
    graph = make({"x": (4,)}, [("y", Quantize(quantizer), ["x"])])
    ran = run(graph, x, dialect=dialect, opset=opset)
    np.testing.assert_array_equal(ran.plain[0], expected)
    assert len(np.unique(expected[:, 3])) > 2


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize(("exp", "residue"), [(-4, False), (12, True)])
def test_sums_that_cannot_be_beyond_2_to_24_steps_leave_no_residue(
    make: Make, run: Run, codes: Any, dialect: str, exp: int, residue: bool
) -> None:
    """Of 12 bits whose steps are 2**-8: sums up to 2**16 are within."""
    dense = Dense(codes(-7, 7, exp, 6, 5), None)
    steps: list[Step] = [("q", Quantize(QuantizedRelu(8, 4)), ["x"]), ("fc", dense, ["q"])]
    graph = make({"x": (6,)}, [*steps, ("y", Quantize(QuantizedBits(12, 3)), ["fc"])])
    drawn = [node.op_type for node in to_onnx(graph, dialect=dialect).graph.node]
    assert ("Sub" in drawn) is residue
    x = np.ldexp(codes(0, 255, 0, 500, 6), -4).astype(np.float32)
    expected = evaluate(graph, {"x": x})["y"]
    np.testing.assert_array_equal(run(graph, x, dialect=dialect).plain[0], expected)
