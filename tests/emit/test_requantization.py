"""What stands between a convolution and its quantizer, inside of the integer kernel."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qconvert.emit import to_onnx
from qconvert.emit.requantization.epilogue import Stairs
from qconvert.emit.requantization.search import (
    Requantization,
    _interval,
    _likely,
    _widest,
    limits_of,
    search,
)
from qconvert.ir import F32, Graph, Grid, Op
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Pool,
    Quantize,
    Relu,
    Scale,
    Transpose,
    UpSample,
)
from qconvert.ir.quantizers import (
    Binary,
    QuantizedBits,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    Ternary,
)
from qconvert.reference import evaluate

from .conftest import Make, Run

Codes = Callable[..., F32]

NIBBLE = Quantize(QuantizedRelu(4, 2))
SIGNED = Quantize(QuantizedBits(4, 1, alpha=1.0))
BYTE = Quantize(QuantizedRelu(8, 0))
NO_PADDING = ((0, 0), (0, 0))


def normalization(channels: int, seed: int = 1, *, fused: bool = True) -> BatchNormalization:
    """With gains of both signs."""
    random = np.random.default_rng(seed)
    draw = [random.normal(0, 1, channels).astype(np.float32) for _ in range(3)]
    variance = random.uniform(0.5, 4, channels).astype(np.float32)
    return BatchNormalization(draw[0], variance, draw[1], draw[2], 1e-3, fused)


def climbed(stairs: Stairs, grid: Grid, n: Requantization) -> npt.NDArray[np.int64]:
    """The codes of the kernel for all sums, in its own arithmetic."""
    sums = np.arange(stairs.lo, stairs.hi + 1)
    accumulators = (abs(n.factor) * sums + n.bias).astype(np.int32).astype(np.float32)
    codes = np.rint(accumulators * np.float32(n.multiplier))
    clipped: npt.NDArray[np.int64] = np.clip(codes, grid.lo, grid.hi).astype(np.int64)
    return clipped


def of(codes: npt.NDArray[np.int64], lo: int) -> Stairs:
    """Stairs that have these codes from *lo* on."""
    first, last = int(codes[0]), int(codes[-1])
    thresholds = lo + np.searchsorted(codes, np.arange(first + 1, last + 1))
    return Stairs(lo, lo + len(codes) - 1, first, last, thresholds, False)


@settings(deadline=None, max_examples=300)
@given(
    st.integers(1, 8),
    st.booleans(),
    st.integers(-2000, 0),
    st.integers(1, 3000),
    st.floats(1e-3, 3),
    st.floats(-300, 300),
    st.integers(1, 60),
)
def test_what_is_found_returns_every_code(
    bits: int, signed: bool, lo: int, count: int, slope: float, offset: float, most: int
) -> None:
    half = 1 << (bits - 1)
    grid = Grid(-half, half - 1, 0) if signed else Grid(0, (1 << bits) - 1, 0)
    sums = lo + np.arange(count)
    codes = np.clip(np.rint(sums * slope + offset), grid.lo, grid.hi).astype(np.int64)
    stairs = of(codes, lo)
    found = search(stairs, grid, range(most, 0, -1))
    if found is not None:
        np.testing.assert_array_equal(climbed(stairs, grid, found), codes)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_channels_of_four_bits_and_less_all_have_numbers(bits: int) -> None:
    random, grid = np.random.default_rng(bits), Grid(0, (1 << bits) - 1, 0)
    for _ in range(100):
        slope, offset = 10 ** random.uniform(-4, -1), random.uniform(-20, 20)
        sums = np.arange(-20_000, 20_001)
        codes = np.clip(np.rint(sums * slope + offset), grid.lo, grid.hi).astype(np.int64)
        assert search(of(codes, -20_000), grid, range(16, 0, -1)) is not None


def test_stairs_that_no_line_has_have_no_numbers() -> None:
    codes = np.repeat([0, 1, 2, 3], [10, 1, 10, 10])
    assert search(of(codes, 0), Grid(0, 3, 0), range(64, 0, -1)) is None


@pytest.mark.parametrize("seed", range(100))
def test_no_bias_has_a_wider_interval_than_the_one_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    lowest, count = -int(random.integers(0, 9000)), int(random.integers(2, 20_000))
    grid = Grid(0, 255, 0) if seed % 2 else Grid(-128, 127, 0)
    sums = lowest + np.arange(count)
    slope, offset = 10 ** random.uniform(-3, 0), random.uniform(-200, 200)
    stairs = of(np.clip(np.rint(sums * slope + offset), grid.lo, grid.hi).astype(np.int64), lowest)
    limits, factor = limits_of(stairs, grid), int(random.integers(1, 64))
    biases = _likely(stairs, limits, factor)
    low, high = _interval(limits, factor, biases)
    bias, least, most = _widest(limits, factor, biases)
    assert (least, most) == (low[bias - biases[0]], high[bias - biases[0]])
    feasible = high > low
    assert (most > least) == feasible.any()
    if feasible.any():
        assert most / least == (high[feasible] / low[feasible]).max()


def checked(run: Run, graph: Graph, x: F32, kernels: Sequence[str] = ("QLinearConv",)) -> list[str]:
    """The operators, after results were found equal to the reference's."""
    ran = run(graph, x)
    (output,) = graph.outputs
    np.testing.assert_array_equal(ran.plain[0], evaluate(graph, {"x": x})[output.value])
    assert set(kernels) <= set(ran.operators)
    return ran.operators


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("channels", [8, 12])
def test_normalization(
    make: Make, run: Run, codes: Codes, channels: int, groups: int, fused: bool
) -> None:
    conv = Conv(
        codes(-7, 7, -3, 3, 3, 8 // groups, channels),
        None,
        (1, 1),
        (1, 1),
        ((1, 1), (1, 1)),
        groups,
    )
    steps = [
        ("q", NIBBLE, ["x"]),
        ("c", conv, ["q"]),
        ("n", normalization(channels, fused=fused), ["c"]),
    ]
    graph = make({"x": (9, 9, 8)}, [*steps, ("a", NIBBLE, ["n"])])
    operators = checked(run, graph, codes(-20, 99, -4, 50, 9, 9, 8))
    assert not {"Conv", "Mul", "Cast"} & set(operators)


@pytest.mark.parametrize(
    "between",
    [
        [Affine(np.array([0.3, -0.7, 1.1], np.float32), np.array([1.3, 0.2, -0.1], np.float32))],
        [Scale(0.37)],
        [normalization(3), Relu()],
        [Relu(max_value=1.7)],
    ],
)
@pytest.mark.parametrize(
    "end",
    [
        NIBBLE,
        SIGNED,
        Quantize(Binary(alpha=1.0)),
        Quantize(Ternary(alpha=1.0)),
        Quantize(QuantizedTanh(4)),
        Quantize(QuantizedSigmoid(4)),
        Quantize(QuantizedBits(4, 1, alpha=0.5)),
    ],
)
def test_what_may_stand_between(
    make: Make, run: Run, codes: Codes, between: list[Op], end: Quantize
) -> None:
    kernel, bias = codes(-7, 7, -4, 3, 3, 4, 3), np.array([0.1, -0.3, 0.7], np.float32)
    names = ["c", *(f"b{i}" for i in range(len(between)))]
    steps = [("q", SIGNED, ["x"]), ("c", Conv(kernel, bias, (1, 1), (1, 1), NO_PADDING), ["q"])]
    steps += [(names[i + 1], op, [names[i]]) for i, op in enumerate(between)]
    graph = make({"x": (8, 8, 4)}, [*steps, ("a", end, [names[-1]])])
    checked(run, graph, codes(-40, 40, -4, 40, 8, 8, 4))


def test_codes_are_shifted_where_the_bias_needs_finer_steps(
    make: Make, run: Run, codes: Codes
) -> None:
    conv = Conv(codes(-7, 7, -3, 3, 3, 4, 16), None, (1, 1), (1, 1), NO_PADDING)
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("n", normalization(16), ["c"])]
    wide = Quantize(QuantizedBits(8, 3, alpha=1.0))
    graph = make({"x": (8, 8, 4)}, [*steps, ("a", wide, ["n"])])
    assert "BitShift" in checked(run, graph, codes(-20, 99, -4, 40, 8, 8, 4))


def test_falling_stairs_of_the_least_weights_stay_in_bytes(
    make: Make, run: Run, codes: Codes
) -> None:
    """16 * -8 is a byte, and -16 * -8 is none: some factors are negative."""
    kernel = codes(-4, 4, -3, 3, 3, 4, 16)
    kernel[0, 0, 0] = -1
    conv = Conv(kernel, None, (1, 1), (1, 1), NO_PADDING)
    steps = [("q", SIGNED, ["x"]), ("c", conv, ["q"]), ("n", normalization(16), ["c"])]
    graph = make({"x": (8, 8, 4)}, [*steps, ("a", NIBBLE, ["n"])])
    checked(run, graph, codes(-20, 99, -4, 40, 8, 8, 4))


def test_what_has_no_numbers_stays_as_it_is(make: Make, run: Run, codes: Codes) -> None:
    conv = Conv(codes(-127, 127, -7, 3, 3, 16, 16), None, (1, 1), (1, 1), NO_PADDING)
    steps = [("q", BYTE, ["x"]), ("c", conv, ["q"]), ("n", normalization(16), ["c"])]
    graph = make({"x": (8, 8, 16)}, [*steps, ("a", Quantize(QuantizedRelu(8, 2)), ["n"])])
    ran = run(graph, codes(0, 255, -8, 4, 8, 8, 16))
    assert "Conv" in ran.operators and "QLinearConv" not in ran.operators


@pytest.mark.parametrize("op", [Pool("max", (2, 2), (2, 2), NO_PADDING), UpSample((2, 2))])
@pytest.mark.parametrize("end", [NIBBLE, SIGNED, Quantize(QuantizedBits(4, 1, alpha=0.5))])
@pytest.mark.parametrize("normalized", [True, False])
def test_what_moves_codes_comes_behind_a_kernel_that_the_file_states(
    make: Make, run: Run, codes: Codes, op: Op, end: Quantize, normalized: bool
) -> None:
    conv = Conv(codes(-7, 7, -3, 3, 3, 4, 8), codes(-99, 99, -5, 8), (1, 1), (1, 1), NO_PADDING)
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"])]
    steps += [("n", normalization(8), ["c"])] if normalized else []
    steps += [("m", op, [steps[-1][0]]), ("a", end, ["m"])]
    graph = make({"x": (8, 8, 4)}, steps)
    assert "Conv" not in checked(run, graph, codes(-20, 99, -4, 40, 8, 8, 4))
    assert "QLinearConv" in {node.op_type for node in to_onnx(graph).graph.node}


#: Pools with and without padding, behind which all codes may be less than the code of 0.
POOLS = (
    Pool("max", (2, 2), (2, 2), NO_PADDING),
    Pool("max", (3, 3), (2, 2), ((1, 1), (1, 0))),
)


def _pooled(make: Make, codes: Codes, pool: Op, *behind: Op, channels: int = 8) -> Graph:
    """Codes, a convolution with a bias, a pool, and *behind* it what the last of rounds."""
    conv = Conv(
        codes(-7, 7, -3, 3, 3, 4, channels),
        codes(-99, 99, -5, channels),
        (1, 1),
        (1, 1),
        NO_PADDING,
    )
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("m", pool, ["c"])]
    for n, op in enumerate(behind):
        steps.append((f"b{n}", op, [steps[-1][0]]))
    return make({"x": (8, 8, 4)}, steps)


def _never_falling(channels: int, *, fused: bool) -> BatchNormalization:
    """Gains that are not negative, one of which is 0."""
    drawn = normalization(channels, fused=fused)
    assert drawn.gamma is not None
    return replace(drawn, gamma=np.maximum(drawn.gamma, np.float32(0)))


RISING: dict[str, Callable[[], Sequence[Op]]] = {
    "fused": lambda: [_never_falling(8, fused=True)],
    "separate": lambda: [_never_falling(8, fused=False)],
    "without gains": lambda: [replace(normalization(8), gamma=None)],
    "affine": lambda: [Affine(np.arange(8, dtype=np.float32) * np.float32(0.37))],
    "offset": lambda: [Affine(None, np.arange(8, dtype=np.float32) * np.float32(0.37))],
    "scale": lambda: [Scale(0.3)],
    "rectified": lambda: [_never_falling(8, fused=True), Relu(max_value=3.0)],
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("end", [NIBBLE, SIGNED])
@pytest.mark.parametrize("between", RISING)
def test_a_pool_comes_behind_what_rises_between_it_and_the_quantizer(
    make: Make, run: Run, codes: Codes, pool: Op, end: Quantize, between: str
) -> None:
    graph = _pooled(make, codes, pool, *RISING[between](), end)
    assert "Conv" not in checked(run, graph, codes(-20, 99, -4, 40, 8, 8, 4))
    drawn = [node.op_type for node in to_onnx(graph).graph.node]
    assert drawn.index("QLinearConv") < drawn.index("MaxPool")
    assert not {"Mul", "Sub", "Div"}.intersection(drawn)


def _one_falls(channels: int, *, fused: bool) -> BatchNormalization:
    gamma = np.ones(channels, np.float32)
    gamma[1] = -1
    return replace(normalization(channels, fused=fused), gamma=gamma)


FALLING: dict[str, Callable[[], Sequence[Op]]] = {
    "fused": lambda: [_one_falls(8, fused=True)],
    "separate": lambda: [_one_falls(8, fused=False)],
    "affine": lambda: [Affine(np.arange(7, -1, -1, dtype=np.float32) - 1)],
    "scale": lambda: [Scale(-0.5)],
    "twice": lambda: [Scale(-0.5), Scale(-0.5)],
}


@pytest.mark.parametrize("between", FALLING)
def test_the_largest_of_what_falls_is_not_moved(
    make: Make, run: Run, codes: Codes, between: str
) -> None:
    """Behind the pool one negative gain is enough."""
    graph = _pooled(make, codes, POOLS[0], *FALLING[between](), NIBBLE)
    checked(run, graph, codes(-20, 99, -4, 40, 8, 8, 4), ())
    assert "QLinearConv" not in {node.op_type for node in to_onnx(graph).graph.node}


def test_a_normalization_of_other_channels_stays_behind_what_moves_them(
    make: Make, run: Run, codes: Codes
) -> None:
    """Of as many, so that nothing but the results would tell."""
    columns = Transpose((0, 1, 3, 2))
    graph = _pooled(make, codes, columns, _never_falling(6, fused=True), NIBBLE, channels=6)
    checked(run, graph, codes(-20, 99, -4, 40, 8, 8, 4), ())
    assert "QLinearConv" not in {node.op_type for node in to_onnx(graph).graph.node}


@pytest.mark.parametrize(
    ("window", "stride", "cropping"),
    [
        ((2, 2), 2, NO_PADDING),
        ((3, 3), 2, ((0, 1), (0, 1))),
        ((3, 2), 2, ((1, 0), (0, 0))),
        ((4, 4), 2, ((1, 1), (1, 1))),
        ((5, 5), 3, ((1, 1), (2, 0))),
        ((3, 3), 1, ((1, 1), (1, 1))),
        ((2, 2), 3, NO_PADDING),
    ],
)
@pytest.mark.parametrize("normalized", [True, False])
def test_transposed_convolution(
    make: Make,
    run: Run,
    codes: Codes,
    window: tuple[int, int],
    stride: int,
    cropping: tuple[tuple[int, int], tuple[int, int]],
    normalized: bool,
) -> None:
    kernel, strides = codes(-7, 7, -3, *window, 5, 4), (stride, stride)
    op = ConvTranspose(kernel, codes(-9, 9, -3, 5), strides, (1, 1), cropping)
    steps = [("q", NIBBLE, ["x"]), ("c", op, ["q"])]
    steps += [("n", normalization(5), ["c"])] if normalized else []
    graph = make({"x": (6, 7, 4)}, [*steps, ("a", NIBBLE, [steps[-1][0]])])
    operators = checked(run, graph, codes(-20, 99, -4, 20, 6, 7, 4))
    assert "ConvTranspose" not in operators


def test_what_is_seen_elsewhere_is_computed(make: Make, run: Run, codes: Codes) -> None:
    """A normalization that is an output, too."""
    conv = Conv(codes(-7, 7, -3, 3, 3, 4, 8), None, (1, 1), (1, 1), NO_PADDING)
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("n", normalization(8), ["c"])]
    graph = make({"x": (8, 8, 4)}, [*steps, ("a", NIBBLE, ["n"])], ["n", "a"])
    ran = run(graph, codes(-20, 99, -4, 4, 8, 8, 4))
    assert "QLinearConv" not in ran.operators


def test_the_float_dialect_has_no_integers(make: Make, codes: Codes) -> None:
    conv = Conv(codes(-7, 7, -3, 3, 3, 4, 8), None, (1, 1), (1, 1), NO_PADDING)
    steps = [("q", NIBBLE, ["x"]), ("c", conv, ["q"]), ("n", normalization(8), ["c"])]
    model = to_onnx(make({"x": (8, 8, 4)}, [*steps, ("a", NIBBLE, ["n"])]), dialect="float")
    assert "QLinearConv" not in {node.op_type for node in model.graph.node}
