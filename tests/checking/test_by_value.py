"""Files without metadata; a second reference stands for TensorFlow, which all agree with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import qconvert
from qconvert.checking import CheckedFile, Subject, assemble, examine, found_by_value, seeded
from qconvert.checking.other_files.by_value import in_words
from qconvert.checking.other_files.interface import interface_of
from qconvert.checking.results import Report, Verdict
from qconvert.checking.witness import Direct, Witness
from qconvert.ir import F32, Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Dense, Quantize
from qconvert.ir.quantizers import QuantizedBits
from qconvert.runners.reference import ReferenceRunner
from tests.checking.foreign_files import (
    renamed,
    stripped,
    with_channels_first,
    with_wrong_code,
)
from tests.checking.stand_in import stand_in_for

DATA: Final = Path(__file__).parents[1] / "data"


def checked(graph: Graph, model: onnx.ModelProto) -> Report:
    known, samples = found_by_value(graph, model, interface_of(graph, model), seeded(graph, 64))
    panel = assemble(graph, model, "not asked", known)
    runners = {Witness.TENSORFLOW: Direct(ReferenceRunner(graph).run), **panel.runners}
    files = CheckedFile("m.h5", "0" * 64), CheckedFile("m.onnx", "1" * 64)
    return examine(
        Subject(graph, *files, by_value=in_words(known)),
        replace(panel, runners=runners, unavailable={}, qkeras=stand_in_for(graph)),
        samples,
    )


def reasons(report: Report) -> dict[str, str]:
    return {layer.name: layer.finding.reason for layer in report.layers}


@pytest.mark.parametrize("dialect", ["qdq", "float"])
@pytest.mark.parametrize("name", ["jet_mlp.h5", "jet_deepsets.h5", "mnist_cnn.keras"])
def test_every_layer_is_found_whatever_it_is_called(name: str, dialect: str) -> None:
    """Also the codes of convolutions that are pooled before they are floats again."""
    exported = qconvert.export(DATA / name, dialect=dialect)
    report = checked(qconvert.load(DATA / name), stripped(exported.model))
    assert report.not_found == ()
    assert report.exit_code == 0
    assert Verdict.PROVEN not in {layer.finding.verdict for layer in report.layers}
    assert report.outputs[0].finding.verdict is not Verdict.PROVEN


def test_a_file_of_other_layout_and_names_that_takes_one_image_is_told_of() -> None:
    model = with_channels_first(qconvert.export(DATA / "mnist_cnn.keras").model)
    graph = qconvert.load(DATA / "mnist_cnn.keras")
    output = graph.outputs[0].name
    for given, layer in (
        (model, None),
        (with_wrong_code(model, "qconv2d_1:conv/kernel", 4), "qconv2d_1"),
    ):
        report = checked(graph, renamed(stripped(given), {output: "logits"}))
        assert report.by_value is not None
        (source,) = graph.inputs
        assert report.by_value.inputs == ((source.name, "the tensor 'pixels', channels first"),)
        assert report.by_value.outputs == ((output, "the tensor 'logits'"),)
        assert report.not_found == ()
        first = report.first_difference
        assert (first.name if first else None) == layer


@pytest.mark.parametrize(
    ("name", "layer", "weight", "index"),
    [
        ("jet_mlp.h5", "fc1", "fc1/kernel", 3),
        ("jet_mlp.h5", "fc3", "fc3/kernel", 11),
        ("jet_mlp.h5", "output", "output/kernel", 4),
        ("mnist_cnn.keras", "qconv2d_1", "qconv2d_1:conv/kernel", 4),
        ("mnist_cnn.keras", "qconv2d_2", "qconv2d_2:conv/kernel", 900),
        ("mnist_cnn.keras", "qdense_2", "qdense_2:dense/kernel", 7),
    ],
)
def test_one_wrong_code_is_found_at_its_layer(
    name: str, layer: str, weight: str, index: int
) -> None:
    wrong = stripped(with_wrong_code(qconvert.export(DATA / name).model, weight, index))
    report = checked(qconvert.load(DATA / name), wrong)
    differing = [x.name for x in report.layers if x.finding.verdict is Verdict.DIFFERS]
    assert report.exit_code == 1
    assert report.first_difference is not None
    assert (report.first_difference.name, differing[0]) == (layer, layer)
    assert "; compared with the tensor '" in report.first_difference.finding.reason
    own = [x.name for x in report.layers if x.name in differing and not x.finding.inherited_from]
    assert own == [layer]


def test_a_wrong_layer_is_found_although_those_behind_it_do_not_notice() -> None:
    graph = qconvert.load(DATA / "jet_deepsets.h5")
    model = qconvert.export(DATA / "jet_deepsets.h5").model
    (weight,) = (t for t in model.graph.initializer if t.name == "rho/kernel")
    right = checked(graph, stripped(model))
    unnoticed = 0
    for index in range(0, numpy_helper.to_array(weight).size, 101):
        report = checked(graph, stripped(with_wrong_code(model, "rho/kernel", index)))
        verdicts = {x.name: x.finding.verdict for x in report.layers}
        if verdicts == {x.name: x.finding.verdict for x in right.layers} | {"rho": Verdict.DIFFERS}:
            unnoticed += 1
            assert report.exit_code == 1
    assert unnoticed


STEP = 2.0**-3
KERNEL = np.array([[0.5, 0.25], [0.25, -0.5]], np.float32)


def doubled(*, first: float = 2, kernel: F32 = KERNEL) -> onnx.ModelProto:
    """The chain of `graph`, its first layers multiplied by *first*, its dense one by 2."""
    clipped = [
        ("Mul", ["x", "first"], "scaled"),
        ("Div", ["scaled", "step1"], "divided1"),
        ("Round", ["divided1"], "rounded1"),
        ("Clip", ["rounded1", "lo", "hi"], "clipped1"),
        ("Mul", ["clipped1", "step1"], "quantized"),
        ("MatMul", ["quantized", "kernel"], "product"),
        ("Div", ["product", "step2"], "divided2"),
        ("Round", ["divided2"], "rounded2"),
        ("Clip", ["rounded2", "lo", "hi"], "clipped2"),
        ("Mul", ["clipped2", "step"], "result"),
    ]
    constants: dict[str, float | F32] = {
        "first": first,
        "step1": first * STEP,
        "step2": 2 * STEP,
        "step": STEP,
        "lo": -8,
        "hi": 7,
        "kernel": kernel * np.float32(2 / first),
    }
    return made(clipped, constants)


def made(
    steps: Sequence[tuple[str, list[str], str]], constants: Mapping[str, float | F32]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output]) for op, inputs, output in steps],
        "by hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(v, np.float32), n) for n, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_a_layer_that_the_file_has_not_does_not_fail_and_is_told(graph: Graph) -> None:
    report = checked(graph, doubled(first=1))
    assert report.not_found == ("dense",)
    assert reasons(report)["dense"] == "no tensor of the file has its values"
    assert [x.finding.verdict.value for x in report.layers] == ["SAMPLED", "UNCHECKED", "SAMPLED"]
    assert (report.verdict, report.exit_code) == (Verdict.SAMPLED, 0)


def test_a_wrong_layer_that_the_file_has_not_is_named_with_the_next(graph: Graph) -> None:
    wrong = KERNEL.copy()
    wrong[0, 1] += 0.125
    report = checked(graph, doubled(first=1, kernel=wrong))
    assert report.exit_code == 1
    assert report.first_difference is not None
    assert report.first_difference.name == "q_out"
    assert "or dense before it, not found in the file" in report.first_difference.finding.reason
    assert report.outputs[0].finding.verdict is Verdict.DIFFERS


def test_without_any_layer_but_the_last_the_verdict_is_on_the_output(graph: Graph) -> None:
    report = checked(graph, doubled())
    assert report.not_found == ("q_in", "dense")
    assert (report.verdict, report.exit_code) == (Verdict.SAMPLED, 0)
    wrong = KERNEL.copy()
    wrong[1, 1] += 0.125
    assert checked(graph, doubled(kernel=wrong)).exit_code == 1


def test_another_scale_is_no_difference_however_far_it_goes() -> None:
    """Every layer computes rightly from the layer before it, and has four times its numbers."""
    shape, count = (None, 2), 9
    numbers = np.random.default_rng(0).integers(-3, 4, (count, 2, 2)) + np.eye(2) / 2
    kernels = list(numbers.astype(np.float32))
    nodes = [Node(f"v{i + 1}", Dense(kernels[i], None), (f"v{i}",), shape) for i in range(count)]
    linear = Graph(
        "linear",
        (Input("v0", shape),),
        tuple(nodes),
        (Output("y", f"v{count}"),),
        tuple(Layer(f"l{i + 1}", "QDense", f"v{i + 1}") for i in range(count)),
    )
    steps = [("Mul", ["x", "four"], "t0")]
    steps += [("MatMul", [f"t{i}", f"kernel{i}"], f"t{i + 1}") for i in range(count)]
    steps += [("Div", [f"t{count}", "four"], "result")]
    constants: dict[str, float | F32] = {f"kernel{i}": kernel for i, kernel in enumerate(kernels)}
    report = checked(linear, made(steps, {"four": 4, **constants}))
    assert report.not_found == tuple(f"l{i + 1}" for i in range(count - 1))
    assert report.exit_code == 0


def test_what_is_always_the_same_tells_no_tensor() -> None:
    kernel, shape = np.zeros((2, 2), np.float32), (None, 2)
    bias = np.array([0.5, 0.25], np.float32)
    dead = Graph(
        "dead",
        (Input("x", shape),),
        (
            Node("v1", Dense(kernel, None), ("x",), shape),
            Node("v2", Dense(KERNEL, bias), ("v1",), shape),
            Node("v3", Quantize(QuantizedBits(4, 0, alpha=1.0)), ("v2",), shape),
        ),
        (Output("y", "v3"),),
        tuple(Layer(f"l{i}", "QDense", f"v{i}") for i in (1, 2, 3)),
    )
    steps = [
        ("MatMul", ["x", "zero"], "a"),
        ("MatMul", ["a", "kernel"], "b"),
        ("Add", ["b", "bias"], "c"),
        ("Identity", ["c"], "result"),
    ]
    report = checked(dead, made(steps, {"zero": kernel, "kernel": KERNEL, "bias": bias}))
    assert report.not_found == ("l1", "l2")
    assert report.exit_code == 0


def test_a_file_that_does_not_run_is_told_and_is_no_pass(graph: Graph) -> None:
    report = checked(graph, made([("NoSuchOperator", ["x"], "result")], {}))
    assert report.not_found == ("q_in", "dense", "q_out")
    assert (report.verdict, report.exit_code) == (Verdict.UNCHECKED, 5)
    assert {w.witness for w in report.failed} == {Witness.ORT, Witness.DEPLOYED}
