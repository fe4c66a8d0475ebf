"""Images of bytes are made larger by ``Gather``, others by ``Resize``."""

from collections.abc import Callable

import numpy as np
import pytest

from qconvert.ir import F32
from qconvert.ir.ops import Conv, Quantize, UpSample
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate

from .conftest import Make, Run, Step

Codes = Callable[..., F32]
BYTE = Quantize(QuantizedRelu(8, 2))


@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize("factors", [(2, 2), (3, 3), (2, 3), (1, 2)])
@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_bytes_of_images_are_gathered(
    make: Make,
    run: Run,
    codes: Codes,
    factors: tuple[int, int],
    convolved: bool,
    signed: bool,
    opset: int,
) -> None:
    """Between integer kernels with nothing transposed."""
    conv = Conv(codes(-7, 7, -3, 3, 3, 8, 8), None, (1, 1), (1, 1), ((1, 1), (1, 1)))
    end = Quantize(QuantizedBits(8, 5, alpha=1.0)) if signed else BYTE
    front: list[Step] = [("c", conv, ["q"]), ("a", end, ["c"])] if convolved else []
    steps: list[Step] = [("q", BYTE, ["x"]), *front, ("up", UpSample(factors), ["a"])]
    steps = steps if convolved else [("a", end, ["x"]), steps[-1]]
    graph = make({"x": (5, 6, 8)}, [*steps, ("d", conv, ["up"]), ("y", BYTE, ["d"])])
    x = codes(-300, 300, -6, 2, 5, 6, 8)
    ran = run(graph, x, opset=opset)
    np.testing.assert_array_equal(ran.plain[0], evaluate(graph, {"x": x})["y"])
    assert "Gather" in ran.operators
    assert not {"Resize", "Conv"} & set(ran.operators)


@pytest.mark.parametrize(
    ("quantizer", "channels"),
    [(None, 8), (QuantizedRelu(12, 2), 8), (QuantizedRelu(8, 2), 7)],
    ids=["floats", "12 bits", "few channels"],
)
def test_others_are_resized(
    make: Make, run: Run, codes: Codes, quantizer: QuantizedRelu | None, channels: int
) -> None:
    front: list[Step] = [] if quantizer is None else [("q", Quantize(quantizer), ["x"])]
    last = "q" if front else "x"
    graph = make({"x": (5, 6, channels)}, [*front, ("up", UpSample((2, 3)), [last])])
    x = codes(-300, 300, -6, 2, 5, 6, channels)
    ran = run(graph, x)
    np.testing.assert_array_equal(ran.plain[0], evaluate(graph, {"x": x})["up"])
    assert "Resize" in ran.operators
