import numpy as np
import pytest

from qconvert.frontend import weights
from qconvert.frontend.weights import quantized
from qconvert.ir.quantizers import QuantizedBits, Quantizer
from qconvert.numerics import quantize


@pytest.mark.parametrize(
    "quantizer",
    [
        QuantizedBits(4, 0, alpha=1.0),
        QuantizedBits(4, 0),
        QuantizedBits(1, 0, alpha=0.5),
        QuantizedBits(4, 0, alpha="auto"),
        QuantizedBits(4, 0, alpha="auto_po2"),
        QuantizedBits(4, 0, alpha=(0.5, 1.0, 2.0)),
    ],
)
def test_weights_do_not_depend_on_how_many_are_quantized_at_once(
    quantizer: Quantizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = np.random.default_rng(0).standard_normal((7, 5, 3), np.float32)
    raw[0, 0] = [-0.0, 1e-40, -3.0]
    monkeypatch.setattr(weights, "_BLOCK", 8)
    found = quantized(raw, quantizer)
    np.testing.assert_array_equal(found, quantize(quantizer, raw))
    assert not np.any(np.signbit(found) & (found == 0))
