"""What a file says that runtimes need; what they do without is in docs/TARGETS.md."""

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.metadata import Requirements, read_metadata
from qconvert.ir import Quantizer
from qconvert.ir.ops import BatchNormalization, Conv, Merge, Op, Quantize, Relu
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu

from .conftest import Make, Step

ACCURACY = "EXECUTION_MODE_HINT=ACCURACY"
FLOAT = "the dialect float"
ARM = "on ARM optimizations off, or the dialect float"
POINTWISE = Conv(np.ones((1, 1, 4, 4), np.float32), None, (1, 1), (1, 1), ((0, 0), (0, 0)))


def needed(make: Make, *steps: Step, dialect: str = "qdq") -> Requirements:
    graph = make({"x": (4, 4, 4)}, steps)
    metadata = read_metadata(to_onnx(graph, dialect=dialect))
    assert metadata is not None
    return metadata.requires


def quantize(name: str, source: str, quantizer: Quantizer) -> Step:
    return name, Quantize(quantizer), [source]


BYTES = quantize("q", "x", QuantizedRelu(8, 0))


def test_nothing_is_needed_where_nothing_is_summed(make: Make) -> None:
    assert needed(make, BYTES) == Requirements()


def test_openvino_rounds_sums_of_products_unless_it_is_told(make: Make) -> None:
    assert needed(make, BYTES, ("c", POINTWISE, ["q"])) == Requirements(openvino=(ACCURACY,))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("bits", "coarser"), [(8, False), (4, True)])
def test_a_sum_of_codes_that_is_rounded_needs_something_on_arm(
    make: Make, bits: int, coarser: bool, relu: bool
) -> None:
    steps: list[Step] = [
        BYTES,
        quantize("r", "x", QuantizedRelu(7, 0)),
        ("s", Merge("add"), ["q", "r"]),
        *([("relu", Relu(), ["s"])] if relu else []),
        quantize("t", "relu" if relu else "s", QuantizedRelu(bits, 0)),
    ]
    assert needed(make, *steps).cpu == ((ARM,) if coarser else ())
    assert needed(make, *steps).openvino == (FLOAT,)
    assert needed(make, *steps, dialect="float") == Requirements()


def normalization(channels: int) -> Op:
    numbers = np.linspace(0.3, 1.7, channels).astype(np.float32)
    return BatchNormalization(numbers, numbers, numbers, numbers, 1e-3, fused=True)


@pytest.mark.parametrize(
    "steps",
    [
        [quantize("s", "x", QuantizedBits(8, 2))],
        [
            BYTES,
            ("c", POINTWISE, ["q"]),
            ("n", normalization(4), ["c"]),
            quantize("t", "n", QuantizedRelu(4, 2)),
        ],
    ],
    ids=["signed", "scales of channels"],
)
def test_what_openvino_computes_otherwise_is_told(make: Make, steps: list[Step]) -> None:
    assert needed(make, *steps).openvino[-1] == FLOAT
    assert FLOAT not in needed(make, *steps, dialect="float").openvino


@pytest.mark.parametrize("quantized_io", [False, True])
def test_openvino_is_misled_by_codes_of_16_bits_that_are_returned(
    make: Make, quantized_io: bool
) -> None:
    graph = make({"x": (4,)}, [("r", Relu(), ["x"]), quantize("w", "r", QuantizedRelu(12, 2))])
    metadata = read_metadata(to_onnx(graph, quantized_io=quantized_io))
    assert metadata is not None
    assert metadata.requires.openvino == ((FLOAT,) if quantized_io else ())
