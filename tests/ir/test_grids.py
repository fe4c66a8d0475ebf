"""Grids are integers of their own; here they meet the arithmetic of ``numerics``."""

from itertools import product

import numpy as np
import pytest

from qconvert.ir import Grid, Quantizer, grid_of
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    Ternary,
)
from qconvert.numerics import quantize

BITS = range(1, 7)
INTEGERS = range(-2, 4)
FLAGS = (False, True)

UNIFORM: list[Quantizer] = [
    *(QuantizedBits(*o, alpha=1.0) for o in product(BITS, INTEGERS, FLAGS, FLAGS)),
    *(QuantizedRelu(*o) for o in product(BITS, INTEGERS)),
    *(
        QuantizedRelu(bits, 0, relu_upper_bound=bound, is_quantized_clip=clip)
        for bits, bound, clip in product(BITS, (0.0, 0.5, 6.0), FLAGS)
    ),
    *(QuantizedTanh(*o) for o in product(BITS, FLAGS, FLAGS)),
    *(QuantizedSigmoid(*o) for o in product(BITS, FLAGS, FLAGS)),
]

#: Every code of up to 6 bits is the image of one of these, also at the coarsest step, 2**3.
X = np.arange(-(2**14), 2**14 + 1, dtype=np.float32) / np.float32(2**9)
NO_GRID: list[Quantizer] = [
    QuantizedBits(1, alpha=1.0),
    QuantizedBits(4, alpha=0.3),
    QuantizedBits(4, alpha=(1.0, 2.0)),
    QuantizedBits(4, alpha="auto_po2"),
    QuantizedRelu(4, negative_slope=0.25),
    QuantizedRelu(4, use_sigmoid=True),
    QuantizedRelu(4, 3, relu_upper_bound=0.3, is_quantized_clip=False),
    QuantizedPo2(4),
    Binary(),
    Ternary(),
    HardFunction.HARD_TANH,
]


@pytest.mark.parametrize("quantizer", [q for q in UNIFORM if grid_of(q)], ids=str)
def test_a_quantizer_returns_all_codes_of_its_grid_and_nothing_else(quantizer: Quantizer) -> None:
    grid = grid_of(quantizer)
    assert grid is not None
    codes = np.unique(np.ldexp(quantize(quantizer, X), -grid.exp))
    np.testing.assert_array_equal(codes, range(grid.lo, grid.hi + 1))


def test_most_small_quantizers_have_a_grid() -> None:
    assert len([q for q in UNIFORM if grid_of(q)]) > 0.8 * len(UNIFORM)


@pytest.mark.parametrize("quantizer", NO_GRID, ids=str)
def test_what_is_no_uniform_grid_of_a_rounded_function_has_none(quantizer: Quantizer) -> None:
    assert grid_of(quantizer) is None


def test_the_lowest_code_of_a_symmetric_sigmoid_is_0_where_2_to_31_wraps() -> None:
    for bits in (30, 31):
        q = QuantizedSigmoid(bits, symmetric=True)
        grid = grid_of(q)
        assert grid is not None
        lowest = quantize(q, np.array([-2], np.float32))
        np.testing.assert_array_equal(np.ldexp(lowest, -grid.exp), [grid.lo])
        assert grid.lo == 31 - bits


def test_a_grid_contains_its_codes_times_the_step() -> None:
    grid = Grid(-2, 5, -1)
    assert grid.step == 0.5
    members = [n / 8 for n in range(-20, 40) if n / 8 in grid]
    assert members == [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
