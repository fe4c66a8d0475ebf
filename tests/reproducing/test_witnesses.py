"""Whose values a reproducer shows, and what it shows where no layer is wrong by itself."""

import ast
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.results import Verdict
from qconvert.checking.witness import Direct, Runner, Shared, Witness
from qconvert.emit import to_onnx
from qconvert.errors import WitnessError
from qconvert.ir import F32, Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Dense, Merge, Opaque, Relu
from qconvert.runners.ort import OrtRunner
from qconvert.runners.reference import ReferenceRunner
from qconvert.runners.traces import Trace

from .checks import (
    Array,
    assert_gone,
    assert_shown,
    changed,
    computing,
    graph_of,
    made,
    planted,
    plus_one,
)


def test_an_opaque_layer_is_known_by_tensorflow_alone(branches: Graph, tmp_path: Path) -> None:
    """The file has another operation than the fragment that was converted."""
    shape = branches.shapes["joined"]
    names = [onnx.helper.make_tensor_value_info(name, 1, None) for name in ("x", "y")]
    node = onnx.helper.make_node("Softmax", ["x"], ["y"], axis=2)
    opset = onnx.helper.make_opsetid("", 13)
    fragment = onnx.helper.make_model(
        onnx.helper.make_graph([node], "fragment", names[:1], names[1:]), opset_imports=[opset]
    ).SerializeToString()
    share = replace(branches.nodes[-1], op=Opaque("Mystery", "tool", fragment, (shape,), shape))
    graph = replace(branches, nodes=(*branches.nodes[:-1], share))

    def edit(model: onnx.ModelProto) -> None:
        computing(model, "share").op_type = "LogSoftmax"

    tensorflow = Shared(Direct(ReferenceRunner(branches).run))
    numpy = Direct(ReferenceRunner(graph, tensorflow.finish).run)
    replaced: dict[Witness, Runner] = {Witness.TENSORFLOW: tensorflow, Witness.NUMPY: numpy}
    folder = tmp_path / "shown"
    found = made(graph, changed(to_onnx(graph), edit), folder, replaced=replaced, forced=False)
    assert "(TensorFlow)" in assert_shown(found, "share")
    assert_gone(found, graph, "share")


def subtracting(graph: Graph) -> Graph:
    """Another model, whose layer total is something else."""
    nodes = [
        replace(node, op=Merge("subtract")) if node.name == "total" else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def test_where_both_of_ours_are_wrong_tensorflow_says_what_is_expected(
    branches: Graph, tmp_path: Path
) -> None:
    truth = subtracting(branches)
    found = made(branches, to_onnx(branches), tmp_path / "shown", truth=truth, forced=False)
    assert "(TensorFlow)" in assert_shown(found, "total")
    assert "only TensorFlow knows" in (found.folder / "README.txt").read_text()
    assert_gone(found, truth, "total")


@pytest.mark.parametrize("dies", [True, False])
def test_tensorflow_is_asked_about_the_numbers_that_are_shown(
    branches: Graph, tmp_path: Path, dies: bool
) -> None:
    """And what it says is told, should it be another than of the sample."""
    reference = ReferenceRunner(branches)

    def tensorflow(inputs: Mapping[str, F32], forced: Mapping[str, F32]) -> Trace:
        if forced and dies:
            raise WitnessError("QC721", "killed")
        found = reference.run(inputs, forced)
        total = found.layers["total"] + np.float32(bool(forced))
        return Trace({**found.layers, "total": total}, found.outputs)

    def edit(model: onnx.ModelProto) -> None:
        computing(model, "total").op_type = "Sub"

    wrong, folder = changed(to_onnx(branches), edit), tmp_path / "shown"
    replaced = {Witness.TENSORFLOW: Direct(tensorflow)}
    found = made(branches, wrong, folder, replaced=replaced, forced=False)
    assert "(NumPy)" in assert_shown(found, "total")
    assert ("OTHER values" in (folder / "README.txt").read_text()) is not dies


def test_a_wrong_reference_is_not_blamed_on_the_file(branches: Graph, tmp_path: Path) -> None:
    truth = subtracting(branches)
    found = made(branches, to_onnx(truth), tmp_path / "shown", truth=truth, forced=False)
    assert found.report.reproducer is not None
    assert "the file is right" in found.report.reproducer.summary
    assert "The ONNX file is RIGHT" in (found.folder / "README.txt").read_text()
    assert found.run().returncode == 0


def test_a_file_that_does_not_tell_its_layers_is_kept_whole(tmp_path: Path) -> None:
    graph = graph_of("encoder.json")
    model = to_onnx(graph)
    wrong = planted(model, "511", plus_one(0))
    del wrong.metadata_props[:]
    found = made(graph, wrong, tmp_path / "shown")
    assert found.report.verdict is Verdict.DIFFERS
    done = found.run()
    assert done.returncode == 1
    assert done.stdout.startswith("model model.h5\n")
    assert "so this is the whole" in (found.folder / "README.txt").read_text()
    onnx.save(model, found.folder / "right.onnx")
    assert found.run(found.folder / "right.onnx").returncode == 0


def test_what_differs_only_among_others_is_said_so(branches: Graph, tmp_path: Path) -> None:
    """A kernel that is chosen for the whole file alone."""
    model = to_onnx(branches)
    runner = OrtRunner(model)

    def deployed(inputs: Mapping[str, F32], forced: Mapping[str, F32]) -> Trace:
        found = runner.run_tapped(inputs, forced)
        return Trace({**found.layers, "q": found.layers["q"] + np.float32(1)}, found.outputs)

    replaced = {Witness.DEPLOYED: Direct(deployed)}
    found = made(branches, model, tmp_path / "shown", replaced=replaced, forced=False)
    assert found.report.first_difference is not None
    assert found.report.first_difference.name == "q"
    text = (found.folder / "README.txt").read_text()
    assert "q differs: no layer was found that differs when it is run by itself" in text
    assert "None of them differs" in text
    assert found.run().returncode == 0


def test_a_layer_that_only_the_deployed_file_has_wrong_is_searched(tmp_path: Path) -> None:
    """ONNX Runtime rounds what goes into such a product to 8 bits.

    Tapped, the layer is right: only the output shows that something is not.
    """
    kernel = np.random.default_rng(0).integers(-8, 8, (64, 32)).astype(np.int8)
    nodes = (
        Node("rectified", Relu(), ("x",), (None, 64)),
        Node("fc", Dense((kernel / 8).astype(np.float32), None), ("rectified",), (None, 32)),
    )
    layers = tuple(Layer(node.name, "ReLU", node.name) for node in nodes)
    graph = Graph("trap", (Input("x", (None, 64)),), nodes, (Output("y", "fc"),), layers)

    def edit(model: onnx.ModelProto) -> None:
        node = computing(model, "fc")
        constants: dict[str, Array] = {"codes": kernel, "scale": np.full(32, 1 / 8, np.float32)}
        tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
        model.graph.initializer.extend(tensors)
        weight = onnx.helper.make_node("DequantizeLinear", [*constants], ["weight"], axis=1)
        at = list(model.graph.node).index(node)
        model.graph.node.insert(at, weight)
        node.CopyFrom(onnx.helper.make_node("MatMul", ["rectified", "weight"], ["fc"]))

    found = made(graph, changed(to_onnx(graph), edit), tmp_path / "shown")
    assert found.report.verdict is Verdict.DIFFERS
    assert found.report.first_difference is None
    done = found.run()
    assert done.returncode == 1
    assert done.stdout.startswith("layer fc (")
    assert "(optimizations off): 0 of 32 elements differ" in done.stdout
    assert found.nonzeros <= 3
    assert "by itself it differs" in (found.folder / "README.txt").read_text()
    assert_gone(found, graph, "fc")


def test_codes_that_are_not_what_the_file_says_of_them(tmp_path: Path) -> None:
    """Dequantized in the file they are right; whoever takes the integers gets others."""
    graph = graph_of("jet_mlp.h5")

    def edit(model: onnx.ModelProto) -> None:
        nodes = [computing(model, f"relu1/{kind}") for kind in ("QuantizeLinear", "Clip")]
        for node, place in (
            (nodes[0], 2),
            (nodes[1], 1),
            (nodes[1], 2),
            (computing(model, "relu1"), 2),
        ):
            (number,) = (x for x in model.graph.initializer if x.name == node.input[place])
            more = numpy_helper.to_array(number) + np.uint8(1)
            node.input[place] = f"{number.name} and 1"
            if node.input[place] not in [x.name for x in model.graph.initializer]:
                model.graph.initializer.append(numpy_helper.from_array(more, node.input[place]))

    found = made(graph, changed(to_onnx(graph), edit), tmp_path / "shown", forced=False)
    done = found.run()
    assert (done.returncode, done.stdout.split()[:2]) == (1, ["layer", "relu1"])
    assert "(optimizations off): 0 of 64 elements differ" in done.stdout
    assert "(as deployed): 64 of 64 elements differ" in done.stdout
    assert_gone(found, graph, "relu1")


def test_nothing_is_written_where_nothing_differs(tmp_path: Path) -> None:
    graph = graph_of("encoder.json")
    found = made(graph, to_onnx(graph), tmp_path / "shown")
    assert found.report.passed
    assert found.report.reproducer is None
    assert not found.folder.exists()


def test_the_script_needs_numpy_and_onnxruntime_alone(tmp_path: Path) -> None:
    graph = graph_of("encoder.json")
    wrong = planted(to_onnx(graph), "511", plus_one(0))
    text = (made(graph, wrong, tmp_path / "shown").folder / "reproduce.py").read_text()
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}
