import numpy as np
import pytest

from qconvert.ir import F32, Quantizer, Weight
from qconvert.ir.graph import Folding
from qconvert.ir.quantizers import Binary, QuantizedBits, QuantizedPo2, Ternary
from qconvert.numerics import quantize
from qconvert.weighing.weights import Scales, distinct_in, weigh


def floats(*numbers: float) -> F32:
    return np.array(numbers, np.float32)


def quantized(raw: F32, quantizer: Quantizer) -> Weight:
    return Weight(raw, quantize(quantizer, raw), quantizer)


def test_numbers_beyond_the_range_and_codes_at_its_ends_are_counted() -> None:
    """``[-8..7] / 8``: 0.9 and 2 are clipped, 0.85 is rounded to the last code, -1 is the first."""
    found = weigh(quantized(floats(0.9, 2, 0.85, -1, 0, 0.01, 0.25), QuantizedBits(4, 0, alpha=1)))
    assert (found.outside, found.at_ends) == (2, 4)
    assert (found.zeros, found.distinct, found.codes) == (2, 4, 16)
    assert (found.lo, found.hi, found.scales) == (-8, 7, Scales(1, 0.125, 0.125))
    assert (found.elements, found.bits, found.total_bits) == (7, 4, 28)


def test_the_end_of_the_range_itself_is_not_outside() -> None:
    found = weigh(quantized(floats(0.875, -1), QuantizedBits(4, 0, alpha=1)))
    assert (found.outside, found.at_ends) == (0, 2)


def test_codes_of_automatic_scales_are_counted_without_the_scales() -> None:
    """Two channels with the same codes have twice the numbers, but no more codes."""
    raw = floats(*np.linspace(-1, 1, 15)).reshape(-1, 1) * floats(1, 4)
    found = weigh(quantized(raw, QuantizedBits(4, 0, alpha="auto")))
    assert (found.distinct, found.codes, found.lo, found.hi) == (15, 15, -7, 7)
    assert found.scales is not None and found.scales.count == 2
    assert found.scales.greatest / found.scales.least == 4
    assert len(np.unique(quantize(QuantizedBits(4, 0, alpha="auto"), raw))) > 15


def test_a_fitted_scale_clips_what_the_maximum_does_not() -> None:
    """``auto_po2`` takes a power of two that is best for all, and so too small for some."""
    raw = np.random.default_rng(0).standard_normal((200, 1)).astype(np.float32)
    found = weigh(quantized(raw, QuantizedBits(4, 0, alpha="auto_po2")))
    assert found.outside and found.at_ends and found.at_ends > found.outside
    assert found.scales is not None and np.log2(found.scales.least) % 1 == 0


def test_a_scale_behind_the_quantizer_leaves_its_range_alone() -> None:
    found = weigh(quantized(floats(0.9, 0.2, -0.3), QuantizedBits(4, 0, alpha=0.5)))
    assert (found.outside, found.at_ends) == (1, 1)
    assert found.scales == Scales(1, 0.0625, 0.0625)


@pytest.mark.parametrize(
    ("quantizer", "codes", "lo"),
    [
        (Binary(alpha=1.0), 2, -1),
        (Binary(use_01=True, alpha=1.0), 2, 0),
        (Ternary(alpha=1.0), 3, -1),
    ],
)
def test_signs_have_codes_and_no_range(quantizer: Quantizer, codes: int, lo: int) -> None:
    found = weigh(quantized(floats(-3, 0.1, 3, -0.1), quantizer))
    assert (found.codes, found.lo, found.hi) == (codes, lo, 1)
    assert (found.outside, found.at_ends) == (None, None)


def test_powers_of_two_are_numbers_without_codes() -> None:
    found = weigh(quantized(floats(0.5, 0.25, -0.5, 0.26), QuantizedPo2(4)))
    assert (found.codes, found.distinct, found.bits) == (None, 3, 4)


def test_floats_take_32_bits() -> None:
    found = weigh(Weight(floats(1.5, 1.5, 0), floats(1.5, 1.5, 0), None))
    assert (found.bits, found.distinct, found.zeros) == (32, 2, 1)


def test_folded_weights_are_clipped_after_folding() -> None:
    """The file's own numbers lie within the range; multiplied by the normalization they do not."""
    quantizer = QuantizedBits(4, 0, alpha=1)
    raw, folded = floats(0.5, -0.5), floats(1.5, -0.5)
    folding = Folding(folded, folded)
    found = weigh(Weight(raw, quantize(quantizer, folded), quantizer, folding))
    assert (found.outside, found.at_ends) == (1, 1)


@pytest.mark.parametrize(
    "numbers",
    [
        np.array([-128, 127, 127], np.int8),
        floats(0.0, -0.0, 1),
        floats(-1e30, 1e30),
        np.array([0, 2**40], np.int64),
    ],
)
def test_different_numbers_are_counted_in_every_type(numbers: F32) -> None:
    assert distinct_in(numbers) == 2


def test_nothing_has_no_numbers() -> None:
    assert distinct_in(floats()) == 0


def test_numbers_that_overflow_in_steps_are_outside() -> None:
    raw = floats(3e38, -3e38, 0)
    quantizer = QuantizedBits(4, 0, alpha=1)
    found = weigh(Weight(raw, floats(0.875, -1, 0), quantizer))
    assert (found.outside, found.at_ends) == (2, 2)
