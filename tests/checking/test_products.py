"""Sums that stay integers are read back with the steps that they have, and what multiplies them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import inspect_deployed
from qconvert.checking.deployed.drawn_file import DrawnFile
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.stored import stored_weights
from qconvert.emit import to_onnx
from qconvert.emit.metadata import CodesTensor, read_metadata
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Weight
from qconvert.ir.ops import BatchNormalization, Dense, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.runners import OrtRunner

from .deployed_models import Array, change, constant, node

INPUTS, CHANNELS = 12, 5
ROLES = ("gamma", "beta", "moving_mean", "moving_variance")
SHAPE = (None, CHANNELS)
RANDOM = np.random.default_rng(0)
#: Channels with steps of their own, of eight bits.
KERNEL = np.ldexp(
    RANDOM.integers(-127, 128, (INPUTS, CHANNELS)).astype(np.float32), [-7, -8, -7, -9, -7]
).astype(np.float32)
MEAN, GAMMA, BETA = RANDOM.normal(0, 1, (3, CHANNELS)).astype(np.float32)
VARIANCE = RANDOM.uniform(0.5, 2, CHANNELS).astype(np.float32)


def network(*, bias: bool = False) -> Graph:
    """A quantizer, a dense layer, a normalization of it or a bias off its grid, a quantizer."""
    dense = Dense(KERNEL, BETA if bias else None)
    behind: list[tuple[str, Op]] = [("act", Quantize(QuantizedRelu(8, 2)))]
    if not bias:
        op = BatchNormalization(MEAN, VARIANCE, GAMMA, BETA, 1e-3, fused=False)
        behind = [("bn", op), *behind]
    steps: list[tuple[str, Op]] = [
        ("q", Quantize(QuantizedBits(8, 1, alpha=1.0))),
        ("dense", dense),
        *behind,
    ]
    names = ["x", *(name for name, _ in steps)]
    nodes = tuple(
        Node(name, op, (before,), (None, INPUTS) if name == "q" else SHAPE)
        for before, (name, op) in zip(names, steps, strict=False)
    )
    arrays = dict(zip(ROLES, (GAMMA, BETA, MEAN, VARIANCE), strict=True))
    own: dict[str, dict[str, F32]] = {
        "dense": {"kernel": KERNEL} | ({"bias": BETA} if bias else {}),
        "bn": arrays,
    }
    layers = tuple(
        Layer(n, "L", n, {r: Weight(a, a, None) for r, a in own.get(n, {}).items()})
        for n, _ in steps
    )
    return Graph("m", (Input("x", (None, INPUTS)),), nodes, (Output("y", "act"),), layers)


def wrong(graph: Graph, model: onnx.ModelProto) -> set[tuple[str, str]]:
    """The weights that are not the model's, or were not found."""
    found = stored_weights(Conversion(graph, model))
    return {
        (layer.name, role)
        for layer in graph.layers
        for role, weight in layer.weights.items()
        if not np.array_equal(found.get((layer.name, role), np.zeros(0)), weight.effective)
    }


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("vnni", [False, True])
def test_all_weights_are_found_and_nothing_is_violated(bias: bool, vnni: bool) -> None:
    graph = network(bias=bias)
    model = to_onnx(graph, vnni=vnni)
    assert any(each.op_type == "MatMulInteger" for each in model.graph.node)
    assert wrong(graph, model) == set()
    assert inspect_deployed(LayeredFile(model), OrtRunner(model).optimized()).violations == ()


def put(model: onnx.ModelProto, operator: str, place: int, array: Array | np.generic) -> None:
    """Let an operator read another constant."""
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), "other"))
    node(model, operator).input[place] = "other"


def larger(array: Array) -> Array:
    array = array.copy()
    array.flat[0] += 1
    return array


@pytest.mark.parametrize(
    ("name", "layers"),
    [("dense/kernel", {"dense"}), ("bn/factor", {"bn"}), ("bn/offset", {"bn"})],
)
def test_another_number_is_seen_where_it_is(name: str, layers: set[str]) -> None:
    graph = network()
    model = to_onnx(graph)
    change(model, name, larger)
    assert {layer for layer, _ in wrong(graph, model)} == layers


def product(model: onnx.ModelProto, place: int) -> str:
    """What the product of sums multiplies by, or the steps inside of it."""
    (cast,) = (each for each in model.graph.node if each.op_type == "Cast")
    (outer,) = (each for each in model.graph.node if cast.output[0] in each.input)
    (inner,) = (each for each in model.graph.node if outer.input[1] in each.output)
    return str(inner.input[place])


def of_another_step(model: onnx.ModelProto) -> None:
    (step,) = (each for each in model.graph.node if product(model, 0) in each.output)
    put(model, step.name, 1, np.float32(0.25))


def of_exchanged_steps(model: onnx.ModelProto) -> None:
    (steps,) = (each for each in model.graph.node if product(model, 1) in each.output)
    array = numpy_helper.to_array(constant(model, steps.input[0])).copy()
    array[[0, 1]] = array[[1, 0]]
    put(model, steps.name, 0, array)


def of_another_zero(model: onnx.ModelProto) -> None:
    put(model, "dense/MatMulInteger", 2, np.uint8(127))


@pytest.mark.parametrize("edit", [of_another_step, of_exchanged_steps, of_another_zero])
def test_sums_that_are_taken_for_others_leave_nothing_known(
    edit: Callable[[onnx.ModelProto], None],
) -> None:
    graph = network()
    model = to_onnx(graph)
    edit(model)
    assert wrong(graph, model) == {("dense", "kernel"), *(("bn", role) for role in ROLES)}


def test_a_bias_behind_other_steps_is_behind_another_kernel() -> None:
    graph = network(bias=True)
    model = to_onnx(graph)
    of_another_step(model)
    assert wrong(graph, model) == {("dense", "kernel")}


def test_taps_leave_the_operator_as_it_is() -> None:
    """Sums are integers, but in the middle of it."""
    model = to_onnx(network())
    runner = OrtRunner(model)
    assert runner.coded == {"q", "act"}
    operators = runner.optimized_operators(tapped=True)
    assert operators["com.microsoft:MatMulIntegerToFloat"] == 1


def test_results_are_the_sums_in_their_steps() -> None:
    model = to_onnx(network())
    x = RANDOM.uniform(-2, 2, (9, INPUTS)).astype(np.float32)
    layers = OrtRunner(model).run_layers({"x": x}).layers
    np.testing.assert_array_equal(layers["dense"], layers["q"] @ KERNEL)
    forced = OrtRunner(model).run_layers({"x": x}, {"dense": layers["dense"][::-1].copy()}).layers
    np.testing.assert_array_equal(forced["bn"], layers["bn"][::-1])


def codes_of_dense(graph: Graph) -> CodesTensor | None:
    metadata = read_metadata(to_onnx(graph))
    assert metadata is not None
    (codes,) = (each.codes for each in metadata.layers if each.layer == "dense")
    return codes


def test_metadata_tells_the_steps_of_channels() -> None:
    codes = codes_of_dense(network())
    assert codes is not None and codes.exp == tuple(e - 6 for e in (-7, -8, -7, -9, -7))


def test_sums_that_no_output_needs_are_not_told_of() -> None:
    assert codes_of_dense(replace(network(), outputs=(Output("y", "q"),))) is None


@pytest.mark.parametrize("vnni", [False, True])
def test_only_a_rounded_product_in_one_with_a_sum_has_a_condition_on_arm(vnni: bool) -> None:
    for bias in (False, True):
        model = to_onnx(network(bias=bias), vnni=vnni)
        found = inspect_deployed(LayeredFile(model), OrtRunner(model).optimized()).conditions
        assert any("ARM" in each.text for each in found) is (vnni and not bias)


def test_an_operator_belongs_to_its_layers_alone_where_steps_are_shared() -> None:
    """Two dense layers, each with a normalization, whose sums have the same least step."""
    once = network()
    _, dense, bn, _ = once.nodes
    other = BatchNormalization(MEAN, VARIANCE, BETA, GAMMA, 1e-3, fused=False)
    turned = Dense(KERNEL[::-1].copy(), None)
    graph = replace(
        once,
        nodes=(
            *once.nodes,
            replace(dense, name="dense2", op=turned),
            replace(bn, name="bn2", op=other, inputs=("dense2",)),
        ),
        outputs=(*once.outputs, Output("y2", "bn2")),
        layers=(*once.layers, Layer("dense2", "L", "dense2"), Layer("bn2", "L", "bn2")),
    )
    model = to_onnx(graph)
    made = OnnxGraph(OrtRunner(model).optimized().graph)
    found = [
        DrawnFile(LayeredFile(model)).layers_of(x, made)
        for x in made.nodes
        if "MatMul" in x.op_type
    ]
    assert sorted(map(sorted, found)) == [["bn", "dense"], ["bn2", "dense2"]]
