"""What no integer kernel computes: as fast as in a file of floats, and bit for bit the same."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph
from qconvert.ir.ops import Conv, Pool, Quantize, Relu, Softmax
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate

from .conftest import Make, Run

Codes = Callable[..., F32]
NIBBLE, SIGNED = Quantize(QuantizedRelu(4, 1)), Quantize(QuantizedBits(5, 1, alpha=1.0))
AROUND = ((1, 1), (1, 1))
POOLS = {
    "whole": Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0))),
    "padded": Pool("max", (3, 2), (2, 2), ((1, 1), (0, 1))),
}


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.fixture
def image(codes: Codes) -> F32:
    """On a grid, so that sums are exact in every order; with its lowest numbers in one corner."""
    x = codes(-128, 127, -7, 7, 6, 5, 2)
    x[:, :3, :3] = -1
    return x


def conv(codes: Codes, reach: int, inputs: int, outputs: int) -> Conv:
    kernel = codes(-reach, reach, -4, 3, 3, inputs, outputs)
    return Conv(kernel, codes(-9, 9, -5, outputs), (1, 1), (1, 1), AROUND)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("quantizer", [NIBBLE, SIGNED], ids=["unsigned", "signed"])
def test_the_largest_code_that_no_integer_kernel_makes_is_found_among_floats(
    make: Make, run: Run, codes: Codes, image: F32, quantizer: Quantize, pool: str
) -> None:
    graph = make(
        {"x": image.shape[1:]},
        [("c", conv(codes, 7, 2, 4), ["x"]), ("q", quantizer, ["c"]), ("p", POOLS[pool], ["q"])],
    )
    assert kinds(to_onnx(graph))[-5:-2] == ["Cast", "MaxPool", "Cast"]
    (found,) = run(graph, image).plain
    np.testing.assert_array_equal(found, evaluate(graph, {"x": image})["p"])


@pytest.mark.parametrize("bits", [12, 16])
def test_the_largest_of_16_bits_is_found_among_floats(
    make: Make, run: Run, image: F32, bits: int
) -> None:
    quantizer, pool = Quantize(QuantizedRelu(bits, 1)), POOLS["padded"]
    steps = [("q", quantizer, ["x"]), ("p", pool, ["q"]), ("again", NIBBLE, ["p"])]
    graph = make({"x": image.shape[1:]}, steps)
    (found,) = run(graph, image).plain
    np.testing.assert_array_equal(found, evaluate(graph, {"x": image})["again"])


def behind_a_pool(make: Make, codes: Codes, between: tuple[tuple[str, Relu], ...] = ()) -> Graph:
    """A convolution of floats, one of the largest of its codes, and the largest of that one's."""
    last = "relu" if between else "second"
    return make(
        {"x": (6, 5, 2)},
        [
            ("first", conv(codes, 7, 2, 4), ["x"]),
            ("q", NIBBLE, ["first"]),
            ("pool", POOLS["padded"], ["q"]),
            # Bytes of which two, times the largest of all, would saturate: 4 bits are not all.
            ("second", conv(codes, 127, 4, 4), ["pool"]),
            *((name, op, ["second"]) for name, op in between),
            ("act", NIBBLE, [last]),
            ("largest", POOLS["whole"], ["act"]),
        ],
    )


@pytest.mark.parametrize("between", [(), (("relu", Relu()),)], ids=["alone", "relu"])
def test_codes_that_were_floats_are_those_of_an_integer_kernel_again(
    make: Make, run: Run, codes: Codes, image: F32, between: tuple[tuple[str, Relu], ...]
) -> None:
    """Which knows how large they are: nothing needs VNNI. Its own codes stay bytes."""
    graph = behind_a_pool(make, codes, between)
    ran = run(graph, image)
    assert {"QLinearConv", "NhwcMaxPool"} <= set(ran.operators)
    assert ran.operators.count("Cast") == 2
    np.testing.assert_array_equal(ran.plain[0], evaluate(graph, {"x": image})["largest"])


def test_codes_that_users_supply_stay_bytes(make: Make) -> None:
    graph = make({"x": (6, 5, 2)}, [("q", SIGNED, ["x"]), ("p", POOLS["whole"], ["q"])])
    assert "Cast" not in kinds(to_onnx(graph, quantized_io=True))
    assert "Cast" in kinds(to_onnx(graph))


def test_a_convolution_of_floats_adds_its_bias_itself(
    make: Make, run: Run, codes: Codes, image: F32
) -> None:
    op = conv(codes, 7, 2, 4)
    assert op.bias is not None
    graph = make({"x": image.shape[1:]}, [("c", op, ["x"]), ("q", NIBBLE, ["c"])])
    ran = run(graph, image)
    assert "Add" not in ran.operators
    np.testing.assert_array_equal(ran.plain[0], evaluate(graph, {"x": image})["q"])


def test_a_softmax_over_channels_finds_them_last(
    make: Make, run: Run, codes: Codes, image: F32
) -> None:
    steps = [("c", conv(codes, 7, 2, 4), ["x"]), ("s", Softmax(3), ["c"])]
    graph = make({"x": image.shape[1:]}, steps)
    assert kinds(to_onnx(graph))[-2:] == ["Transpose", "Softmax"]
    (found,) = run(graph, image).plain
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)
