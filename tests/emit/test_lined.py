"""A normalization between exact sums and a quantizer: one product and one sum."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.ir import F32, Graph, Op
from qconvert.ir.ops import BatchNormalization, Conv, Dense, Pool, Quantize, Relu
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate
from tests.many_sums import many_sums

from .conftest import Make, Run, Step

Codes = Callable[..., F32]

SIZE, INPUTS, CHANNELS = 6, 3, 8
BYTE = Quantize(QuantizedRelu(8, 2))
SIGNED = Quantize(QuantizedBits(8, 2, alpha=1.0))
ZEROS = np.zeros(CHANNELS, np.float32)
LITERAL = {"Sub", "Cast"}
POOL = Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0)))


def normalization(*, fused: bool = True) -> BatchNormalization:
    random = np.random.default_rng(5)
    mean, beta = random.normal(0, 1, (2, CHANNELS)).astype(np.float32)
    gamma = random.normal(0, 1, CHANNELS).astype(np.float32)
    variance = random.uniform(0.2, 3, CHANNELS).astype(np.float32)
    return BatchNormalization(mean, variance, gamma, beta, 1e-3, fused=fused)


def convolution(codes: Codes, bias: F32 | None = None, largest: int = 7) -> Conv:
    kernel = codes(-largest, largest, -3, 3, 3, INPUTS, CHANNELS)
    return Conv(kernel, bias, (1, 1), (1, 1), ((1, 1), (1, 1)))


def model_of(make: Make, conv: Op, *front: Op, end: Quantize = BYTE) -> Graph:
    """A quantizer, a convolution, what is *front* of the next quantizer, and that."""
    steps: list[Step] = [("q", BYTE, ["x"]), ("conv", conv, ["q"])]
    for number, op in enumerate(front):
        steps.append((f"front{number}", op, [steps[-1][0]]))
    return make({"x": (SIZE, SIZE, INPUTS)}, [*steps, ("act", end, [steps[-1][0]])])


def kinds(graph: Graph) -> list[str]:
    return [node.op_type for node in to_onnx(graph).graph.node]


def behind(graph: Graph, kind: str) -> list[str]:
    drawn = kinds(graph)
    return drawn[drawn.index(kind) + 1 :]


def samples(codes: Codes) -> F32:
    return codes(0, 255, -6, 40, SIZE, SIZE, INPUTS)


@pytest.mark.parametrize("bias", [None, "on the grid", "finer"])
@pytest.mark.parametrize("moves", [(), (POOL,)])
@pytest.mark.parametrize("end", [BYTE, SIGNED])
def test_two_operations_take_the_place_of_six(
    make: Make, run: Run, codes: Codes, bias: str | None, moves: tuple[Op, ...], end: Quantize
) -> None:
    exp = {None: 0, "on the grid": -9, "finer": -10}[bias]
    array = None if bias is None else codes(-3, 3, exp, CHANNELS)
    graph = model_of(make, convolution(codes, array), normalization(), *moves, end=end)
    assert not LITERAL.intersection(behind(graph, "Conv"))
    x = samples(codes)
    ran = run(graph, x)
    wanted = evaluate(graph, {"x": x})["act"]
    np.testing.assert_array_equal(ran.plain[0], wanted)
    np.testing.assert_array_equal(ran.deployed[0], wanted)


def test_layers_of_which_only_codes_are_left_say_so(make: Make, codes: Codes) -> None:
    metadata = read_metadata(to_onnx(model_of(make, convolution(codes), normalization(), POOL)))
    assert metadata is not None
    inside = {layer.layer: layer.fused_into for layer in metadata.layers}
    assert inside == {"q": None, "conv": None, "front0": "act", "front1": "act", "act": None}


def test_the_product_does_not_become_a_part_of_the_weights(
    make: Make, run: Run, codes: Codes
) -> None:
    """Which would round them; that the runtime has the file's is looked at wherever it runs."""
    ran = run(model_of(make, convolution(codes), normalization()), samples(codes))
    assert "Mul" in ran.operators


def _with_a_bias_of_all_bits(codes: Codes) -> Conv:
    return convolution(codes, np.full(CHANNELS, 0.1, np.float32), 127)


def _seen(make: Make, codes: Codes) -> Graph:
    steps: list[Step] = [("q", BYTE, ["x"]), ("conv", convolution(codes), ["q"])]
    steps += [("norm", normalization(), ["conv"]), ("act", BYTE, ["norm"])]
    return make({"x": (SIZE, SIZE, INPUTS)}, steps, ["norm", "act"])


def _pooled_first(make: Make, codes: Codes) -> Graph:
    """Which computes with a quarter of the numbers."""
    op = normalization()
    assert op.gamma is not None
    rising = replace(op, gamma=abs(op.gamma))
    return model_of(make, convolution(codes, largest=127), POOL, rising)


LEFT: dict[str, Callable[[Make, Codes], Graph]] = {
    "seen": _seen,
    "pooled": _pooled_first,
    "bias": lambda make, codes: model_of(make, _with_a_bias_of_all_bits(codes), normalization()),
    "rectified": lambda make, codes: model_of(
        make, convolution(codes, largest=127), normalization(), Relu(max_value=1.5)
    ),
    "wide": lambda make, codes: model_of(
        make, convolution(codes), normalization(), end=Quantize(QuantizedBits(16, 2, alpha=1.0))
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_has_no_line_keeps_its_program(make: Make, run: Run, codes: Codes, name: str) -> None:
    graph = LEFT[name](make, codes)
    assert "Sub" in kinds(graph)
    x = samples(codes)
    wanted = evaluate(graph, {"x": x})["act"]
    np.testing.assert_array_equal(run(graph, x).deployed[-1], wanted)


def test_one_channel_without_a_line_keeps_the_program_of_all(
    make: Make, codes: Codes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where sums are so many that the roundings of the program itself decide."""
    graph = model_of(make, convolution(codes), normalization())
    monkeypatch.setattr("qconvert.emit.requantization.float_line._are_right", _but_the_last)
    assert not LITERAL.intersection(behind(graph, "Conv"))
    monkeypatch.setattr("qconvert.emit.requantization.float_line.shifted_line", _none)
    assert "Sub" in kinds(graph)


def of_many_sums(make: Make, seed: int, size: int, inputs: int, outputs: int, bits: int) -> Graph:
    """A convolution with a normalization, of which a channel has no line."""
    conv, norm = many_sums(seed, inputs, outputs, bits)
    steps: list[Step] = [("q", BYTE, ["x"]), ("conv", conv, ["q"])]
    steps += [("norm", norm, ["conv"]), ("act", BYTE, ["norm"])]
    return make({"x": (size, size, inputs)}, steps)


@pytest.mark.parametrize(
    ("product", "runs_as", "sizes"),
    [
        ("Conv", "Conv", (3, 6, 3, 16, 8)),
        ("MatMulInteger", "MatMulIntegerToFloat", (3, 2, 32, 32, 5)),
    ],
)
def test_three_numbers_take_its_place_where_two_do_not(
    make: Make,
    run: Run,
    codes: Codes,
    product: str,
    runs_as: str,
    sizes: tuple[int, int, int, int, int],
) -> None:
    """Of which the first one becomes a part of the product, and needs nothing of a processor."""
    graph = of_many_sums(make, *sizes)
    drawn = behind(graph, product)
    assert (drawn.count("Add"), drawn.count("Sub")) == (2, 0)
    metadata = read_metadata(to_onnx(graph))
    assert metadata is not None
    assert not metadata.requires.cpu
    x = codes(0, 255, -6, 500, sizes[1], sizes[1], sizes[2])
    ran = run(graph, x)
    assert (ran.operators.count("Add"), ran.operators.count(runs_as)) == (1, 1)
    assert not LITERAL.intersection(ran.operators)
    wanted = evaluate(graph, {"x": x})["act"]
    np.testing.assert_array_equal(ran.plain[0], wanted)
    np.testing.assert_array_equal(ran.deployed[0], wanted)


def test_a_convolution_with_a_bias_has_two_numbers_or_its_program(make: Make) -> None:
    """Else the file's bias would become another one where it runs."""
    graph = of_many_sums(make, 3, 6, 3, 16, 8)
    conv = graph.nodes[1]
    assert isinstance(conv.op, Conv)
    biased = replace(conv.op, bias=np.full(16, 0.5, np.float32))
    nodes = (graph.nodes[0], replace(conv, op=biased), *graph.nodes[2:])
    assert "Sub" in kinds(replace(graph, nodes=nodes))


def _none(*_: object) -> None:
    """In the place of a search."""


def _but_the_last(*sides: object) -> np.ndarray:
    factor = sides[2]
    assert isinstance(factor, np.ndarray)
    return np.arange(len(factor)) < len(factor) - 1


def dense(make: Make, codes: Codes) -> Graph:
    kernel = codes(-127, 127, -7, 24, CHANNELS)
    steps: list[Step] = [("q", BYTE, ["x"]), ("dense", Dense(kernel, None), ["q"])]
    steps += [("norm", normalization(fused=False), ["dense"]), ("act", BYTE, ["norm"])]
    return make({"x": (24,)}, steps)


def test_a_dense_layer_and_its_normalization_are_one_operator_on_every_processor(
    make: Make, run: Run, codes: Codes
) -> None:
    """ARM rounds product and sum of it together, which changes no code of a line."""
    graph = dense(make, codes)
    model: onnx.ModelProto = to_onnx(graph)
    metadata = read_metadata(model)
    assert metadata is not None
    assert not metadata.requires.cpu
    x = codes(0, 255, -6, 300, 24)
    ran = run(graph, x)
    assert ran.operators.count("MatMulIntegerToFloat") == 1
    assert not {"Add", "Sum", "Mul", "Cast"}.intersection(ran.operators)
    np.testing.assert_array_equal(ran.deployed[0], evaluate(graph, {"x": x})["act"])
