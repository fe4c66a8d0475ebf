"""Files that take and return integers are checked as those of floats are."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import qconvert
from qconvert.checking import CheckedFile, Subject, assemble, examine, seeded
from qconvert.checking.declared import read_domains
from qconvert.checking.results import Report, Verdict
from qconvert.checking.witness import Witness
from qconvert.emit import to_onnx
from qconvert.emit.metadata import KEY
from qconvert.errors import UsageError
from qconvert.ir import Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Merge, Relu, Transpose

from .deployed_models import DATA, graph_of

NOWHERE = "/nowhere/python"


def coded(file: str, *domains: str) -> onnx.ModelProto:
    graph = graph_of(file)
    return to_onnx(graph, quantized_io=True, meanings=read_domains(graph, domains))


def retold(model: onnx.ModelProto, kind: str, **change: object) -> onnx.ModelProto:
    """The file with another meaning of the codes of its first input or output."""
    (entry,) = (e for e in model.metadata_props if e.key == KEY)
    content = json.loads(entry.value)
    content[kind][0]["codes"] |= change
    entry.value = json.dumps(content)
    return model


def checked(file: str, model: onnx.ModelProto, **more: Any) -> Report:
    """Without TensorFlow, which is the same for every file."""
    weights = DATA / "encoder_weights.hdf5" if file == "encoder.json" else None
    return qconvert.check(DATA / file, model, weights=weights, samples=8, tf_python=NOWHERE, **more)


def differing(report: Report) -> set[str]:
    found = {x.name: x.finding for x in report.layers}
    found |= {f"output {x.name}": x.finding for x in report.outputs}
    return {name for name, finding in found.items() if finding.verdict is Verdict.DIFFERS}


@pytest.mark.parametrize(
    ("file", "domains"),
    [
        ("mnist_cnn.keras", ["uint8/255"]),
        ("mnist_cnn.keras", ["uint8/256"]),
        ("jet_mlp.h5", ["int8"]),
        ("jet_deepsets.h5", ["grid(0.25, -20, 100)"]),
        ("encoder.json", []),
        ("encoder.json", ["grid(0.25, -20, 20)"]),
    ],
)
def test_codes_give_what_their_floats_give(file: str, domains: list[str]) -> None:
    report = checked(file, coded(file, *domains))
    assert not differing(report)
    compared = [c for x in report.layers for c in x.finding.comparisons]
    assert len(compared) >= len(report.layers)
    for output in report.outputs:
        pairs = {c.witnesses for c in output.finding.comparisons}
        assert any(Witness.DEPLOYED in pair for pair in pairs)


@pytest.mark.parametrize("domain", ["uint8/255", "uint8/256", "int8"])
def test_a_layer_that_only_moves_an_input_is_not_forced_into_it(domain: str) -> None:
    """For the file has both in one tensor, and others read the input itself."""
    shape, turned = (None, 3, 4), (None, 4, 3)
    nodes = (
        Node("turn", Transpose((0, 2, 1)), ("x",), turned),
        Node("relu", Relu(), ("turn",), turned),
        Node("sum", Merge("add"), ("x", "x"), shape),
    )
    layers = tuple(Layer(node.name, "Layer", node.name) for node in nodes)
    outputs = (Output("sum", "sum"), Output("relu", "relu"))
    graph = Graph("turned", (Input("x", shape),), nodes, outputs, layers)
    meanings = read_domains(graph, [domain])
    model = to_onnx(graph, quantized_io=True, meanings=meanings)
    subject = Subject(graph, CheckedFile(None, ""), CheckedFile(None, ""), meanings)
    panel = assemble(graph, model, "TensorFlow is not needed")
    assert not differing(examine(subject, panel, seeded(graph, 8, 0, meanings)))


Tamper = Callable[[onnx.ModelProto], object]


def divides_by_254(model: onnx.ModelProto) -> None:
    integers = (t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT32)
    (divisor,) = (tensor for tensor in integers if not tensor.dims)
    assert numpy_helper.to_array(divisor) == 255
    divisor.CopyFrom(numpy_helper.from_array(np.array(254, np.int32), divisor.name))


@pytest.mark.parametrize(
    ("file", "tamper"),
    [
        ("mnist_cnn.keras", divides_by_254),
        ("mnist_cnn.keras", lambda model: retold(model, "inputs", divisor=256)),
        ("mnist_cnn.keras", lambda model: retold(model, "inputs", divisor=1, exp=-8)),
        ("encoder.json", lambda model: retold(model, "inputs", exp=-5)),
        ("encoder.json", lambda model: retold(model, "inputs", zero_point=1)),
        ("encoder.json", lambda model: retold(model, "outputs", exp=-7)),
        ("encoder.json", lambda model: retold(model, "outputs", zero_point=1)),
    ],
)
def test_a_wrong_meaning_of_codes_is_found(file: str, tamper: Tamper) -> None:
    model = coded(file, *(["uint8/255"] if file == "mnist_cnn.keras" else []))
    tamper(model)
    assert differing(checked(file, model))


def test_another_domain_than_that_of_the_codes_is_refused() -> None:
    model = coded("mnist_cnn.keras", "uint8/255")
    with pytest.raises(UsageError, match=r"takes codes: .* divided by 255; declared is .* 0.0039"):
        checked("mnist_cnn.keras", model, domains=["uint8/256"])
    assert not differing(checked("mnist_cnn.keras", model, domains=["uint8/255"]))


def test_samples_that_are_no_codes_are_refused() -> None:
    model = coded("mnist_cnn.keras", "uint8/255")
    halves = np.full((1, 28, 28, 1), 0.5, np.float32)
    with pytest.raises(UsageError, match="is not in its domain"):
        checked("mnist_cnn.keras", model, inputs=halves)


def test_a_wrong_layer_is_shown_by_itself(tmp_path: Path) -> None:
    model = coded("mnist_cnn.keras", "uint8/255")
    divides_by_254(model)
    folder = tmp_path / "shown"
    report = checked("mnist_cnn.keras", model, reproducer=folder)
    assert report.reproducer is not None
    assert "qconv2d_1 by itself" in report.reproducer.summary
    with np.load(folder / "inputs.npz") as fed:
        kinds: Mapping[str, str] = {name: str(fed[name].dtype) for name in fed.files}
    assert set(kinds.values()) == {"uint8"}


@pytest.mark.usefixtures("shared_tensorflow")
def test_pixels_are_proven_with_tensorflow_at_work(tmp_path: Path) -> None:
    target = tmp_path / "pixels.onnx"
    model = DATA / "pruned_cnn.h5"
    exported = qconvert.export(model, target, io="quantized", domains=["uint8/256"])
    (taken,) = exported.model.graph.input
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    report = qconvert.check(model, target, samples=4)
    assert report.passed
    proven = [x.name for x in report.layers if x.finding.verdict is Verdict.PROVEN]
    assert len(proven) == len(report.layers) - 2
