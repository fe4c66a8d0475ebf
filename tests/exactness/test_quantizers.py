import math
from itertools import product

import numpy as np
import pytest

from qconvert.exactness import Argument, Certificate, Doubt, Free, Reach
from qconvert.exactness.quantizers import quantize
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Quantizer,
    Ternary,
)
from qconvert.numerics import quantize as quantized
from tests.exactness.samples import draw, grid, inside, random_reach

F = np.float32

ON_GRIDS: list[Quantizer] = [
    *(
        QuantizedBits(bits, integer, symmetric, signed, alpha)
        for bits, integer, symmetric, signed, alpha in product(
            (1, 2, 4, 8), (0, 2), (False, True), (False, True), (None, 1.0, 0.5)
        )
    ),
    QuantizedBits(4, 1, alpha=(0.25, 2.0, 1.0)),
    *(QuantizedRelu(bits, integer) for bits, integer in product((1, 3, 8), (0, 2))),
    QuantizedRelu(4, 1, is_quantized_clip=False),
    *(QuantizedLinear(bits, 1, alpha=alpha) for bits, alpha in product((3, 8), (None, 2.0))),
    QuantizedTanh(4),
    QuantizedTanh(5, symmetric=True),
    QuantizedTanh(4, use_real_tanh=True),
    QuantizedSigmoid(4),
    QuantizedSigmoid(5, use_real_sigmoid=True),
    Binary(),
    Binary(use_01=True, alpha=0.25),
    Ternary(),
    Ternary(alpha=2.0, threshold=0.75),
    HardFunction.BINARY_SIGMOID,
    HardFunction.BINARY_TANH,
    QuantizedHswish(QuantizedBits(6, 1)),
]


@pytest.mark.parametrize("q", ON_GRIDS, ids=str)
def test_results_lie_in_the_reach(q: Quantizer) -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        x = random_reach(random, (1, 4, 3))
        reach, _ = quantize(q, x, 3)
        assert isinstance(reach, Reach)
        assert inside(quantized(q, draw(random, x, (7, 4, 3))), reach)


@pytest.mark.parametrize("q", ON_GRIDS, ids=str)
def test_results_of_any_numbers_lie_in_the_reach(q: Quantizer) -> None:
    x = (np.random.default_rng(0).standard_normal((500, 3)) * 4).astype(F)
    for known in (None, Free()):
        reach, _ = quantize(q, known, 2)
        assert isinstance(reach, Reach)
        assert inside(quantized(q, x), reach)


@pytest.mark.parametrize("code", [-17, -9, -8, -7, -5, -4, -3, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 40])
@pytest.mark.parametrize("exp", [-4, -3, -2, 0])
def test_the_image_of_one_number_is_its_code(code: int, exp: int) -> None:
    """Ties included: the steps are eighths, the inputs sixteenths."""
    q = QuantizedBits(4, 0, alpha=1.0)
    reach, _ = quantize(q, grid(code, code, exp, (1, 1)), 2)
    assert isinstance(reach, Reach)
    assert reach.lo == reach.hi
    expected = quantized(q, np.array([math.ldexp(code, exp)], F))
    assert math.ldexp(int(reach.lo.item()), int(reach.exp.item())) == expected.item()


def test_the_residue_is_gone_up_to_2_to_the_24_steps_and_no_further() -> None:
    q = QuantizedBits(4, 0, alpha=1.0)
    step = -3
    assert isinstance(quantize(q, grid(0, 2**24, step, (1, 1)), 2)[1], Certificate)
    assert isinstance(quantize(q, grid(0, 2**24 + 1, step, (1, 1)), 2)[1], Doubt)
    assert isinstance(quantize(q, grid(0, 2**23 + 1, step + 1, (1, 1)), 2)[1], Doubt)
    # Of the next whole number QKeras does not return 7/8, the saturated value.
    assert quantized(q, np.array([2.0**21, 2.0**21 + 1], F)).tolist() == [0.875, 1.0]


def test_alpha_moves_the_step() -> None:
    q = QuantizedBits(4, 0, alpha=2.0**-4)
    assert isinstance(quantize(q, grid(0, 2**20, -3, (1, 1)), 2)[1], Certificate)
    assert isinstance(quantize(q, grid(0, 2**20 + 1, -3, (1, 1)), 2)[1], Doubt)


def test_what_is_clipped_first_has_no_residue() -> None:
    huge = grid(0, 2**30, 0, (1, 1))
    for q in (QuantizedRelu(4), QuantizedTanh(4), QuantizedSigmoid(4), Binary(), Ternary()):
        found = quantize(q, huge, 2)[1]
        assert isinstance(found, Certificate) and found.argument is Argument.QUANTIZED
    for q in (QuantizedRelu(4, is_quantized_clip=False), Binary(alpha=0.25)):
        assert isinstance(quantize(q, huge, 2)[1], Doubt)


def test_one_bit_has_a_residue_with_and_without_alpha() -> None:
    for alpha in (None, 1.0):
        q = QuantizedBits(1, alpha=alpha)
        assert isinstance(quantize(q, grid(0, 2**24, 0, (1, 1)), 2)[1], Certificate)
        assert isinstance(quantize(q, grid(0, 2**24 + 2, 0, (1, 1)), 2)[1], Doubt)
        assert quantized(q, np.array([2.0**24, 2.0**24 + 6], F)).tolist() == [1.0, 2.0]


def test_of_a_free_input_the_range_is_assumed_and_of_an_unknown_value_not() -> None:
    q = QuantizedBits(4, 0, alpha=1.0)
    found = quantize(q, Free(), 2)[1]
    assert isinstance(found, Certificate)
    assert found.assumptions == ("no number fed to it is beyond 2.09715e+06",)
    assert isinstance(quantize(q, None, 2)[1], Doubt)


@pytest.mark.parametrize(
    "q",
    [
        QuantizedBits(4, 0, alpha=0.3),
        QuantizedBits(4, 0, alpha=1.0, qnoise_factor=0.5),
        QuantizedBits(1, 0, qnoise_factor=0.5),
        QuantizedRelu(4, 0, qnoise_factor=0.5),
        QuantizedPo2(4),
        QuantizedUlaw(4),
        QuantizedTanh(4, use_real_tanh=True),
        Binary(alpha=0.3),
        HardFunction.SMOOTH_TANH,
    ],
    ids=str,
)
def test_what_rounds_in_several_ways_is_not_certified(q: Quantizer) -> None:
    assert isinstance(quantize(q, grid(-3, 3, 0, (1, 1)), 2)[1], Doubt)
