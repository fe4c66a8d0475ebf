"""Frozen scales: the batch itself gives what it gave, other inputs do not move the scale."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.ir import F32, Quantizer
from qconvert.ir.quantizers import (
    Binary,
    FrozenScale,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    Ternary,
    is_data_dependent,
)
from qconvert.numerics import freeze_scale, quantize

AUTOMATIC: list[Quantizer] = [
    *(QuantizedBits(bits, 1, True, alpha="auto") for bits in (2, 4, 8)),
    QuantizedBits(4, 0, True, False, alpha="auto"),
    QuantizedBits(4, 0, True, alpha="auto", scale_axis=1),
    QuantizedBits(4, 0, True, alpha="auto_po2", codes_of_last_scale=True),
    QuantizedHswish(QuantizedBits(4, 0, True, alpha="auto")),
    *(QuantizedLinear(4, 1, alpha=a) for a in ("auto", "auto_po2")),
    *(Binary(alpha=a) for a in ("auto", "auto_po2")),
    Binary(use_01=True, alpha="auto"),
    *(Ternary(a) for a in ("auto", "auto_po2")),
]


def batch(seed: int = 0) -> F32:
    x = np.random.default_rng(seed).normal(size=(64, 5, 3)).astype(np.float32)
    return x * np.array([0.1, 1, 7], np.float32)


@pytest.mark.parametrize("quantizer", AUTOMATIC, ids=str)
def test_the_batch_gives_what_it_gave(quantizer: Quantizer) -> None:
    x = batch()
    frozen = freeze_scale(quantizer, x)
    assert not is_data_dependent(frozen.quantizer)
    assert frozen.empty == 0
    assert_array_equal(quantize(frozen.quantizer, x), quantize(quantizer, x))


@pytest.mark.parametrize("quantizer", AUTOMATIC, ids=str)
def test_a_sample_alone_gives_what_it_gave_among_others(quantizer: Quantizer) -> None:
    x = batch()
    frozen = freeze_scale(quantizer, x).quantizer
    assert_array_equal(quantize(frozen, x[3:4]), quantize(quantizer, x)[3:4])
    assert not np.array_equal(quantize(quantizer, x[3:4]), quantize(quantizer, x)[3:4])


@pytest.mark.parametrize("threshold", [0.5, 0.75, 1.0, 3.0])
def test_the_half_of_a_scale_is_ternary_zero(threshold: float) -> None:
    """``round`` takes a half to 0, and the next float32 above it to 1."""
    scale = np.float32(2 * threshold)
    largest = scale * np.float32(1.5)
    edges = [0.5 * scale, np.nextafter(0.5 * scale, np.float32(9)), largest, -largest]
    x = np.array(edges, np.float32).reshape(-1, 1)
    quantizer = Ternary("auto", number_of_unrolls=1)
    frozen = freeze_scale(quantizer, x).quantizer
    assert_array_equal(quantize(frozen, x) == 0, [[True], [False], [False], [False]])


def test_a_channel_that_is_nothing_stays_nothing() -> None:
    x = batch()
    x[..., 1] = 0
    frozen = freeze_scale(QuantizedBits(4, 0, True, alpha="auto"), x)
    assert frozen.empty == 1
    assert_array_equal(quantize(frozen.quantizer, batch(1))[..., 1], np.zeros((64, 5)))


def test_scales_are_numbers_by_channel() -> None:
    frozen = freeze_scale(QuantizedBits(4, 0, True, alpha="auto"), batch()).quantizer
    assert isinstance(frozen, QuantizedBits)
    assert isinstance(frozen.post_training_scale, FrozenScale)
    assert frozen.post_training_scale.shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("quantizer", "reason"),
    [
        (QuantizedBits(4, 0, True, alpha="auto", scale_axis=0), "every sample"),
        (Binary(alpha="auto", scale_axis=1), "last axis"),
        (QuantizedLinear(4, alpha="auto", scale_axis=(0, 2)), "last axis"),
    ],
)
def test_what_has_no_scale_to_keep(quantizer: Quantizer, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        freeze_scale(quantizer, batch())


def test_infinite_scales_are_no_scales() -> None:
    x = np.full((2, 1), 3e38, np.float32)
    with pytest.raises(ValueError, match="not finite"):
        freeze_scale(QuantizedBits(4, 0, True, alpha="auto"), x)


def test_codes_of_the_scale_before_are_refused() -> None:
    """Each round halves the scale, so that five of them end before it has settled.

    QKeras 0.9.0 then multiplies codes by another scale than theirs, later versions do not.
    """
    levels = np.repeat(2.0 ** -np.arange(7), 5 ** np.arange(7))
    x = levels.astype(np.float32).reshape(-1, 1)
    old = QuantizedBits(2, 0, True, alpha="auto_po2")
    with pytest.raises(ValueError, match="not that of their codes"):
        freeze_scale(old, x)
    new = replace(old, codes_of_last_scale=True)
    assert_array_equal(quantize(freeze_scale(new, x).quantizer, x), quantize(new, x))


def test_every_automatic_quantizer_is_tried() -> None:
    classes = {type(quantizer) for quantizer in AUTOMATIC}
    possible = [kind for kind in get_args(Quantizer) if "alpha" in getattr(kind, "__slots__", ())]
    assert classes == {*possible, QuantizedHswish}
