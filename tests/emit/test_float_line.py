"""A product and a sum of float32 that climb the stairs between sums and a quantizer."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qconvert.emit.requantization.epilogue import Epilogue, Stairs
from qconvert.emit.requantization.float_line import FloatLine, float_line, line_of
from qconvert.ir import F32, Grid, Quantizer
from qconvert.ir.ops import BatchNormalization
from qconvert.ir.quantizers import Binary, QuantizedBits, QuantizedRelu

Ints = npt.NDArray[np.int64]

CHANNELS = 8
BYTE, SIGNED = Grid(0, 255, -6), Grid(-128, 127, -5)
QUANTIZERS: dict[str, tuple[Quantizer, Grid]] = {
    "unsigned": (QuantizedRelu(8, 2), BYTE),
    "signed": (QuantizedBits(8, 2, alpha=1.0), SIGNED),
}
REACH = 700


def normalization(seed: int, *, fused: bool = True, channels: int = CHANNELS) -> BatchNormalization:
    random = np.random.default_rng(seed)
    mean, beta = random.normal(0, 1, (2, channels)).astype(np.float32)
    gamma = random.choice([-1, 1], channels) * random.uniform(0.1, 2, channels)
    variance = random.uniform(0.2, 3, channels).astype(np.float32)
    return BatchNormalization(mean, variance, gamma.astype(np.float32), beta, 1e-3, fused=fused)


def rounded(number: Fraction) -> np.float32:
    """To float32 once, ties to even: by float64 where it holds the number or what is beside it."""
    near = np.float32(float(number))
    around = [near, np.nextafter(near, np.float32(-9e9)), np.nextafter(near, np.float32(9e9))]
    even = {float(x): int(x.view(np.int32)) & 1 for x in around}
    return np.float32(min(even, key=lambda x: (abs(Fraction(x) - number), even[x])))


def codes_of(line: FloatLine, channel: int, numbers: F32, grid: Grid, *, together: bool) -> Ints:
    """By fractions, with one rounding or with two; a shift is not rounded."""
    factor, addend = (Fraction(float(x[channel])) for x in (line.factor, line.addend))
    shift = Fraction(0 if line.shift is None else float(line.shift[channel]))
    exact = [(Fraction(float(x)) + shift) * factor for x in numbers]
    products = exact if together else [Fraction(float(rounded(x))) for x in exact]
    results = np.array([rounded(x + addend) for x in products], np.float32)
    codes = np.clip(np.rint(results / np.float32(grid.step)), grid.lo, grid.hi)
    return np.asarray(codes, np.int64)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", QUANTIZERS)
@pytest.mark.parametrize("seed", range(3))
def test_a_line_has_the_codes_of_the_program_for_all_sums_however_it_is_rounded(
    seed: int, name: str, fused: bool
) -> None:
    quantizer, grid = QUANTIZERS[name]
    exps = np.arange(-10, -10 + CHANNELS) % 3 - 9
    lo, hi = np.full(CHANNELS, -REACH), np.full(CHANNELS, REACH)
    op = normalization(seed, fused=fused)
    line = line_of([op], quantizer, exps, lo, hi)
    assert line is not None
    sums = np.arange(-REACH, REACH + 1)
    wanted = Epilogue(exps, CHANNELS, None, [op], quantizer, grid).codes(
        np.repeat(sums[:, np.newaxis], CHANNELS, axis=1)
    )
    for channel, exp in enumerate(exps.tolist()):
        numbers = np.ldexp(sums.astype(np.float32), exp)
        for together in (False, True):
            found = codes_of(line, channel, numbers, grid, together=together)
            np.testing.assert_array_equal(found, wanted[:, channel])


@pytest.mark.parametrize("name", QUANTIZERS)
@pytest.mark.parametrize("seed", range(3))
def test_shifted_sums_have_the_codes_of_programs_that_no_line_has(seed: int, name: str) -> None:
    """As where a code is hundreds of sums wide, and each rounding moves a boundary by one."""
    quantizer, grid = QUANTIZERS[name]
    count, exp, largest = 64, -14, 1 << 17
    op = normalization(seed, channels=count)
    exps, hi = np.full(count, exp), np.full(count, largest)
    assert line_of([op], quantizer, exps, -hi, hi) is None
    line = line_of([op], quantizer, exps, -hi, hi, shifts=True)
    assert line is not None
    assert line.shift is not None
    channels = np.flatnonzero(line.shift)
    assert 0 < len(channels) < count / 2
    assert np.all(line.shift % 2.0**exp == 0)
    program = Epilogue(exps, count, None, [op], quantizer, grid)
    every = np.arange(-largest, largest + 1)
    all_wanted = codes_of_all(program, every)
    for channel in channels.tolist():
        wanted = all_wanted[:, channel]
        near = np.flatnonzero(np.diff(wanted, prepend=wanted[0], append=wanted[-1]))
        beside = np.unique(np.concatenate([near - 1, near, [0, len(every) - 1]]))
        numbers = np.ldexp(every[beside].astype(np.float32), exp)
        found = codes_of(line, channel, numbers, grid, together=False)
        np.testing.assert_array_equal(found, wanted[beside])


def test_no_sum_is_rounded_when_it_is_shifted() -> None:
    """Nor one far beyond the boundaries, for kernels of floats may begin to add there."""
    count, exp = 64, -13
    op = normalization(1, channels=count)
    exps = np.full(count, exp)
    found = []
    for room in (0, 1 << 12, 1 << 18):
        hi = np.full(count, (1 << 24) - room)
        line = line_of([op], QUANTIZERS["unsigned"][0], exps, -hi, hi, shifts=True)
        found.append(line is not None and line.shift is not None)
        if line is not None and line.shift is not None:
            assert 0 < abs(line.shift).max() <= np.ldexp(room, exp)
    assert found == [False, True, True]


def codes_of_all(program: Epilogue, sums: Ints) -> Ints:
    """Those of all channels, a few thousand sums at a time."""
    parts = np.array_split(sums, 64)
    columns = (np.repeat(part[:, np.newaxis], program.channels, axis=1) for part in parts)
    return np.concatenate([program.codes(each) for each in columns])


steps = st.lists(st.integers(1, 40), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(-50, 0), st.integers(0, 200), st.booleans(), st.booleans())
def test_what_a_search_finds_is_right_for_every_sum(
    distances: list[int], first: int, lo: int, falling: bool, shifts: bool
) -> None:
    """Of stairs of any kind: most have no line, and none a wrong one."""
    thresholds = lo + np.cumsum(distances)
    one = Stairs(lo, int(thresholds[-1]) + 3, first, first + len(thresholds), thresholds, falling)
    line = float_line([one], SIGNED, np.array([-7]), shifts=shifts)
    if line is None:
        return
    sums = np.arange(one.lo, one.hi + 1)
    wanted = first + np.searchsorted(thresholds, sums, side="right")
    numbers = np.ldexp((-sums if falling else sums).astype(np.float32), -7)
    for together in {False, line.shift is None}:
        found = codes_of(line, 0, numbers, SIGNED, together=together)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("first", [-128, -5, 120])
def test_a_channel_may_have_one_code(first: int) -> None:
    nothing = np.empty(0, np.int64)
    line = float_line([Stairs(-9, 9, first, first, nothing, False)], SIGNED, np.array([-7]))
    assert line is not None
    numbers = np.ldexp(np.arange(-9, 10).astype(np.float32), -7)
    found = codes_of(line, 0, numbers, SIGNED, together=False)
    np.testing.assert_array_equal(found, np.full(19, first))


def test_stairs_that_no_line_climbs_have_none() -> None:
    thresholds = np.array([0, 1, 2, 100, 101, 200])
    bent = Stairs(-9, 300, 0, 6, thresholds, False)
    straight = replace(bent, hi=200, last=2, thresholds=np.array([50, 150]))
    grid, exps = Grid(0, 6, 0), np.zeros(1, np.int64)
    assert float_line([straight], grid, exps) is not None
    assert float_line([bent], grid, exps) is None
    assert float_line([bent], grid, exps, shifts=True) is None
    assert float_line([straight, bent], grid, np.zeros(2, np.int64), shifts=True) is None


def test_a_quantizer_that_does_more_than_round_has_no_line() -> None:
    exps, ends = np.full(CHANNELS, -9), np.full(CHANNELS, REACH)
    assert line_of([normalization(0)], Binary(), exps, -ends, ends) is None
    scaled = QuantizedBits(8, 2, alpha=2.0)
    assert line_of([normalization(0)], scaled, exps, -ends, ends) is None


@pytest.mark.parametrize("seed", range(20))
def test_ties_of_float32_go_where_rounding_takes_them(seed: int) -> None:
    """Numbers of few bits, of which sums lie halfway between two float32 numbers, and on halves."""
    random = np.random.default_rng(seed)
    step = int(random.integers(1, 9))
    count = int(random.integers(1, 60))
    first = int(random.integers(-60, 60))
    thresholds = int(random.integers(-(1 << 20), 1 << 20)) + step * np.arange(count)
    low, high = int(thresholds[0]) - step, int(thresholds[-1]) + step - 1
    one = Stairs(low, high, first, first + count, thresholds, False)
    line = float_line([one], SIGNED, np.array([-20]))
    assert line is not None
    sums = np.unique(np.concatenate([thresholds, thresholds - 1, [low, high]]))
    wanted = first + np.searchsorted(thresholds, sums, side="right")
    for together in (False, True):
        numbers = np.ldexp(sums.astype(np.float32), -20)
        found = codes_of(line, 0, numbers, SIGNED, together=together)
        np.testing.assert_array_equal(found, wanted)
