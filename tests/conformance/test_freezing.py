"""Frozen scales are those of the real QKeras on the same batch; bit for bit (+0 equals -0)."""

import warnings
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.frontend.quantizers import activation
from qconvert.ir import F32
from qconvert.ir.ops import Quantize
from qconvert.numerics import freeze_scale, quantize

TEXTS = [
    *(f"quantized_bits({b},1,1,alpha='{a}')" for b in (2, 4, 8) for a in ("auto", "auto_po2")),
    "quantized_bits(4,0,keep_negative=False,alpha='auto')",
    "quantized_hswish(6,1,1,alpha='auto')",
    *(f"{name}(alpha='{a}')" for name in ("binary", "ternary") for a in ("auto", "auto_po2")),
    "binary(1,'auto')",
    "stochastic_ternary('auto')",
    "stochastic_binary('auto_po2')",
]


def batch() -> F32:
    x = np.random.default_rng(3).normal(size=(40, 6, 5)).astype(np.float32)
    x[..., 4] = 0  # What a dead channel is behind a ReLU.
    return x * np.array([0.01, 0.3, 1, 50, 1], np.float32)


@pytest.fixture(scope="module")
def qkeras(tf: ModuleType) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: ModuleType = pytest.importorskip("qkeras")
    return module


@pytest.mark.parametrize("text", TEXTS)
def test_the_batch_gives_what_qkeras_gives(tf: ModuleType, qkeras: ModuleType, text: str) -> None:
    (op,) = activation(text, qkeras=True, rank=3, freezing=True)
    assert isinstance(op, Quantize)
    x = batch()
    frozen = freeze_scale(op.quantizer, x).quantizer
    with warnings.catch_warnings():
        # Of pyparsing, which QKeras calls by old names.
        warnings.simplefilter("ignore")
        theirs = qkeras.get_quantizer(text)
    assert_array_equal(quantize(frozen, x), theirs(tf.constant(x)).numpy())
