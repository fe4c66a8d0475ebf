"""Which layer runs as which kernel, and why some linear ones do not run on integers.

A convolution between two quantizers is an integer kernel; each case has one thing in its way.
"""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qconvert.benchmarking.operators import operators_of
from qconvert.checking.deployed.by_layer import LayerKernels, kernels_by_layer, off_integers
from qconvert.checking.deployed.drawn_file import DrawnFile
from qconvert.checking.deployed.float_steps import float_steps
from qconvert.checking.deployed.kernels import LINEAR, is_integer, kind_of
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.obstacles import obstacles
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.saturation import avoids_saturation
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Grid, Input, Layer, Node, Op, Output, Quotients, infer_shape
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Dense,
    Merge,
    Pool,
    Quantize,
    Recurrence,
    Relu,
    Reshape,
    Softmax,
)
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.runners.ort import OrtRunner

from .deployed_models import FILES, exported

Step = tuple[str, Op, Sequence[str]]
NONE = ((0, 0), (0, 0))
SMALL = ", and it is too small for sums of integers to be faster"
BYTES, FOUR = Quantize(QuantizedRelu(8, 0)), Quantize(QuantizedRelu(4, 2))
WIDE = Quantize(QuantizedBits(16, 6, alpha=1.0))


def weights(*shape: int, most: int = 7, exp: int = -4) -> F32:
    codes = np.random.default_rng(0).integers(-most, most, shape, endpoint=True)
    return np.ldexp(codes.astype(np.float32), exp).astype(np.float32)


def conv(kernel: F32 | None = None, bias: F32 | None = None) -> Conv:
    return Conv(weights(3, 3, 2, 4) if kernel is None else kernel, bias, (1, 1), (1, 1), NONE)


def graph_of(steps: Sequence[Step], outputs: Sequence[str] = ()) -> Graph:
    source = Input("x", (None, 8, 8, 2))
    shapes, nodes = {"x": source.shape}, []
    for name, op, read in steps:
        shapes[name] = infer_shape(op, *(shapes[each] for each in read))
        nodes.append(Node(name, op, tuple(read), shapes[name]))
    wanted = outputs or (steps[-1][0],)
    layers = tuple(Layer(name, "Layer", name) for name, _, _ in steps)
    return Graph("test", (source,), tuple(nodes), tuple(Output(n, n) for n in wanted), layers)


def kernels(model: onnx.ModelProto) -> dict[str, LayerKernels]:
    found = kernels_by_layer(model, OrtRunner(model).optimized())
    return {each.layer: each for each in found}


def reasons(steps: Sequence[Step], layer: str = "conv", outputs: Sequence[str] = ()) -> str:
    """Why *layer* has a float operator; empty if it has none."""
    found = kernels(to_onnx(graph_of(steps, outputs)))[layer]
    return "; ".join(reason for one in found.in_float for reason in one.reasons)


def between(op: Op, before: Op = BYTES, behind: Op = FOUR) -> list[Step]:
    return [("q_in", before, ["x"]), ("conv", op, ["q_in"]), ("q_out", behind, ["conv"])]


def test_between_two_quantizers_nothing_stands_in_the_way() -> None:
    found = kernels(to_onnx(graph_of(between(conv(bias=weights(4, exp=-12))))))
    assert found["conv"].in_float == ()
    assert any(name.endswith("QLinearConv") for name in found["conv"].operators)
    assert "QuantizeLinear" in found["q_in"].operators


def test_an_operator_of_several_layers_belongs_to_the_first() -> None:
    found = kernels(to_onnx(graph_of(between(conv(bias=weights(4, exp=-12))))))
    assert (found["conv"].own, found["conv"].shared_with) == (found["conv"].operators, ())
    assert any(name.endswith("QLinearConv") for name in found["q_out"].operators)
    assert not any(name.endswith("QLinearConv") for name in found["q_out"].own)
    assert found["q_out"].shared_with == ("conv",)


@pytest.mark.parametrize(("most", "vnni", "slow"), [(127, False, 1), (127, True, 0), (7, False, 0)])
def test_weights_that_are_unsigned_lest_they_saturate_are_told(
    most: int, vnni: bool, slow: int
) -> None:
    kernel = weights(3, 3, 2, 4, most=most)
    for op in (conv(kernel), Dense(weights(2, 4, most=most), None)):
        found = kernels(to_onnx(graph_of(between(op)), vnni=vnni))
        assert [len(found[name].remarks) for name in ("conv", "q_out")] == [slow, 0]


def test_nothing_is_told_of_unsigned_weights_that_would_not_saturate() -> None:
    """Beside codes of 4 bits; they are int8 in a file of ours, and may be uint8 in others'."""
    model = to_onnx(graph_of(between(conv(weights(3, 3, 2, 4, most=127)))))
    made = OrtRunner(model).optimized()
    (node,) = (each for each in made.graph.node if each.op_type == "QLinearConv")
    assert avoids_saturation(node, OnnxGraph(made.graph))
    clip = helper.make_node("Clip", [node.input[0], "", "fifteen"], ["clipped"])
    fifteen = numpy_helper.from_array(np.array(15, np.uint8), "fifteen")
    node.input[0] = "clipped"
    made.graph.node.append(clip)
    made.graph.initializer.append(fifteen)
    assert not avoids_saturation(node, OnnxGraph(made.graph))


def test_moving_numbers_into_blocks_of_channels_is_no_arithmetic() -> None:
    steps: list[Step] = [("conv", conv(weights(3, 3, 2, 32)), ["x"]), ("q", FOUR, ["conv"])]
    model = to_onnx(graph_of(steps))
    made = OnnxGraph(OrtRunner(model).optimized().graph)
    assert any(node.op_type == "ReorderOutput" for node in made.nodes)
    assert float_steps(DrawnFile(LayeredFile(model)), made) == {}


AFFINE = Affine(weights(4), weights(4))
NORMAL = BatchNormalization(weights(4), weights(4), weights(4), weights(4) ** 2 + 1, 0.001)
FLIPPED = ConvTranspose(weights(3, 3, 4, 2), None, (1, 1), (1, 1), NONE)
OFF_GRID = (weights(3, 3, 2, 4) / np.float32(3)).astype(np.float32)
#: Of which the file holds integers, and factors.
SCALED = (weights(3, 3, 2, 16) * np.float32(0.3)).astype(np.float32)
Q_IN: Step = ("q_in", BYTES, ["x"])
CONV: Step = ("conv", conv(), ["q_in"])
CASES: list[tuple[list[Step], str]] = [
    ([("conv", conv(), ["x"]), ("q_out", FOUR, ["conv"])], "its input 'x' comes in as floats"),
    (
        [Q_IN, ("soft", Softmax(3), ["q_in"]), ("conv", conv(), ["soft"]), ("q", FOUR, ["conv"])],
        "its input is float: Softmax",
    ),
    (
        between(conv(), before=Quantize(QuantizedRelu(16, 6))),
        "its input is rounded to 16 bits in float",
    ),
    (
        between(conv(), before=Quantize(QuantizedBits(9, 2, alpha=1.0))),
        "its input is rounded to 9 bits in float",
    ),
    (between(conv(OFF_GRID)), "its weights lie on no power-of-two grid"),
    (between(conv(SCALED)), "its weights lie on no power-of-two grid"),
    (between(conv(weights(3, 3, 2, 4, most=1000, exp=-12))), "its weights are codes of 16 bits"),
    (between(conv(bias=weights(4, exp=-30))), "a bias that is off the grid"),
    ([Q_IN, CONV], "no quantizer is behind it"),
    (between(conv(), behind=WIDE), "its result is rounded to 16 bits in float"),
    (
        between(conv(), behind=Quantize(QuantizedRelu(12, 6))),
        "its result is rounded to 12 bits in float",
    ),
    (between(FLIPPED), "ONNX Runtime has no integer kernel of ConvTranspose"),
    ([Q_IN, CONV, ("normal", NORMAL, ["conv"]), ("q", FOUR, ["normal"])], "an affine function"),
    ([Q_IN, CONV, ("affine", AFFINE, ["conv"]), ("q", FOUR, ["affine"])], "an affine function"),
    ([Q_IN, CONV, ("soft", Softmax(3), ["conv"]), ("q", FOUR, ["soft"])], "is followed by"),
    (
        [
            Q_IN,
            CONV,
            ("a", FOUR, ["conv"]),
            ("b", BYTES, ["conv"]),
            ("c", Merge("add"), ["a", "b"]),
        ],
        "several read its result: QuantizeLinear",
    ),
]


@pytest.fixture
def unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators one by one, as where nothing can be folded into the kernel before it."""
    monkeypatch.setattr("qconvert.emit.emission.chains", lambda _: {})


@pytest.mark.usefixtures("unfolded")
@pytest.mark.parametrize(("steps", "expected"), CASES, ids=[text for _, text in CASES])
def test_what_stands_in_the_way_is_told_alone(steps: list[Step], expected: str) -> None:
    found = reasons(steps)
    assert expected in found
    assert ";" not in found


@pytest.mark.usefixtures("unfolded")
@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (FOUR, ""),
        (Quantize(QuantizedBits(8, 2, alpha=1.0)), f"is followed by Relu in float{SMALL}"),
    ],
)
def test_what_a_quantizer_absorbs_stands_in_no_way(behind: Op, expected: str) -> None:
    """A ReLU in front of unsigned codes, but not of signed ones."""
    steps = [Q_IN, CONV, ("relu", Relu(), ["conv"]), ("q", behind, ["relu"])]
    model = to_onnx(graph_of(steps))
    (drawn,) = (node for node in model.graph.node if node.op_type == "Conv")
    assert "; ".join(obstacles(drawn, OnnxGraph(model.graph))) == expected
    assert reasons(steps) == expected


@pytest.mark.parametrize("pooled_first", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_negative_factor_behind_a_pool_is_told(pooled_first: bool, sign: int) -> None:
    """Of which the one behind the other could be a part of the kernel."""
    pool, affine = Pool("max", (2, 2), (2, 2), NONE), Affine(sign * abs(weights(4)))
    first, second = (pool, affine) if pooled_first else (affine, pool)
    steps = [Q_IN, CONV, ("a", first, ["conv"]), ("b", second, ["a"]), ("q", FOUR, ["b"])]
    found = reasons(steps)
    assert ("cannot change places" in found) == (pooled_first and sign < 0)
    assert ("affine function" in found) == (pooled_first and sign < 0)


def test_all_that_stands_in_the_way_is_told() -> None:
    found = reasons([("conv", conv(OFF_GRID), ["x"]), ("q_out", WIDE, ["conv"])]).split("; ")
    assert [text.split(" ")[1] for text in found] == ["input", "weights", "result"]


def test_a_result_that_is_an_output_too_is_read_by_the_caller() -> None:
    found = reasons(between(conv()), outputs=("q_out", "conv"))
    assert found.startswith("several read its result: QuantizeLinear q_out/QuantizeLinear, ")


def test_products_of_matrices_need_no_quantizer_behind_them() -> None:
    flat: Step = ("flat", Reshape((-1,)), ["q_in"])
    assert reasons([Q_IN, flat, ("fc", Dense(weights(128, 3), None), ["flat"])], "fc") == ""
    far: Step = ("soft", Softmax(1), ["flat"])
    found = reasons([Q_IN, flat, far, ("fc", Dense(weights(128, 3), None), ["soft"])], "fc")
    assert found == "its input is float: Softmax soft/Softmax computes it"


def test_inside_of_a_loop_each_operator_has_its_own_reason() -> None:
    """Of two products in a step one has integers, the other a state in float."""
    shape, state = (None, 2), (None, 3)
    body = Graph(
        "step",
        (Input("t", shape), Input("s", state)),
        (
            Node("q", BYTES, ("t",), shape),
            Node("one", Dense(weights(2, 3), None), ("q",), state),
            Node("two", Dense(weights(3, 3), None), ("s",), state),
            Node("sum", Merge("add"), ("one", "two"), state),
        ),
        (Output("new", "sum"),),
        (),
    )
    rank3: list[Step] = [("rows", Reshape((64, 2)), ["x"])]
    loop = Recurrence(body)
    found = kernels(to_onnx(graph_of([*rank3, ("loop", loop, ["rows"])])))["loop"]
    (one,) = found.in_float
    assert one.operator.endswith("two/Gemm")
    assert "comes in as floats" in "; ".join(one.reasons)


def test_a_pool_of_channels_that_come_last_belongs_to_its_layer_alone() -> None:
    """Between kernels it has no tensor of the file at either side."""
    pool = Pool("max", (2, 2), (2, 2), NONE)
    again = conv(weights(2, 2, 4, 4))
    steps = [
        *between(conv()),
        ("pool", pool, ["q_out"]),
        ("again", again, ["pool"]),
        ("end", FOUR, ["again"]),
        ("last", pool, ["end"]),
    ]
    found = kernels(to_onnx(graph_of(steps)))
    named = [name for name, each in found.items() if any("Pool" in x for x in each.operators)]
    assert named == ["pool", "last"]
    assert found["pool"].operators == ("com.microsoft.NhwcMaxPool",)


def test_a_file_without_layers_tells_its_operators() -> None:
    kernel = numpy_helper.from_array(weights(2, 3), "kernel")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "kernel"], ["y"])],
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [kernel],
    )
    opsets = [helper.make_opsetid("", 21)]
    version = helper.find_min_ir_version_for(opsets)
    found = kernels(helper.make_model(graph, opset_imports=opsets, ir_version=version))
    (one,) = found[""].in_float
    assert (found[""].operators, one.operator) == (("MatMul",), "MatMul")
    assert one.reasons == ("its input 'x' comes in as floats", "its weights are stored as floats")


@pytest.mark.parametrize("file", ["mnist_cnn.keras", "jet_mlp.h5", "jet_deepsets.h5"])
def test_of_trained_models_no_reason_is_missing(file: str) -> None:
    found = kernels(exported(file))
    told = [one for each in found.values() for one in each.in_float]
    assert told
    assert all(one.reasons for one in told)


@pytest.mark.parametrize("file", FILES)
def test_of_what_runs_on_integers_nothing_stands_in_the_way(file: str) -> None:
    """By the rules of the file alone, which know nothing of what ONNX Runtime made."""
    model = exported(file)
    made = OnnxGraph(OrtRunner(model).optimized().graph)
    integer = [n for n in made.nodes if kind_of(n) in LINEAR and is_integer(n)]
    graph = OnnxGraph(model.graph)
    free = [n for n in graph.nodes if kind_of(n) in LINEAR and not obstacles(n, graph)]
    assert len(free) == len(integer)


@pytest.mark.parametrize(
    ("steps", "freed"),
    [
        ([("conv", conv(), ["x"]), ("out", FOUR, ["conv"])], True),
        # What is behind it keeps it in float, whatever the divisor is.
        ([("conv", conv(), ["x"])], False),
        (
            [("conv", conv(), ["x"]), ("soft", Softmax(3), ["conv"]), ("out", FOUR, ["soft"])],
            False,
        ),
        ([("in", BYTES, ["x"]), ("conv", conv(), ["in"]), ("out", FOUR, ["conv"])], False),
    ],
)
def test_layers_are_off_integers_for_a_divisor_where_onnx_runtime_says_so(
    steps: Sequence[Step], freed: bool
) -> None:
    graph, off, runs = graph_of(steps), [], []
    for meaning in (Quotients(0, 255, 255), Grid(0, 255, -8)):
        model = to_onnx(graph, quantized_io=True, meanings={"x": meaning})
        off.append("conv" in off_integers(model))
        runs.append(bool(kernels(model)["conv"].in_float))
    assert off == runs
    assert (off == [True, False]) == freed


def test_what_computes_constants_is_no_layers() -> None:
    """Several dense layers share a step, which ONNX Runtime does not fold."""
    normal = BatchNormalization(weights(8), weights(8) ** 2 + 1, weights(8), weights(8), 0.001)
    steps: list[Step] = [("flat", Reshape((128,)), ["x"]), ("q", BYTES, ["flat"])]
    for i, size in enumerate((128, 8, 8)):
        before = f"q{i - 1}" if i else "q"
        steps += [
            (f"dense{i}", Dense(weights(size, 8, most=127, exp=-7), None), [before]),
            (f"normal{i}", normal, [f"dense{i}"]),
            (f"q{i}", BYTES, [f"normal{i}"]),
        ]
    model = to_onnx(graph_of(steps))
    made = OrtRunner(model).optimized()
    graph = OnnxGraph(made.graph)
    fixed = [node for node in graph.nodes if graph.is_fixed(node.output[0])]
    assert "DequantizeLinear" in {node.op_type for node in fixed}
    found = kernels(model)
    named = {node.name for node in fixed}
    assert any(name in named for name in ("normal0/DequantizeLinear", "normal1/DequantizeLinear"))
    for name in ("q", "dense1", "normal1", "q1"):
        assert "DequantizeLinear" not in found[name].operators
    # The last one is the output, of two layers that are one.
    returning = [name for name in found if name and "DequantizeLinear" in found[name].operators]
    assert returning == ["normal2", "q2"]
    assert found["q1"].operators == ("Cast", "Mul", "Add", "QuantizeLinear")
    # They run in every call all the same.
    assert found[""].operators == tuple(node.op_type for node in fixed)
    timed = operators_of(model, made, [(node.name, node.op_type, 1.0) for node in graph.nodes])
    assert {each.name for each in timed if not each.layers} == {node.name for node in fixed}


def test_what_stands_behind_the_last_layer_is_no_layers() -> None:
    """Its channels become the last ones."""
    found = kernels(to_onnx(graph_of(between(conv())), dialect="float"))
    assert found[""].operators == ("Transpose",)
