"""Convolutions as one product of matrices, whose rows are gathered windows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.deployed.by_layer import kernels_by_layer
from qconvert.emit import to_onnx
from qconvert.emit.lowering import windows
from qconvert.emit.metadata import read_metadata
from qconvert.ir import F32, Graph
from qconvert.ir.ops import Affine, BatchNormalization, Conv, Merge, Pool, Quantize, Relu
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate
from qconvert.runners.ort import OrtRunner

from .conftest import Make, Run, Step

Codes = Callable[..., F32]

BYTE = Quantize(QuantizedRelu(8, 0))
SIGNED = Quantize(QuantizedBits(8, 1, alpha=1.0))
SOURCE = pytest.mark.parametrize("source", [BYTE, SIGNED])
#: By channel other steps, which no 8 bits hold together.
STEPS = np.ldexp(np.float32(1), -np.arange(32) % 12)


def conv(codes: Codes, *window: int, outputs: int = 32, **options: Any) -> Conv:
    """Of 32 inputs, and outputs enough for its windows to be gathered."""
    chosen: dict[str, Any] = {
        "kernel": codes(-20, 20, -6, *window, 32, outputs),
        "bias": None,
        "strides": (1,) * len(window),
        "dilations": (1,) * len(window),
        "padding": ((1, 1),) * len(window),
    } | options
    return Conv(**chosen)


def checked(run: Run, graph: Graph, x: F32, **options: Any) -> list[str]:
    """The operators, after all results were found equal to the reference's."""
    ran = run(graph, x, **options)
    values = evaluate(graph, {"x": x})
    for output, plain, deployed in zip(graph.outputs, ran.plain, ran.deployed, strict=True):
        np.testing.assert_array_equal(plain, values[output.value])
        np.testing.assert_array_equal(deployed, values[output.value])
    return ran.operators


def ends_in(make: Make, op: Conv, source: Quantize, *sizes: int) -> Graph:
    return make({"x": (*sizes, op.kernel.shape[-2])}, [("q", source, ["x"]), ("c", op, ["q"])])


KINDS = [
    ((3, 3), {}),
    ((3, 3), {"padding": ((0, 0), (0, 0))}),
    ((2, 3), {"strides": (2, 1), "dilations": (1, 2), "padding": ((1, 0), (2, 1))}),
    ((3, 2), {"strides": (3, 2), "padding": ((2, 2), (0, 1))}),
    ((1, 1), {"strides": (2, 2), "padding": ((0, 0), (0, 0))}),
    ((1, 1), {"strides": (1, 1), "padding": ((0, 0), (0, 0))}),
    ((1, 1), {"strides": (1, 1), "padding": ((1, 0), (0, 2))}),
    ((4, 5), {"padding": ((0, 0), (0, 0))}),
    ((3,), {"dilations": (2,), "padding": ((4, 0),)}),
    ((2, 2, 3), {"strides": (1, 2, 1), "padding": ((0, 1), (1, 0), (1, 1))}),
]


@SOURCE
@pytest.mark.parametrize(("window", "options"), KINDS)
def test_windows_of_all_kinds(
    make: Make,
    run: Run,
    codes: Codes,
    window: tuple[int, ...],
    options: dict[str, Any],
    source: Quantize,
) -> None:
    outputs = 128 if set(window) == {1} else 32
    op = conv(codes, *window, outputs=outputs, **options)
    sizes = (5, 6, 4)[: len(window)]
    operators = checked(run, ends_in(make, op, source, *sizes), codes(-300, 300, -7, 3, *sizes, 32))
    assert "MatMulIntegerToFloat" in operators and "Transpose" not in operators


@pytest.mark.parametrize("bias", [None, -7, -30])
@pytest.mark.parametrize("by_channel", [False, True])
@SOURCE
def test_biases_and_steps_of_channels(
    make: Make, run: Run, codes: Codes, bias: int | None, by_channel: bool, source: Quantize
) -> None:
    kernel = codes(-20, 20, -6, 3, 3, 32, 32) * (STEPS if by_channel else np.float32(1))
    op = conv(codes, 3, 3, kernel=kernel, bias=None if bias is None else codes(-99, 99, bias, 32))
    operators = checked(run, ends_in(make, op, source, 6, 5), codes(-300, 300, -7, 2, 6, 5, 32))
    assert "MatMulIntegerToFloat" in operators


def behind(make: Make, steps: list[Step]) -> Graph:
    """A convolution of bytes, and other steps."""
    return make({"x": (6, 5, 32)}, [("q", BYTE, ["x"]), *steps])


def between(codes: Codes, *, fused: bool, channels: int = 32) -> BatchNormalization:
    """A normalization of which the program is one of both that TensorFlow has."""
    random = np.random.default_rng(1)
    draw = [random.normal(0, 1, channels).astype(np.float32) for _ in range(3)]
    variance = random.uniform(0.5, 4, channels).astype(np.float32)
    return BatchNormalization(draw[0], variance, draw[1], draw[2], 1e-3, fused=fused)


@pytest.mark.parametrize("fused", [True, False])
def test_layers_in_a_row_transpose_nothing(make: Make, run: Run, codes: Codes, fused: bool) -> None:
    """Normalized, to more bits than integers can round to for all channels, and pooled."""
    steps: list[Step] = []
    for i, last in enumerate(("q", "p0")):
        steps += [
            (f"c{i}", conv(codes, 3, 3), [last]),
            (f"n{i}", between(codes, fused=fused), [f"c{i}"]),
            (f"a{i}", Quantize(QuantizedRelu(8, 3)), [f"n{i}"]),
            (f"p{i}", Pool("max", (2, 2), (1, 1), ((0, 0), (0, 0))), [f"a{i}"]),
        ]
    graph = make({"x": (6, 5, 32)}, [("q", BYTE, ["x"]), *steps])
    operators = checked(run, graph, codes(0, 255, -8, 2, 6, 5, 32))
    assert operators.count("MatMulIntegerToFloat") == 2
    assert operators.count("NhwcMaxPool") == 2 and "Transpose" not in operators


def test_a_scale_by_channel_is_one_with_the_sums(make: Make, run: Run, codes: Codes) -> None:
    scale = Affine(codes(1, 99, -5, 32) / np.float32(3), codes(-9, 9, -3, 32) / np.float32(7))
    graph = behind(make, [("c", conv(codes, 3, 3), ["q"]), ("s", scale, ["c"])])
    operators = checked(run, graph, codes(0, 255, -8, 2, 6, 5, 32))
    assert "MatMulIntegerToFloat" in operators and "Mul" not in operators


def test_several_may_read_the_sums(make: Make, run: Run, codes: Codes) -> None:
    """With those of another convolution beside them, whose channels come first."""
    other = conv(codes, 3, 3, kernel=codes(-127, 127, -6, 3, 3, 32, 32))
    steps: list[Step] = [
        ("c", conv(codes, 3, 3), ["q"]),
        ("d", other, ["q"]),
        ("sum", Merge("add"), ["c", "d"]),
        ("r", Relu(), ["c"]),
    ]
    graph = make({"x": (6, 5, 32)}, [("q", BYTE, ["x"]), *steps], ("sum", "r", "c"))
    operators = checked(run, graph, codes(0, 255, -8, 2, 6, 5, 32))
    assert "MatMulIntegerToFloat" in operators


@pytest.mark.parametrize("opset", [13, 18, 26])
def test_other_opsets(make: Make, run: Run, codes: Codes, opset: int) -> None:
    graph = ends_in(make, conv(codes, 3, 3), SIGNED, 6, 5)
    assert "Gather" in checked(run, graph, codes(-300, 300, -7, 2, 6, 5, 32), opset=opset)


def test_the_table_is_a_few_numbers_that_layers_share(make: Make, codes: Codes) -> None:
    """One for the rows and one for the columns, not one for each element of each window."""
    op = conv(codes, 3, 3)
    model = to_onnx(make({"x": (30, 40, 32)}, [("q", BYTE, ["x"]), ("c", op, ["q"])]))
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    assert sorted(a.size for a in stored.values() if a.dtype == np.int32) == [1, 90, 120]
    again = [("q", BYTE, ["x"]), ("c", op, ["q"]), ("b", BYTE, ["c"]), ("d", op, ["b"])]
    several = to_onnx(make({"x": (30, 40, 32)}, again, ("c", "d")))
    gathers = [node for node in several.graph.node if node.op_type == "Gather"]
    assert len(gathers) == 2 and len({node.input[1] for node in gathers}) == 1


def few(codes: Codes) -> list[tuple[Conv, tuple[int, ...]]]:
    """What is not gathered: groups, few channels, products or places, large weights."""
    image = (6, 5, 32)
    return [
        (conv(codes, 3, 3, kernel=codes(-20, 20, -6, 3, 3, 32, 64), groups=2), (6, 5, 64)),
        (conv(codes, 3, 3, kernel=codes(-20, 20, -6, 3, 3, 8, 256)), (6, 5, 8)),
        (conv(codes, 3, 3, outputs=16), image),
        (conv(codes, 1, 1, outputs=64), image),
        (conv(codes, 3, 3), (1, 3, 32)),
        (conv(codes, 3, 3, kernel=codes(-65, 65, -6, 3, 3, 32, 32)), image),
        (conv(codes, 3, 3, kernel=codes(-20, 20, -6, 3, 3, 32, 32) / np.float32(3)), image),
    ]


@pytest.mark.parametrize("index", range(7))
def test_what_saturates_or_is_slower_is_not_gathered(make: Make, codes: Codes, index: int) -> None:
    op, sizes = few(codes)[index]
    model = to_onnx(make({"x": sizes}, [("q", BYTE, ["x"]), ("c", op, ["q"])]))
    assert "Gather" not in {node.op_type for node in model.graph.node}


def test_weights_of_8_bits_are_gathered_for_cpus_with_vnni(make: Make, codes: Codes) -> None:
    op = conv(codes, 3, 3, kernel=codes(-127, 127, -6, 3, 3, 32, 32))
    model = to_onnx(ends_in(make, op, BYTE, 6, 5), vnni=True)
    assert "Gather" in {node.op_type for node in model.graph.node}
    assert any("VNNI" in text for text in requirements_of(model))


def requirements_of(model: onnx.ModelProto) -> tuple[str, ...]:
    metadata = read_metadata(model)
    assert metadata is not None
    return metadata.requires.cpu


def test_sizes_that_are_not_known_have_no_table(make: Make, codes: Codes) -> None:
    graph = make({"x": (None, 5, 32)}, [("q", BYTE, ["x"]), ("c", conv(codes, 3, 3), ["q"])])
    assert "Gather" not in {node.op_type for node in to_onnx(graph).graph.node}


def test_it_counts_as_an_integer_kernel(make: Make, codes: Codes) -> None:
    model = to_onnx(behind(make, [("c", conv(codes, 3, 3), ["q"]), ("r", Relu(), ["c"])]))
    found = {each.layer: each for each in kernels_by_layer(model, OrtRunner(model).optimized())}
    assert (
        "com.microsoft.MatMulIntegerToFloat" in found["c"].operators and found["c"].in_float == ()
    )
    assert "Gather" in found["c"].operators


@pytest.mark.parametrize("seed", range(40))
def test_windows_of_random_kinds(
    make: Make, run: Run, codes: Codes, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Of all sizes: what is slower has to be right as well."""
    monkeypatch.setattr(windows, "_is_faster", lambda op, places: True)
    random = np.random.default_rng(seed)
    rank = int(random.integers(1, 4))

    def draw(low: int, high: int) -> tuple[int, ...]:
        return tuple(random.integers(low, high, rank, endpoint=True).tolist())

    window, dilations, sizes = draw(1, 3), draw(1, 2), draw(5, 8)
    padding = tuple(zip(draw(0, 2), draw(0, 2), strict=True))
    inputs, outputs = random.integers(1, 9, 2).tolist()
    kernel = codes(-20, 20, -6, *window, inputs, outputs, seed=seed)
    op = Conv(kernel, None, draw(1, 3), dilations, padding)
    source = BYTE if seed % 2 else SIGNED
    graph = make({"x": (*sizes, inputs)}, [("q", source, ["x"]), ("c", op, ["q"])])
    operators = checked(run, graph, codes(-300, 300, -7, 2, *sizes, inputs, seed=seed))
    assert {"MatMulInteger", "MatMulIntegerToFloat"} & set(operators)
