"""What is said of options that a file is no different for."""

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.effects import without_effect
from qconvert.ir.ops import Conv, Dense, Quantize
from qconvert.ir.quantizers import QuantizedRelu

from .conftest import Make


@pytest.mark.parametrize(("largest", "packs", "needs"), [(7, True, False), (127, False, True)])
@pytest.mark.parametrize(("packed", "vnni"), [(True, False), (False, True), (True, True)])
def test_an_option_is_idle_exactly_where_the_file_is_the_same(
    make: Make, largest: int, packs: bool, needs: bool, packed: bool, vnni: bool
) -> None:
    """Of weights of 4 bits and of 8, each set that one of both options is for."""
    kernel = np.random.default_rng(0).integers(-largest, largest + 1, (3, 3, 4, 16)) / 128
    kernel[0, 0, 0, :2] = largest / 128
    conv = Conv(kernel.astype(np.float32), None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    steps = [("q", Quantize(QuantizedRelu(8, 0)), ["x"]), ("c", conv, ["q"])]
    # Without a quantizer behind, it would be one of floats.
    steps.append(("y", Quantize(QuantizedRelu(8, 0)), ["c"]))
    graph = make({"x": (8, 8, 4)}, steps)
    model = to_onnx(graph, packed=packed, vnni=vnni)
    idle = [text.split()[0] for text in without_effect(model, packed=packed, vnni=vnni)]
    expected = {"--packed-weights": packed and not packs, "--vnni": vnni and not needs}
    assert idle == [name for name, told in expected.items() if told]
    assert (model == to_onnx(graph)) == (len(idle) == packed + vnni)


def test_a_file_of_floats_has_a_reason_of_its_own(make: Make) -> None:
    kernel = np.ones((4, 4), np.float32)
    graph = make({"x": (4,)}, [("dense", Dense(kernel, None), ["x"])])
    (text,) = without_effect(to_onnx(graph, dialect="float"), packed=False, vnni=True)
    assert text.endswith("files of the dialect float multiply no integers")
