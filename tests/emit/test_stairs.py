"""Real functions and powers of two: compared with thresholds, or computed where sums allow it."""

from dataclasses import replace

import numpy as np
import pytest

from qconvert.emit.power_of_two import _below
from qconvert.emit.reaches import reaches
from qconvert.emit.staircase import MOST_COMPARED, by_digit
from qconvert.emit.thresholds import is_clear, thresholds
from qconvert.ir import F32, Graph, Grid, Quantizer, grid_of
from qconvert.ir.ops import BatchNormalization, Conv, Dense, Merge, Pool, Quantize
from qconvert.ir.quantizers import (
    QuantizedBits,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
)
from qconvert.numerics import quantize

from .conftest import Make, Run

TANH = QuantizedTanh(4, use_real_tanh=True)
SIGMOID = QuantizedSigmoid(4, use_real_sigmoid=True)
#: What needs a search or a comparison, and a product of a table that is none.
SLOW = {"Gather", "GreaterOrEqual", "Xor"}
CODES = QuantizedBits(8, 3, alpha=1.0)


def behind_sums(make: Make, quantizer: Quantizer, weight: float = 2.0**-4) -> Graph:
    """One product: all multiples of a step."""
    dense = Dense(np.full((1, 1), weight, np.float32), np.array([0.25], np.float32))
    return make(
        {"x": (1,)},
        [("q", Quantize(CODES), ["x"]), ("s", dense, ["q"]), ("y", Quantize(quantizer), ["s"])],
    )


def all_codes() -> F32:
    return (np.arange(-128, 128, dtype=np.float32) * 2.0**-4)[:, np.newaxis].astype(np.float32)


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize(
    "quantizer",
    [
        *(QuantizedTanh(bits, use_real_tanh=True) for bits in (1, 2, 4, 8)),
        *(QuantizedSigmoid(bits, symmetric=True, use_real_sigmoid=True) for bits in (1, 4)),
        QuantizedPo2(4),
        QuantizedPo2(3, 0.7),
        *(QuantizedReluPo2(bits) for bits in (2, 3, 4, 5, 8)),
        QuantizedReluPo2(4, 2.0),
    ],
    ids=repr,
)
def test_of_sums_next_to_no_threshold_nothing_is_compared(
    make: Make, run: Run, quantizer: Quantizer, dialect: str
) -> None:
    x = all_codes()
    ran = run(behind_sums(make, quantizer), x, dialect=dialect)
    expected = quantize(quantizer, x * np.float32(2.0**-4) + np.float32(0.25))
    np.testing.assert_array_equal(ran.plain[0], expected)
    assert not SLOW & set(ran.operators)


@pytest.mark.parametrize("quantizer", [TANH, SIGMOID, QuantizedReluPo2(4)], ids=repr)
def test_sums_of_so_many_bits_that_some_are_next_to_thresholds_are_compared(
    make: Make, run: Run, quantizer: Quantizer
) -> None:
    ran = run(behind_sums(make, quantizer, 0.3), all_codes())
    expected = quantize(quantizer, all_codes() * np.float32(0.3) + np.float32(0.25))
    np.testing.assert_array_equal(ran.plain[0], expected)
    assert "Xor" in ran.operators and "Tanh" not in ran.operators


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("exp", range(-12, 0))
def test_sums_are_clear_of_ties_if_all_multiples_of_their_step_are(bits: int, exp: int) -> None:
    n = 1 << (4 - exp)
    x = np.ldexp(np.arange(-n, n), exp)
    for tanh, y, off in ((True, np.tanh(x), 0.0), (False, 1 / (1 + np.exp(-x)), 0.25)):
        q: QuantizedTanh | QuantizedSigmoid = QuantizedTanh(bits, use_real_tanh=True)
        if not tanh:
            q = QuantizedSigmoid(bits, use_real_sigmoid=True)
        grid = grid_of(q)
        assert grid is not None
        steps = y / grid.step
        inside = (steps < grid.hi) & (steps > grid.lo)
        distance = abs(np.floor(steps) + 0.5 - steps) * grid.step
        clear = (distance > 2.0**-20 * np.maximum(abs(y), off))[inside].all()
        assert is_clear(q, Grid(-n, n, exp)) is bool(clear)


@pytest.mark.parametrize("quantizer", [TANH, SIGMOID, QuantizedTanh(5, use_real_tanh=True)])
def test_every_threshold_turns_one_digit_over(
    quantizer: QuantizedTanh | QuantizedSigmoid,
) -> None:
    places, values = thresholds(quantizer)
    found = by_digit(places, values)
    assert found is not None and len(found) == quantizer.bits
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), places)


def test_many_thresholds_and_uneven_levels_are_searched() -> None:
    many = np.arange(MOST_COMPARED + 1, dtype=np.float32)
    assert by_digit(many, np.arange(MOST_COMPARED + 2, dtype=np.float32)) is None
    assert by_digit(many[:2], np.array([0, 1, 3], np.float32)) is None
    assert by_digit(many[:2], np.array([1, 0, 1], np.float32)) is None
    assert by_digit(many[:0], np.array([1], np.float32)) is None


def known(make: Make, *steps: tuple[str, object, list[str]]) -> dict[str, Grid]:
    return reaches(make({"x": (4, 4, 2)}, [("q", Quantize(QuantizedRelu(4, 2)), ["x"]), *steps]))


def test_sums_lie_on_the_products_of_both_steps_and_the_bias(make: Make) -> None:
    conv = Conv(
        np.full((1, 1, 2, 1), 0.75, np.float32), np.array([2.0**-9], np.float32),
        (1, 1), (1, 1), ((0, 0), (0, 0)),
    )  # fmt: skip
    pool = Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0)))
    found = known(make, ("s", conv, ["q"]), ("p", pool, ["s"]))
    assert found["s"].exp == -9 and found["p"] == found["s"]
    assert found["s"].hi * found["s"].step >= 2 * 0.75 * 3.75 + 2.0**-9
    alone = known(make, ("s", replace(conv, bias=None), ["q"]))
    assert alone["s"].exp == -4


def test_powers_lie_on_the_least_of_them(make: Make) -> None:
    powers = Quantize(QuantizedReluPo2(4))
    found = known(make, ("p", powers, ["q"]))["p"]
    assert (found.exp, found.hi) == (-8, 1 << 15)
    mixture = Quantize(replace(QuantizedReluPo2(4), qnoise_factor=0.5))
    assert "p" not in known(make, ("p", mixture, ["q"]))


def test_nothing_is_known_of_what_is_normalized_or_added(make: Make) -> None:
    ones = np.ones(2, np.float32)
    found = known(
        make,
        ("n", BatchNormalization(ones, ones, ones, ones, 1e-3), ["q"]),
        ("a", Merge("add"), ["q", "n"]),
    )
    assert found == {"q": grid_of(QuantizedRelu(4, 2))}


def test_numbers_between_two_float32_numbers_are_both() -> None:
    x = np.array([1 + 2.0**-30, 1.0, -1 - 2.0**-30])
    lower = _below(x)
    assert (lower <= x).all() and (np.nextafter(lower, np.float32(9)) > x).all()
