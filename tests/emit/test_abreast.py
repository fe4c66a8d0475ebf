"""Convolutions of few channels, whose places of a row are computed together."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.lowering.abreast import places_abreast
from qconvert.ir import F32, Graph
from qconvert.ir.ops import BatchNormalization, Conv, Pool, Quantize, Reshape, Slice
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate
from qconvert.weighing.file_macs import multiplications, with_one_sample

from .conftest import Make, Run, Step

NIBBLE = Quantize(QuantizedRelu(4, 2))
SIGNED = Quantize(QuantizedBits(4, 1, alpha=1.0))


def conv(
    *shape: int,
    strides: Sequence[int] = (),
    padding: Sequence[tuple[int, int]] = (),
    dilations: Sequence[int] = (),
) -> Conv:
    """A kernel of *shape* (*window, inputs, outputs), without overlaps or padding by default."""
    random = np.random.default_rng(1)
    kernel = (random.integers(-7, 8, shape) / 8).astype(np.float32)
    bias = (random.integers(-9, 9, shape[-1]) / 64).astype(np.float32)
    rank = len(shape) - 2
    return Conv(
        kernel,
        bias,
        tuple(strides) or (1,) * rank,
        tuple(dilations) or (1,) * rank,
        tuple(padding) or ((0, 0),) * rank,
    )


def normalization(channels: int) -> BatchNormalization:
    random = np.random.default_rng(2)
    mean, beta, gamma = random.normal(0, 1, (3, channels)).astype(np.float32)
    variance = random.uniform(0.5, 4, channels).astype(np.float32)
    return BatchNormalization(mean, variance, beta, gamma, 1e-3, True)


def between(make: Make, op: Conv, *sizes: int, quantizer: Quantize = NIBBLE) -> Graph:
    steps = [("q", quantizer, ["x"]), ("conv", op, ["q"]), ("act", NIBBLE, ["conv"])]
    return make({"x": (*sizes, op.kernel.shape[-2])}, steps)


def drawn(graph: Graph) -> F32:
    shape = [n or 3 for n in graph.inputs[0].shape]
    return np.random.default_rng(0).normal(0, 2, shape).astype(np.float32)


def checked(run: Run, graph: Graph) -> list[str]:
    """The operators of the optimized graph, whose results are the reference's."""
    x = drawn(graph)
    ran = run(graph, x)
    np.testing.assert_array_equal(ran.plain[0], evaluate(graph, {"x": x})[graph.outputs[0].value])
    return ran.operators


def kernels(model: onnx.ModelProto) -> list[list[int]]:
    """The shapes of the kernels of all ``QLinearConv``, which are computed once."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in inferred.value_info
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    return [shapes[node.input[3]] for node in inferred.node if node.op_type == "QLinearConv"]


@pytest.mark.parametrize(
    ("op", "width", "count"),
    [
        (conv(1, 1, 4, 4), 32, 8),
        (conv(1, 1, 4, 4), 14, 7),
        (conv(1, 1, 4, 4), 4, 4),
        (conv(1, 1, 4, 4), 1, 1),
        (conv(1, 1, 8, 12), 32, 4),
        (conv(1, 1, 16, 15), 32, 4),
        (conv(1, 1, 16, 16), 32, 1),
        (conv(3, 3, 3, 16), 32, 4),
        (conv(3, 3, 3, 32), 32, 4),
        (conv(3, 3, 1, 64), 32, 2),
        (conv(3, 3, 1, 128), 32, 1),
        (conv(3, 3, 16, 32), 32, 1),
        (conv(3, 3, 16, 16), 32, 2),
        (conv(3, 3, 8, 8), 32, 4),
        (conv(3, 3, 32, 8), 32, 2),
        (conv(3, 3, 1, 16, strides=(1, 4)), 32, 4),
        (conv(5, 8, 8), 32, 2),
        (conv(3, 3, 3, 8, 8), 32, 4),
    ],
)
def test_fewer_channels_have_more_places_together(op: Conv, width: int, count: int) -> None:
    assert places_abreast(op, width) == count


@pytest.mark.parametrize(
    ("op", "width", "count"),
    [
        (conv(1, 1, 4, 4), 9, 3),
        (conv(1, 1, 4, 4), 29, 8),
        (conv(3, 3, 4, 4), 29, 8),
        (conv(3, 3, 3, 16), 33, 3),
        (conv(3, 3, 3, 16), 31, 4),
        (conv(1, 1, 8, 16), 31, 1),
    ],
)
def test_a_count_divides_the_row_or_brings_more_than_is_cut_off(
    op: Conv, width: int, count: int
) -> None:
    assert places_abreast(op, width) == count


def test_what_is_spread_out_or_unknown_has_places_of_its_own() -> None:
    assert places_abreast(conv(3, 3, 2, 4), None) == 1
    assert places_abreast(conv(3, 3, 2, 4, dilations=(1, 2)), 32) == 1
    assert places_abreast(conv(3, 3, 2, 4, dilations=(2, 1)), 32) > 1


CASES: dict[str, tuple[Conv, tuple[int, ...]]] = {
    "one place": (conv(1, 1, 4, 4), (6, 8)),
    "a window": (conv(3, 3, 3, 8), (9, 10)),
    "around": (conv(3, 3, 3, 8, padding=((1, 1), (1, 1))), (6, 8)),
    "one side": (conv(3, 2, 3, 5, padding=((0, 1), (0, 1))), (6, 12)),
    "a whole row of 6": (conv(3, 3, 4, 8, padding=((1, 1), (1, 1))), (5, 6)),
    "strides": (conv(3, 3, 3, 8, strides=(2, 2), padding=((0, 1), (0, 1))), (8, 16)),
    "more stride than window": (conv(2, 2, 4, 6, strides=(3, 3)), (9, 24)),
    "places left over": (conv(2, 2, 4, 6, strides=(2, 3)), (9, 25)),
    "more places left over": (conv(2, 2, 4, 6, strides=(2, 3)), (9, 12)),
    "dilated rows": (conv(3, 3, 3, 8, dilations=(2, 1)), (9, 10)),
    "an odd row": (conv(3, 3, 4, 4, padding=((1, 1), (1, 1))), (5, 29)),
    "an odd row, not padded": (conv(3, 3, 4, 4), (5, 31)),
    "an odd row of strides": (conv(3, 3, 3, 8, strides=(2, 2), padding=((0, 1), (0, 1))), (8, 58)),
    "an odd row with places left over": (conv(2, 2, 4, 4, strides=(2, 3)), (6, 88)),
    "an odd series": (conv(5, 3, 4, padding=((2, 2),)), (29,)),
    "an odd volume": (conv(2, 2, 3, 2, 4, padding=((0, 0), (1, 0), (1, 1))), (3, 4, 29)),
    "a series": (conv(5, 8, 8, padding=((2, 2),)), (20,)),
    "a volume": (conv(2, 2, 3, 2, 6, padding=((0, 0), (1, 0), (1, 1))), (4, 5, 8)),
}


@pytest.mark.parametrize("quantizer", [NIBBLE, SIGNED])
@pytest.mark.parametrize("name", CASES)
def test_places_of_a_row_together_are_exact(
    make: Make, run: Run, name: str, quantizer: Quantize
) -> None:
    op, sizes = CASES[name]
    graph = between(make, op, *sizes, quantizer=quantizer)
    count = places_abreast(op, graph.shapes["conv"][-2])
    outputs = op.kernel.shape[-1]
    assert [shape[0] for shape in kernels(to_onnx(graph))] == [count * outputs]
    assert count > 1
    assert "QLinearConv" in checked(run, graph)


def test_normalizations_differ_by_channel(make: Make, run: Run) -> None:
    """Whose multipliers and biases each place has."""
    op = conv(3, 3, 3, 8)
    steps = [("q", NIBBLE, ["x"]), ("conv", op, ["q"]), ("norm", normalization(8), ["conv"])]
    graph = make({"x": (6, 10, 3)}, [*steps, ("act", NIBBLE, ["norm"])])
    assert [shape[0] for shape in kernels(to_onnx(graph))] == [64]
    assert "BatchNormalization" not in checked(run, graph)


@pytest.mark.parametrize(
    "behind",
    [Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0))), Reshape((4, 8, 16)), Reshape((512,))],
)
def test_what_moves_behind_the_sums_finds_them_in_place(
    make: Make, run: Run, behind: Pool | Reshape
) -> None:
    op = conv(3, 3, 3, 8)
    steps = [("q", NIBBLE, ["x"]), ("conv", op, ["q"]), ("moved", behind, ["conv"])]
    graph = make({"x": (10, 10, 3)}, [*steps, ("act", NIBBLE, ["moved"])])
    assert [shape[0] for shape in kernels(to_onnx(graph))] == [64]
    checked(run, graph)


def test_nothing_is_transposed_between_convolutions(make: Make, run: Run) -> None:
    padding = ((1, 1), (1, 1))
    steps: list[Step] = [("q", NIBBLE, ["x"])]
    for i in range(3):
        op = conv(3, 3, 4, 4, padding=padding)
        steps += [(f"conv{i}", op, [steps[-1][0]]), (f"act{i}", NIBBLE, [f"conv{i}"])]
    graph = make({"x": (8, 8, 4)}, steps)
    assert [shape[0] for shape in kernels(to_onnx(graph))] == [32, 32, 32]
    assert "Transpose" not in checked(run, graph)


def test_the_file_holds_weights_once(make: Make) -> None:
    """With a zero behind each row of the window, and packed if they are to be."""
    graph = between(make, conv(3, 3, 8, 8), 8, 8)
    for packed, kind in ((False, onnx.TensorProto.INT8), (True, onnx.TensorProto.INT4)):
        stored = to_onnx(graph, packed=packed).graph.initializer
        (kernel,) = (tensor for tensor in stored if tensor.name == "act/kernel")
        assert (list(kernel.dims), kernel.data_type) == ([8, 8, 3, 4], kind)


@pytest.mark.parametrize("beyond", [True, False])
def test_what_is_computed_beyond_a_row_is_no_multiplication(make: Make, *, beyond: bool) -> None:
    """And what a layer crops of a row that the places divide is one: Keras multiplies there."""
    op, width = conv(3, 3, 3, 6), 31 if beyond else 32
    steps: list[Step] = [("q", NIBBLE, ["x"]), ("conv", op, ["q"]), ("act", NIBBLE, ["conv"])]
    if not beyond:
        steps.append(("crop", Slice((0, 0, 0), (None, -1, None), (1, 1, 1)), ["act"]))
    model = to_onnx(make({"x": (33, width + 2, 3)}, steps))
    assert "Slice" in {node.op_type for node in model.graph.node}
    assert multiplications(with_one_sample(model)) == 31 * width * 3 * 3 * 3 * 6
