"""Quantizers behind what only selects elements of a convolution's results, inside of its kernel."""

from typing import Final

import numpy as np
import pytest

from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Op
from qconvert.ir.ops import BatchNormalization, Conv, Quantize, Reduce, Slice, UpSample
from qconvert.ir.quantizers import QuantizedRelu

from .chained import chained
from .repairing import check

ACT: Final = Quantize(QuantizedRelu(4, 2))
CHANNELS: Final = 8
CROP: Final = Slice((1, 0, None), (None, -1, None), (1, 1, 1))
FEW: Final = Slice((None, None, 2), (None, None, 6), (1, 1, 1))
LARGEST: Final = Reduce("max", (1, 2), False)


def normalization(channels: int) -> BatchNormalization:
    ones = np.ones(channels, np.float32)
    return BatchNormalization(ones, 2 * ones, ones, ones, 1e-3, fused=True)


def model_of(*behind: tuple[str, Op]) -> Graph:
    """A quantizer, a convolution, what is *behind* it, and a quantizer."""
    codes = np.random.default_rng(0).integers(-7, 8, (3, 3, 2, CHANNELS))
    kernel: F32 = (codes / 8).astype(np.float32)
    conv = Conv(kernel, None, (1, 1), (1, 1), ((1, 1), (1, 1)))
    steps: list[tuple[str, Op]] = [("q", ACT), ("conv", conv), *behind, ("act", ACT)]
    return chained((None, 6, 6, 2), steps, {"conv": {"kernel": kernel}})


@pytest.mark.parametrize("op", [CROP, FEW, LARGEST, UpSample((2, 2)), UpSample((1, 3))])
def test_the_kernel_returns_the_quantizer_s_codes(op: Op) -> None:
    graph = model_of(("moved", op))
    model = to_onnx(graph)
    assert LayeredFile(model).kernels.keys() == {"act"}
    report = check(graph, model, graph)
    assert [x.finding.verdict for x in report.layers] == [Verdict.PROVEN] * 4
    assert report.outputs[0].finding.verdict is Verdict.PROVEN


@pytest.mark.parametrize("op", [CROP, FEW, LARGEST])
def test_what_is_by_channel_does_not_change_places_with_it(op: Op) -> None:
    """As far as nobody has seen that the channels are the same."""
    norm = normalization(4 if op is FEW else CHANNELS)
    model = to_onnx(model_of(("moved", op), ("norm", norm)))
    assert "QLinearConv" not in [each.op_type for each in model.graph.node]


def test_what_is_before_it_is_a_part_of_the_kernel() -> None:
    graph = model_of(("norm", normalization(CHANNELS)), ("moved", CROP))
    model = to_onnx(graph)
    assert LayeredFile(model).kernels.keys() == {"act"}
    assert check(graph, model, graph).passed
