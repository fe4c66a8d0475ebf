"""Weights are encoded once, whoever asks for their codes."""

from typing import Any

import numpy as np
import pytest

from qconvert.emit import to_onnx, weights
from qconvert.emit.codes import encode
from qconvert.emit.weights import Weight
from qconvert.ir.ops import Conv, Dense, Op, Quantize, Relu
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from tests.emit.conftest import Make

ONES = np.full(6, 1 / 3, np.float32)
DENSE = np.resize(np.arange(-3, 5, dtype=np.float32), (4, 6))
CONV = np.resize(np.arange(-3, 5, dtype=np.float32), (2, 2, 4, 6))
_WINDOW: Any = ((1, 1), (1, 1), ((0, 0), (0, 0)))
#: By the form that it takes, what reads codes of 8 bits.
LAYERS: dict[str, list[Op]] = {
    "fused": [Conv(CONV, None, *_WINDOW), Quantize(QuantizedBits(8, 3, alpha=1.0))],
    "requantized": [Conv(CONV, ONES, *_WINDOW), Quantize(QuantizedRelu(8, 4))],
    "conv": [Conv(CONV, ONES, *_WINDOW), Relu()],
    "gemm": [Dense(DENSE, DENSE[0])],
    "matmul": [Dense(DENSE, None)],
    "sums": [Dense(DENSE, ONES)],
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_integers_encodes_its_weight_once(
    name: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(array: Any, axis: int) -> Any:
        asked.append(array.size)
        return encode(array, axis)

    monkeypatch.setattr(weights, "encode", counted)
    ops = [Quantize(QuantizedBits(8, 0, alpha=1.0)), *LAYERS[name]]
    names = [f"v{i}" for i in range(len(ops))]
    nodes = [(n, op, [before]) for n, op, before in zip(names, ops, ["x", *names], strict=False)]
    shape = (4, 4, 4) if isinstance(ops[1], Conv) else (4,)
    to_onnx(make({"x": shape}, nodes))
    assert len(asked) == 1


def test_a_transposed_matrix_has_the_codes_that_it_would_be_encoded_to() -> None:
    array = DENSE * np.float32(2.0) ** np.array([0, 40, 0, 0, 0, -40], np.float32)
    for each in (array, DENSE):
        weight = Weight(each, 1).transposed()
        found, own = weight.codes, encode(weight.array, 0)
        assert found is not None
        assert own is not None
        assert found.axis == own.axis
        np.testing.assert_array_equal(found.codes, own.codes)
        np.testing.assert_array_equal(found.exps, own.exps)
    assert Weight(DENSE / np.float32(3), 1).transposed().codes is None
