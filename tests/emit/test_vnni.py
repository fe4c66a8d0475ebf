"""Weights of eight bits for CPUs that do not saturate, where the user has such."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from qconvert.checking.deployed.deployed_graph import inspect_deployed
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.emit import to_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.ir import F32, Graph, Input, Node, Op, Output
from qconvert.ir.ops import Conv, Dense, Quantize, Recurrence
from qconvert.ir.quantizers import QuantizedRelu
from qconvert.runners import OrtRunner

from .conftest import Make

#: Codes of x by bits, largest weight, and whether any CPU saturates with both.
CASES = [(8, 64, False), (8, 65, True), (8, 127, True), (7, 127, False), (4, 127, False)]


@pytest.mark.parametrize(("bits", "weight", "saturates"), CASES)
@pytest.mark.parametrize("vnni", [False, True])
def test_what_saturates_elsewhere_is_signed_on_request_alone(
    make: Make,
    codes: Callable[..., F32],
    bits: int,
    weight: int,
    saturates: bool,
    vnni: bool,
) -> None:
    kernel = codes(-weight, weight, -7, 3, 3, 8, 64)
    kernel[0, 0, 0, :2] = weight / 128, -weight / 128
    conv = Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    steps = [("q", Quantize(QuantizedRelu(bits, 0)), ["x"]), ("c", conv, ["q"])]
    graph = make({"x": (8, 8, 8)}, [*steps, ("a", Quantize(QuantizedRelu(8, 4)), ["c"])])
    model = to_onnx(graph, vnni=vnni)
    (stored,) = (t for t in model.graph.initializer if t.name == "c/kernel")
    signed = vnni or not saturates
    assert stored.data_type == (onnx.TensorProto.INT8 if signed else onnx.TensorProto.UINT8)
    metadata = read_metadata(model)
    assert metadata is not None
    assert any("VNNI" in text for text in metadata.requires.cpu) == (vnni and saturates)
    assert np.prod(stored.dims) == kernel.size


def test_what_saturates_inside_of_a_loop_is_told(make: Make, codes: Callable[..., F32]) -> None:
    state = (None, 8)
    kernel = codes(-127, 127, -7, 8, 8)
    kernel[0, :2] = 127 / 128, -127 / 128
    body = Graph(
        "step",
        (Input("t", (None, 4)), Input("s", state)),
        (
            Node("q", Quantize(QuantizedRelu(8, 0)), ("s",), state),
            Node("d", Dense(kernel, None), ("q",), state),
        ),
        (Output("new", "d"),),
        (),
    )
    graph = make({"x": (4, 4)}, [("loop", Recurrence(body), ["x"])])
    for vnni in (False, True):
        metadata = read_metadata(to_onnx(graph, vnni=vnni))
        assert metadata is not None
        assert any("VNNI" in text for text in metadata.requires.cpu) == vnni


def near_the_limit(shape: tuple[int, ...], seed: int) -> F32:
    """Codes of which each channel, on the last axis, has one that makes pairs of 127 to 129."""
    random = np.random.default_rng(seed)
    whole = random.integers(-44, 45, shape)
    rows = whole.reshape(-1, shape[-1])
    rows[0], rows[1] = 44, -44
    places = random.integers(2, len(rows), shape[-1])
    sums = random.choice([126, 127, 128] if seed % 2 else [126, 127, 129], shape[-1]) - 44
    rows[places, np.arange(shape[-1])] = sums * random.choice([-1, 1], shape[-1])
    return (whole / 128).astype(np.float32)


LAYERS: dict[str, tuple[tuple[int, ...], Callable[[int], Op]]] = {
    "dense": ((24,), lambda seed: Dense(near_the_limit((24, 6), seed), None)),
    "biased": ((24,), lambda seed: Dense(near_the_limit((24, 6), seed), np.ones(6, np.float32))),
    "few inputs": ((3,), lambda seed: Dense(near_the_limit((3, 40), seed), None)),
    "conv": ((6, 6, 4), lambda seed: conv_of(near_the_limit((3, 3, 4, 8), seed))),
    "groups": ((6, 6, 8), lambda seed: conv_of(near_the_limit((3, 3, 4, 8), seed), groups=2)),
    "windows": ((6, 6, 32), lambda seed: conv_of(near_the_limit((3, 3, 32, 32), seed))),
}


def conv_of(kernel: F32, groups: int = 1) -> Conv:
    return Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)), groups)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", LAYERS)
def test_files_are_those_for_vnni_where_the_checker_sees_no_condition(
    make: Make, name: str, seed: int
) -> None:
    """Of two products in 16 bits each has its own account."""
    shape, layer = LAYERS[name]
    steps = [("q", Quantize(QuantizedRelu(8, 0)), ["x"]), ("layer", layer(seed), ["q"])]
    ends = [] if name == "windows" else [("a", Quantize(QuantizedRelu(8, 4)), ["layer"])]
    graph = make({"x": shape}, [*steps, *ends])
    signed = to_onnx(graph, vnni=True)
    found = inspect_deployed(LayeredFile(signed), OrtRunner(signed).optimized())
    saturates = any("VNNI" in remark.text for remark in found.conditions)
    assert saturates == (seed % 2 == 0)
    assert (to_onnx(graph).graph == signed.graph) is not saturates
