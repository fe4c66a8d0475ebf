import numpy as np
import pytest

from qconvert.checking.quantizer_rounding import quantizer_cause, quantizer_radius
from qconvert.ir import F32, Quantizer
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
from qconvert.numerics import quantize, quantize_body

QUANTIZERS: list[Quantizer] = [
    QuantizedBits(4, 1),
    QuantizedBits(4, 1, alpha=-0.3),
    *(QuantizedBits(4, 1, qnoise_factor=factor) for factor in (0.0, 0.3, 1.7)),
    QuantizedBits(4, 1, qnoise_factor=0.3, use_ste=False),
    QuantizedBits(4, 0, True, alpha="auto", post_training_scale=FrozenScale((0.7,))),
    QuantizedLinear(5, 1, alpha=0.3),
    QuantizedLinear(5, 1, qnoise_factor=0.5),
    QuantizedHswish(QuantizedBits(8, 1)),
    QuantizedHswish(QuantizedBits(8, 1, qnoise_factor=0.5), 2.0, 7.0),
    QuantizedUlaw(5, 1),
    QuantizedRelu(5, 1, negative_slope=0.25, qnoise_factor=0.5),
    QuantizedTanh(6, use_real_tanh=True),
    QuantizedSigmoid(6, use_real_sigmoid=True),
    QuantizedPo2(5),
    QuantizedPo2(5, qnoise_factor=0.5),
    QuantizedReluPo2(5, negative_slope=0.25),
    Binary(),
    Ternary(),
    HardFunction.SMOOTH_TANH,
]


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=repr)
@pytest.mark.parametrize("reach", [1e-6, 1e-3, 0.3])
def test_all_inputs_within_their_radius_have_results_within_its(
    quantizer: Quantizer, reach: float
) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-4, 4, 2000), rng.normal(-1.5, 0.01, 400)]).astype(np.float32)
    r = np.full(x.shape, reach) * rng.choice([0.0, 1.0], x.shape)
    y = quantize(quantizer, x)
    radius = quantizer_radius(quantizer, x, y, r)
    assert radius is not None
    for _ in range(200):
        moved = (x + r * rng.uniform(-0.999, 0.999, x.shape)).astype(np.float32)
        moved = np.where(r == 0, x, moved)
        assert (abs(quantize(quantizer, moved).astype(np.float64) - y) <= radius).all()
    assert not radius[:-8][r[:-8] == 0].any()


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=repr)
def test_inside_a_tensor_every_quantizer_is_exact(quantizer: Quantizer) -> None:
    x = np.random.default_rng(1).uniform(-4, 4, 800).astype(np.float32)
    assert quantizer_radius(quantizer, x, quantize(quantizer, x), None) is None


@pytest.mark.parametrize(
    ("quantizer", "ties"),
    [
        (QuantizedSigmoid(8, use_real_sigmoid=True), np.log((np.arange(90) + 0.5) / 256)),
        (QuantizedPo2(6), np.exp2(np.arange(-9, 9) + 0.5)),
        (QuantizedReluPo2(6), np.exp2(np.arange(-9, 9) + 0.5)),
    ],
    ids=["sigmoid", "po2", "relu_po2"],
)
def test_only_next_to_a_tie_the_last_elements_may_be_others(
    quantizer: Quantizer, ties: F32
) -> None:
    """TensorFlow disagrees with itself there, by one code."""
    if isinstance(quantizer, QuantizedSigmoid):
        share = np.exp(ties)
        ties = np.log(share / (1 - share))
    middles = ties.astype(np.float32).view(np.int32)[:, np.newaxis]
    found = 0
    for number in (middles + np.arange(-16, 16, dtype=np.int32)).view(np.float32).ravel():
        x = np.array([0.9, number], np.float32)
        y, body = quantize(quantizer, x), quantize_body(quantizer, x)
        radius = quantizer_radius(quantizer, x, y, None)
        if y[1] == body[1]:
            assert radius is None
        else:
            assert radius is not None
            np.testing.assert_array_equal(radius, [0, abs(y[1] - body[1])])
            found += 1
    assert 0 < found < 32 * len(ties) / 4


def test_a_tanh_of_more_codes_than_a_table_holds_may_round_either_way_next_to_a_tie() -> None:
    tie = np.arctanh(0.5 + 2.0**-20)
    x: F32 = np.array([0.3, tie], np.float32)
    quantizer = QuantizedTanh(20, use_real_tanh=True)
    radius = quantizer_radius(quantizer, x, quantize(quantizer, x), None)
    assert radius is not None
    assert 0 < radius[1] <= 2 * 2.0**-19


def test_the_reason_is_named() -> None:
    assert quantizer_cause(QuantizedTanh(8, use_real_tanh=True)) is None
    assert "logarithm" in str(quantizer_cause(QuantizedUlaw()))
    assert "sigmoid" in str(quantizer_cause(QuantizedSigmoid(use_real_sigmoid=True)))
