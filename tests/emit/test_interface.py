"""Inputs and outputs as integers: the same numbers as in the file of floats, bit for bit."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.interface import Meaning
from qconvert.emit.metadata import InputTensor, InterfaceCodes, read_metadata
from qconvert.errors import UsageError, WitnessError
from qconvert.ir import F32, Graph, Grid, Op, Quotients
from qconvert.ir.ops import Conv, Dense, Merge, Quantize, Relu, Reshape, Softmax
from qconvert.ir.quantizers import QuantizedBits, QuantizedLinear, QuantizedRelu
from qconvert.reference import evaluate
from qconvert.runners.interface import domain_of_codes, fed, floats, numbers

from .conftest import Make, execute

Codes = Callable[..., F32]
BITS, RELU = QuantizedBits(8, 0, alpha=1.0), QuantizedRelu(4, 2)
PIXELS = InterfaceCodes("uint8", 0, 255, divisor=255)


@pytest.fixture
def conv(codes: Codes) -> Conv:
    return Conv(codes(-7, 7, -4, 3, 3, 2, 4), None, (1, 1), (1, 1), ((1, 1), (1, 1)))


def model_of(graph: Graph, meanings: Mapping[str, Meaning] = {}, **more: Any) -> onnx.ModelProto:
    return to_onnx(graph, quantized_io=True, meanings=meanings, **more)


def interfaces(model: onnx.ModelProto) -> tuple[list[InterfaceCodes | None], ...]:
    metadata = read_metadata(model)
    assert metadata is not None
    return [x.codes for x in metadata.inputs], [y.codes for y in metadata.outputs]


def all_codes(codes: InterfaceCodes, *shape: int) -> npt.NDArray[np.float64]:
    steps = np.resize(np.arange(codes.lo, codes.hi + 1), (3, *shape))
    return steps.astype(np.float64) - codes.zero_point


def same_as_with_floats(
    graph: Graph, meanings: Mapping[str, Meaning] = {}, **more: Any
) -> list[str]:
    """The operators of the optimized graph, once all codes gave what their floats give."""
    model = model_of(graph, meanings, **more)
    metadata = read_metadata(model)
    assert metadata is not None
    x = {}
    for source, taken in zip(graph.inputs, metadata.inputs, strict=True):
        sizes = [n or 1 for n in source.shape[1:]]
        own = taken.codes or InterfaceCodes("uint8", 0, 9)
        x[source.name] = numbers(domain_of_codes(own), all_codes(own, *sizes))
    expected = execute(to_onnx(graph, **more), *x.values())
    found = execute(model, *fed(metadata.inputs, x).values())
    for plain, deployed, right, output in zip(
        found.plain, found.deployed, expected.plain, metadata.outputs, strict=True
    ):
        np.testing.assert_array_equal(plain, deployed)
        result = floats(output.codes, plain) if output.codes else plain
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, right)
    return found.operators


@pytest.mark.parametrize(
    ("quantizer", "expected"),
    [
        (BITS, InterfaceCodes("uint8", 0, 255, -7, 128)),
        (QuantizedBits(8, 0, alpha=1.0, symmetric=True), InterfaceCodes("uint8", 1, 255, -7, 128)),
        (QuantizedBits(3, 1, alpha=1.0), InterfaceCodes("uint8", 124, 131, -1, 128)),
        (RELU, InterfaceCodes("uint8", 0, 15, -2)),
        (QuantizedRelu(16, 4), InterfaceCodes("uint16", 0, 65535, -12)),
        (QuantizedBits(12, 3, alpha=1.0), InterfaceCodes("int16", -2048, 2047, -8)),
    ],
)
def test_an_input_quantizer_gives_codes_their_meaning(
    make: Make, conv: Conv, quantizer: Any, expected: InterfaceCodes
) -> None:
    steps: list[tuple[str, Op, list[str]]] = [("q", Quantize(quantizer), ["x"])]
    steps += [("conv", conv, ["q"]), ("out", Quantize(RELU), ["conv"])]
    graph = make({"x": (6, 5, 2)}, steps)
    taken, returned = interfaces(model_of(graph))
    assert taken == [expected]
    assert returned == [InterfaceCodes("uint8", 0, 15, -2)]
    operators = same_as_with_floats(graph)
    if expected.type == "uint8":
        assert "QLinearConv" in operators
        assert not {"QuantizeLinear", "DequantizeLinear"} & set(operators)


@pytest.mark.parametrize(
    ("quantizer", "left"),
    [
        (QuantizedRelu(16, 4), set[str]()),
        (QuantizedBits(16, 4, alpha=1.0), set[str]()),
        (QuantizedRelu(9, 4), {"Clip"}),
        (QuantizedBits(12, 3, alpha=1.0), {"Clip"}),
        (QuantizedLinear(12, 3), {"Clip"}),
    ],
)
def test_codes_in_16_bits_are_not_rounded_again(make: Make, quantizer: Any, left: set[str]) -> None:
    """What the type holds beyond the grid, which nobody should supply, is clipped as by QKeras."""
    graph = make({"x": (16,)}, [("q", Quantize(quantizer), ["x"]), ("y", Relu(0.5), ["q"])])
    model = model_of(graph)
    assert {node.op_type for node in model.graph.node} - {"DequantizeLinear", "LeakyRelu"} == left
    ((codes,), _) = interfaces(model)
    assert codes is not None
    given = np.arange(1 << 16).astype(codes.type).reshape(-1, 16)
    expected = evaluate(graph, {"x": floats(codes, given)})["y"]
    for found in (execute(model, given).plain, execute(model, given).deployed):
        np.testing.assert_array_equal(found[0], expected)


def test_codes_in_16_bits_of_other_numbers_are_rounded(make: Make) -> None:
    """Of another step, or stretched by the quantizer."""
    steps = QuantizedBits(12, 3, alpha=1.0), QuantizedBits(12, 3, alpha=2.0)
    for quantizer, exp in zip(steps, (-9, -8), strict=True):
        graph = make({"x": (16,)}, [("q", Quantize(quantizer), ["x"])])
        same_as_with_floats(graph, {"x": Grid(-2000, 2000, exp)})
        model = model_of(graph, {"x": Grid(-2000, 2000, exp)})
        assert "Round" in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("moved", [False, True])
def test_of_quantizers_of_16_bits_those_of_outputs_have_codes(
    make: Make, codes: Codes, moved: bool
) -> None:
    """Also with movements in between; inside of the file they would be dequantized again."""
    wide, flat = Quantize(QuantizedRelu(12, 3)), Reshape((-1,))
    steps: list[tuple[str, Op, list[str]]] = [
        ("relu", Relu(), ["x"]),
        ("inside", wide, ["relu"]),
        ("fc", Dense(codes(-7, 7, -4, 5, 3), None), ["inside"]),
        ("out", wide, ["fc"]),
    ]
    graph = make({"x": (4, 5)}, [*steps, *([("flat", flat, ["out"])] if moved else [])])
    quantized = [n.name for n in model_of(graph).graph.node if n.op_type == "QuantizeLinear"]
    assert quantized == ["out/QuantizeLinear"]
    assert interfaces(model_of(graph))[1] == [InterfaceCodes("uint16", 0, 4095, -9)]
    same_as_with_floats(graph)
    drawn = {node.op_type for node in to_onnx(graph).graph.node}
    assert not {"QuantizeLinear", "DequantizeLinear"} & drawn


@pytest.mark.parametrize(
    ("meaning", "expected"),
    [
        (Quotients(0, 255, 255), PIXELS),
        (Quotients(-127, 127, 127), InterfaceCodes("int8", -127, 127, divisor=127)),
        (Quotients(0, 65535, 65535), InterfaceCodes("uint16", 0, 65535, divisor=65535)),
        (Grid(0, 255, -8), InterfaceCodes("uint8", 0, 255, -8)),
        (Grid(0, 12, -2), InterfaceCodes("uint8", 0, 12, -2)),
        (Grid(-128, 127, 0), InterfaceCodes("int8", -128, 127)),
        (Grid(-3, 300, 1), InterfaceCodes("int16", -3, 300, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("quantized", [True, False])
def test_a_declared_domain_gives_codes_their_meaning(
    make: Make, conv: Conv, meaning: Meaning, expected: InterfaceCodes, quantized: bool
) -> None:
    """Also in front of a quantizer, which then rounds what these codes stand for."""
    first: list[tuple[str, Op, list[str]]] = [("q", Quantize(BITS), ["x"])] if quantized else []
    steps = [*first, ("conv", conv, ["q" if quantized else "x"]), ("out", Quantize(RELU), ["conv"])]
    graph = make({"x": (6, 5, 2)}, steps)
    assert interfaces(model_of(graph, {"x": meaning}))[0] == [expected]
    operators = same_as_with_floats(graph, {"x": meaning})
    if isinstance(meaning, Grid) and expected.type in ("uint8", "int8"):
        assert "QLinearConv" in operators


def test_pixels_are_divided_as_users_divide_them(make: Make) -> None:
    """A product with 1/255 would be another number for most."""
    graph = make({"x": (256,)}, [("y", Relu(), ["x"])])
    pixels = np.arange(256, dtype=np.uint8)[None]
    (found,) = execute(model_of(graph, {"x": Quotients(0, 255, 255)}), pixels).deployed
    np.testing.assert_array_equal(found, pixels.astype(np.float32) / np.float32(255))
    assert np.any(found != pixels.astype(np.float32) * np.float32(1 / 255))


def test_pixels_are_divided_before_they_are_multiplied(make: Make, codes: Codes) -> None:
    """ONNX Runtime would divide the product instead, by what it sees to be a constant."""
    dense = Dense(codes(-90, 90, -4, 5, 3), None)
    graph = make({"x": (40, 5)}, [("fc", dense, ["x"])])
    operators = same_as_with_floats(graph, {"x": Quotients(0, 255, 255)})
    assert "FusedMatMul" not in operators


def test_what_is_not_quantized_stays_float(make: Make, conv: Conv) -> None:
    """One of two inputs, and one of two outputs."""
    steps = [
        ("qa", Quantize(RELU), ["a"]),
        ("sum", Merge("add"), ["qa", "b"]),
        ("conv", conv, ["sum"]),
        ("soft", Softmax(3), ["conv"]),
    ]
    graph = make({"a": (6, 5, 2), "b": (6, 5, 2)}, steps, outputs=("soft", "qa"))
    model = model_of(graph)
    taken, returned = interfaces(model)
    assert [codes is None for codes in (*taken, *returned)] == [False, True, True, False]
    kinds = [v.type.tensor_type.elem_type for v in (*model.graph.input, *model.graph.output)]
    uint8, float32 = onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT
    assert kinds == [uint8, float32, float32, uint8]
    same_as_with_floats(graph)


@pytest.mark.parametrize("other", [Quantize(QuantizedRelu(5, 2)), Relu()], ids=["grid", "float"])
def test_an_input_that_others_read_otherwise_stays_float(make: Make, other: Op) -> None:
    graph = make({"x": (4,)}, [("q", Quantize(RELU), ["x"]), ("o", other, ["x"])], ("q", "o"))
    assert interfaces(model_of(graph))[0] == [None]


def test_an_output_that_is_an_input_is_the_same_codes(make: Make) -> None:
    graph = make({"x": (4,)}, [("q", Quantize(BITS), ["x"]), ("r", Relu(), ["q"])], ("q", "r"))
    same_as_with_floats(graph)


def test_names_are_keras_s(make: Make, conv: Conv) -> None:
    steps = [("q", Quantize(BITS), ["x"]), ("conv", conv, ["q"]), ("out", Quantize(RELU), ["conv"])]
    model = model_of(make({"x": (6, 5, 2)}, steps))
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["x", "out"]
    names = [name for node in model.graph.node for name in node.output]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("opset", [13, 17, 21, 25])
def test_every_opset_has_integers_of_8_bits(make: Make, conv: Conv, opset: int) -> None:
    steps = [("conv", conv, ["x"]), ("out", Quantize(RELU), ["conv"])]
    graph = make({"x": (6, 5, 2)}, steps)
    for meaning in (Quotients(0, 255, 255), Grid(0, 255, -8), Grid(-8, 7, 0)):
        same_as_with_floats(graph, {"x": meaning}, opset=opset)


def test_codes_of_16_bits_wait_for_an_opset(make: Make) -> None:
    graph = make({"x": (4,)}, [("q", Quantize(QuantizedRelu(16, 4)), ["x"])])
    with pytest.raises(UsageError, match="no input and no output is quantized"):
        model_of(graph, opset=17)
    with pytest.raises(UsageError, match="codes of 16 bits need opset 21"):
        model_of(graph, {"x": Grid(0, 1000, 0)}, opset=17)


def test_what_cannot_be_is_told(make: Make) -> None:
    graph = make({"x": (4,)}, [("y", Relu(), ["x"])])
    with pytest.raises(UsageError, match="no input and no output is quantized"):
        model_of(graph)
    with pytest.raises(UsageError, match="the dialect 'float' has no integers"):
        model_of(graph, {"x": Grid(0, 9, 0)}, dialect="float")
    with pytest.raises(UsageError, match="no integers of up to 16 bits are those from 0 to 99999"):
        model_of(graph, {"x": Grid(0, 99999, 0)})


def test_numbers_that_no_code_stands_for_are_refused() -> None:
    taken = [InputTensor("x", "x", PIXELS)]
    right = np.array([3, 250], np.float32) / np.float32(255)
    np.testing.assert_array_equal(fed(taken, {"x": right})["x"], np.array([3, 250], np.uint8))
    for wrong in (np.float32(0.5), np.float32(2), np.nextafter(right[1], np.float32(1))):
        with pytest.raises(WitnessError, match="takes 'x' as codes"):
            fed(taken, {"x": np.array([wrong], np.float32)})
