"""Convolutions whose sums no quantizer rounds alone: integers, where that is exact and faster."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from onnx import TensorProto

from qconvert.checking.deployed.by_layer import kernels_by_layer
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph
from qconvert.ir.ops import BatchNormalization, Conv, Quantize, Relu
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate
from qconvert.runners.ort import OrtRunner

from .conftest import Make, Run, Step

Codes = Callable[..., F32]

NIBBLE = Quantize(QuantizedRelu(4, 2))
SIGNED = Quantize(QuantizedBits(4, 1, alpha=1.0))
BYTE = Quantize(QuantizedRelu(8, 0))
AROUND = ((1, 1), (1, 1))
STEPS_OF_CHANNELS = np.ldexp(np.float32(1), -np.arange(16) % 12)


def wide(codes: Codes, **options: object) -> Conv:
    """With all that makes sums of integers the faster ones of an image of 16 by 16."""
    chosen = {
        "kernel": codes(-7, 7, -3, 3, 3, 32, 16),
        "bias": None,
        "strides": (1, 1),
        "dilations": (1, 1),
        "padding": AROUND,
    } | options
    return Conv(**chosen)  # type: ignore[arg-type]


def drawn(graph: Graph, dialect: str = "qdq") -> set[str]:
    return {node.op_type for node in to_onnx(graph, dialect=dialect).graph.node}


def checked(run: Run, graph: Graph, x: F32) -> list[str]:
    """The operators, after all results were found equal to the reference's."""
    ran = run(graph, x)
    values = evaluate(graph, {"x": x})
    for output, plain, deployed in zip(graph.outputs, ran.plain, ran.deployed, strict=True):
        np.testing.assert_array_equal(plain, values[output.value])
        np.testing.assert_array_equal(deployed, values[output.value])
    return ran.operators


@pytest.mark.parametrize("source", [NIBBLE, SIGNED])
@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("bias", [None, -6, -30])
def test_sums_that_are_a_result(
    make: Make, run: Run, codes: Codes, source: Quantize, by_channel: bool, bias: int | None
) -> None:
    kernel = codes(-7, 7, -3, 3, 3, 32, 16) * (STEPS_OF_CHANNELS if by_channel else np.float32(1))
    addend = None if bias is None else codes(-99, 99, bias, 16)
    conv = wide(codes, kernel=kernel, bias=addend)
    graph = make({"x": (16, 16, 32)}, [("q", source, ["x"]), ("c", conv, ["q"])])
    operators = checked(run, graph, codes(-40, 99, -4, 2, 16, 16, 32))
    assert "ConvInteger" in operators and "Conv" not in operators


@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_windows_of_all_kinds(make: Make, run: Run, codes: Codes, strides: tuple[int, int]) -> None:
    # Too large to be int8, which would be gathered.
    kernel = codes(-127, 127, -3, 2, 3, 64, 32)
    conv = wide(codes, kernel=kernel, strides=strides, dilations=(1, 2), padding=((1, 0), (2, 1)))
    graph = make({"x": (16, 16, 64)}, [("q", SIGNED, ["x"]), ("c", conv, ["q"])])
    assert "ConvInteger" in checked(run, graph, codes(-40, 99, -4, 2, 16, 16, 64))


def test_convolution_over_one_axis(make: Make, run: Run, codes: Codes) -> None:
    conv = Conv(codes(-127, 127, -3, 9, 32, 64), None, (1,), (1,), ((8, 0),))
    graph = make({"x": (100, 32)}, [("q", SIGNED, ["x"]), ("c", conv, ["q"])])
    assert "ConvInteger" in checked(run, graph, codes(-40, 99, -4, 2, 100, 32))


def test_behind_what_no_kernel_rounds_as(make: Make, run: Run, codes: Codes) -> None:
    """A normalization of 8 bits, which also reads weights of all 8."""
    random = np.random.default_rng(1)
    draw = [random.normal(0, 1, 16).astype(np.float32) for _ in range(3)]
    variance = random.uniform(0.5, 4, 16).astype(np.float32)
    normal = BatchNormalization(draw[0], variance, draw[1], draw[2], 1e-3, fused=True)
    steps: list[Step] = [
        ("q", BYTE, ["x"]),
        ("c", wide(codes, kernel=codes(-128, 127, -7, 3, 3, 32, 16)), ["q"]),
        ("n", normal, ["c"]),
        ("a", Quantize(QuantizedRelu(8, 2)), ["n"]),
    ]
    graph = make({"x": (16, 16, 32)}, steps)
    operators = checked(run, graph, codes(0, 255, -8, 2, 16, 16, 32))
    assert "ConvInteger" in operators and "QLinearConv" not in operators


def test_behind_codes_that_come_in(make: Make, run: Run, codes: Codes) -> None:
    graph = make({"x": (16, 16, 32)}, [("q", BYTE, ["x"]), ("c", wide(codes), ["q"])])
    model = to_onnx(graph, quantized_io=True)
    assert [node.op_type for node in model.graph.node][-3:-1] == ["Cast", "Mul"]
    whole = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 32)).astype(np.float32)
    x = {"x": whole / np.float32(256)}
    (found,) = OrtRunner(model).run_deployed(x).outputs.values()
    np.testing.assert_array_equal(found, evaluate(graph, x)["c"])


@pytest.mark.parametrize(("most", "kind"), [(7, TensorProto.UINT4), (127, TensorProto.UINT8)])
def test_weights_of_few_bits_are_packed(make: Make, codes: Codes, most: int, kind: int) -> None:
    conv = wide(codes, kernel=codes(-most, most, -7, 3, 3, 32, 16))
    graph = make({"x": (16, 16, 32)}, [("q", BYTE, ["x"]), ("c", conv, ["q"])])
    stored = {each.name: each for each in to_onnx(graph, packed=True).graph.initializer}
    assert stored["c/kernel"].data_type == kind
    x = {"x": codes(0, 255, -8, 2, 16, 16, 32)}
    (found,) = OrtRunner(to_onnx(graph, packed=True)).run_deployed(x).outputs.values()
    np.testing.assert_array_equal(found, evaluate(graph, x)["c"])


def few(codes: Codes) -> Sequence[tuple[str, Conv, tuple[int, ...]]]:
    """What stays float, by the reason."""
    many, image = codes(-7, 7, -3, 3, 3, 3, 32, 16), (16, 16, 32)
    return [
        ("groups", wide(codes, kernel=codes(-7, 7, -3, 3, 3, 128, 64), groups=2), (16, 16, 256)),
        ("terms", wide(codes, kernel=codes(-7, 7, -3, 3, 3, 16, 64)), (16, 16, 16)),
        ("channels", wide(codes, kernel=codes(-7, 7, -3, 3, 3, 128, 8)), (16, 16, 128)),
        ("places", wide(codes, kernel=codes(-7, 7, -3, 3, 3, 256, 256)), (3, 3, 256)),
        ("products", wide(codes, strides=(2, 2)), image),
        ("axes", Conv(many, None, (1,) * 3, (1,) * 3, ((1, 1),) * 3), (8, 8, 8, 32)),
        ("bits", wide(codes, kernel=codes(-128, 127, -7, 3, 3, 256, 64)), (16, 16, 256)),
        ("off the grid", wide(codes, kernel=codes(-7, 7, -3, 3, 3, 32, 16) / np.float32(3)), image),
        ("too small", wide(codes, kernel=codes(-7, 7, -122, 3, 3, 32, 16)), image),
    ]


@pytest.mark.parametrize("index", range(9))
def test_what_may_round_or_is_slower_stays_float(make: Make, codes: Codes, index: int) -> None:
    _, conv, shape = few(codes)[index]
    graph = make({"x": shape}, [("q", BYTE, ["x"]), ("c", conv, ["q"])])
    assert "ConvInteger" not in drawn(graph)


def test_float_input_and_float_dialect_have_no_integers(make: Make, codes: Codes) -> None:
    alone = make({"x": (16, 16, 32)}, [("c", wide(codes), ["x"])])
    assert "ConvInteger" not in drawn(alone)
    graph = make({"x": (16, 16, 32)}, [("q", BYTE, ["x"]), ("c", wide(codes), ["q"])])
    assert "ConvInteger" not in drawn(graph, "float")


@pytest.mark.parametrize("end", [NIBBLE, Quantize(QuantizedRelu(8, 2))])
def test_what_a_quantizer_alone_reads_is_left_to_runtimes(
    make: Make, run: Run, codes: Codes, end: Quantize
) -> None:
    steps: list[Step] = [("q", NIBBLE, ["x"]), ("c", wide(codes), ["q"]), ("a", end, ["c"])]
    operators = checked(run, make({"x": (16, 16, 32)}, steps), codes(-40, 99, -4, 2, 16, 16, 32))
    assert "QLinearConv" in operators and "ConvInteger" not in operators


def test_it_counts_as_an_integer_kernel(make: Make, codes: Codes) -> None:
    steps: list[Step] = [("q", NIBBLE, ["x"]), ("c", wide(codes), ["q"]), ("r", Relu(), ["c"])]
    model = to_onnx(make({"x": (16, 16, 32)}, steps))
    found = {each.layer: each for each in kernels_by_layer(model, OrtRunner(model).optimized())}
    assert "ConvInteger" in found["c"].operators and found["c"].in_float == ()
