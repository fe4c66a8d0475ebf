import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import qconvert
from qconvert.differing.files import file_changes
from qconvert.differing.results import Change, Kind

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def exported() -> onnx.ModelProto:
    return qconvert.export(DATA / "jet_mlp.h5").model


@pytest.fixture
def other(exported: onnx.ModelProto) -> onnx.ModelProto:
    """A copy to be changed."""
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    return model


def told(found: Iterable[Change]) -> list[tuple[str, str]]:
    return [(change.layer, change.what) for change in found]


def nodes(model: onnx.ModelProto, kind: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == kind]


def anonymous(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without anything that says where layers are, and with other names of all tensors inside."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.metadata_props[:]
    del plain.graph.value_info[:]
    ends = {value.name for value in (*plain.graph.input, *plain.graph.output)}
    for node in plain.graph.node:
        node.name = ""
        for names in (node.input, node.output):
            names[:] = [x if x in ends or not x else f"t{x}" for x in names]
    for tensor in plain.graph.initializer:
        tensor.name = f"t{tensor.name}"
    return plain


def test_neither_names_inside_nor_the_order_of_constants_and_operators_count(
    exported: onnx.ModelProto, other: onnx.ModelProto
) -> None:
    other.graph.initializer.sort(key=lambda tensor: tensor.name)
    assert list(file_changes(exported, other)) == []
    plain = anonymous(exported)
    without = onnx.ModelProto()
    without.CopyFrom(exported)
    del without.metadata_props[:]
    assert list(file_changes(without, plain)) == []


def diamond(order: tuple[int, ...]) -> onnx.ModelProto:
    """Two branches that may be written in either order."""
    made = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Tanh", ["x"], ["b"]),
        helper.make_node("Sub", ["a", "b"], ["y"]),
    ]
    return file([made[i] for i in order])


def file(
    made: Iterable[onnx.NodeProto], *constants: onnx.TensorProto, outputs: tuple[str, ...] = ("y",)
) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in outputs]
    taken = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])]
    graph = helper.make_graph(list(made), "g", taken, ends, list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


def test_branches_in_another_order_are_the_same() -> None:
    assert list(file_changes(diamond((0, 1, 2)), diamond((1, 0, 2)))) == []


def test_operators_without_effect_do_not_count() -> None:
    idle = diamond((0, 1, 2))
    idle.graph.node.append(helper.make_node("Abs", ["a"], ["nobody"]))
    assert list(file_changes(diamond((0, 1, 2)), idle)) == []


def test_a_code_is_told_in_its_layer(exported: onnx.ModelProto, other: onnx.ModelProto) -> None:
    (kernel,) = (x for x in other.graph.initializer if list(x.dims) == [32, 64])
    codes = numpy_helper.to_array(kernel).copy()
    codes[3, 4] += 2
    kernel.CopyFrom(numpy_helper.from_array(codes, kernel.name))
    (change,) = file_changes(exported, other)
    assert change.layer == "fc2" and kernel.name in change.what
    assert change.numbers and change.numbers.steps == 2
    assert (change.numbers.differing, change.numbers.first) == (1, (3, 4))


def of_other_type(model: onnx.ModelProto) -> None:
    (kernel,) = (x for x in model.graph.initializer if list(x.dims) == [32, 64])
    codes = numpy_helper.to_array(kernel).astype(np.int16)
    kernel.CopyFrom(numpy_helper.from_array(codes, kernel.name))


def other_option(model: onnx.ModelProto) -> None:
    nodes(model, "Gemm")[1].attribute.append(helper.make_attribute("alpha", 2.0))


def without_clip(model: onnx.ModelProto) -> None:
    clip = nodes(model, "Clip")[1]
    for node in model.graph.node:
        node.input[:] = [clip.input[0] if x == clip.output[0] else x for x in node.input]


def without_zero_point(model: onnx.ModelProto) -> None:
    node = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
    del node.input[2:]


def reading_another(model: onnx.ModelProto) -> None:
    first, second = nodes(model, "QuantizeLinear")[:2]
    second.input[0] = first.input[0]


def other_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 22


def other_name_of_output(model: onnx.ModelProto) -> None:
    last = model.graph.node[-1]
    last.output[0] = model.graph.output[0].name = "probabilities"


def other_size_of_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def without_needs(model: onnx.ModelProto) -> None:
    """The exported file needs something in OpenVINO alone."""
    said = json.loads(model.metadata_props[0].value)
    del said["requires"]
    model.metadata_props[0].value = json.dumps(said)


def other_step(model: onnx.ModelProto) -> None:
    (entry,) = (each for each in model.metadata_props if each.key == "qconvert")
    content = json.loads(entry.value)
    next(each for each in content["layers"] if each["layer"] == "relu1")["codes"]["exp"] += 1
    entry.value = json.dumps(content)


def with_words(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="author", value="somebody")


@pytest.mark.parametrize(
    ("edit", "layer", "what"),
    [
        (of_other_type, "fc2", "type of DequantizeLinear x"),
        (other_option, "fc2", "Gemm"),
        (without_clip, "relu2", "operator Clip"),
        (without_zero_point, "relu1", "inputs of QuantizeLinear"),
        (reading_another, "relu2", "inputs of QuantizeLinear"),
        (other_opset, "", "opset of ai.onnx"),
        (other_name_of_output, "", "output 0"),
        (other_size_of_input, "", "input 0"),
        (with_words, "", "metadata author"),
        (other_step, "", "codes of relu1"),
        (without_needs, "", "needs"),
    ],
)
def test_each_change_is_told_where_it_is(
    exported: onnx.ModelProto,
    other: onnx.ModelProto,
    edit: Callable[[onnx.ModelProto], None],
    layer: str,
    what: str,
) -> None:
    edit(other)
    assert any(
        change.layer == layer and change.what.startswith(what)
        for change in file_changes(exported, other)
    )
    # And without layers, unless it is the layer that makes it out.
    assert list(file_changes(exported, other)) != []


def test_an_operator_in_between_is_added_and_its_reader_reads_it() -> None:
    """Its result has the name that the other file gives to what it is computed from."""
    first = file([helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Abs", ["a"], ["y"])])
    second = file(
        [
            helper.make_node("Relu", ["x"], ["b"]),
            helper.make_node("Neg", ["b"], ["a"]),
            helper.make_node("Abs", ["a"], ["y"]),
        ]
    )
    assert told(file_changes(first, second)) == [("", "operator Neg"), ("", "inputs of Abs")]


def test_results_in_another_order_are_told() -> None:
    made = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["x"], ["b"])]
    found = file_changes(file(made, outputs=("a", "b")), file(made, outputs=("b", "a")))
    assert ("", "output 0") in told(found)
    turned = [helper.make_node("Neg", ["x"], ["a"]), helper.make_node("Relu", ["x"], ["b"])]
    assert list(file_changes(file(made, outputs=("a", "b")), file(turned, outputs=("a", "b"))))


def scanned(constant: float, kind: str = "Mul") -> onnx.ModelProto:
    """A loop over the elements of ``x`` with a constant of its own, and one from around it."""
    floats: tuple[int, list[int]] = (TensorProto.FLOAT, [])
    body = helper.make_graph(
        [
            helper.make_node(kind, ["e", "c"], ["m"]),
            helper.make_node("Add", ["m", "outer"], ["r"]),
        ],
        "body",
        [helper.make_tensor_value_info("e", *floats)],
        [helper.make_tensor_value_info("r", *floats)],
        [helper.make_tensor("c", TensorProto.FLOAT, [], [constant])],
    )
    scan = helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1)
    return file([scan], helper.make_tensor("outer", TensorProto.FLOAT, [], [1.0]))


def test_graphs_inside_of_operators_are_compared() -> None:
    assert list(file_changes(scanned(2), scanned(2))) == []
    (change,) = file_changes(scanned(2), scanned(3))
    assert change.what == "Mul B (c)" and change.numbers and change.numbers.largest == 1
    assert [change.kind for change in file_changes(scanned(2), scanned(2, "Div"))][:2] == [
        Kind.REMOVED,
        Kind.ADDED,
    ]
    outside = scanned(2)
    outside.graph.initializer[0].float_data[0] = 5
    assert told(file_changes(scanned(2), outside)) == [("", "Add B (outer)")]


def test_what_only_a_graph_inside_reads_is_compared_too() -> None:
    def read_inside(kind: str) -> onnx.ModelProto:
        model = scanned(2)
        made = helper.make_node(kind, ["x"], ["outer"])
        del model.graph.initializer[:]
        model.graph.node.insert(0, made)
        return model

    found = told(file_changes(read_inside("Neg"), read_inside("Abs")))
    assert found[:2] == [("", "operator Neg"), ("", "operator Abs")]


def test_nothing_where_a_constant_was_is_told() -> None:
    def clipped(*bounds: str) -> onnx.ModelProto:
        constants = [helper.make_tensor(b, TensorProto.FLOAT, [], [0.0]) for b in bounds if b]
        return file([helper.make_node("Clip", ["x", *bounds], ["y"])], *constants)

    assert told(file_changes(clipped("lo", "hi"), clipped("", "hi"))) != []


def test_numbers_are_compared_and_not_bits() -> None:
    def adding(*numbers: float) -> onnx.ModelProto:
        constant = numpy_helper.from_array(np.array(numbers, np.float32), "c")
        return file([helper.make_node("Add", ["x", "c"], ["y"])], constant)

    assert list(file_changes(adding(0.0, np.nan), adding(-0.0, np.nan))) == []
    (change,) = file_changes(adding(1.0, np.nan), adding(1.0, 2.0))
    assert change.numbers and change.numbers.differing == 1


def test_constants_that_operators_hold_are_those_of_the_file() -> None:
    """``Constant`` or an initializer: the same number."""
    three = helper.make_tensor("c", TensorProto.FLOAT, [], [3.0])
    add = helper.make_node("Add", ["x", "c"], ["y"])
    held = file([helper.make_node("Constant", [], ["c"], value=three), add])
    found = told(file_changes(file([add], three), held))
    assert found == [("", "bytes of weights")]


def test_operators_of_another_domain_are_told_with_it() -> None:
    """Which may have the name of a standard one, and compute anything."""
    usual = file([helper.make_node("Neg", ["x"], ["y"])])
    foreign = file([helper.make_node("Neg", ["x"], ["y"], domain="evil")])
    found = told(file_changes(usual, foreign))
    assert found[:2] == [("", "operator Neg"), ("", "operator evil.Neg")]
